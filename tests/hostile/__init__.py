"""Tests in which somebody means harm."""
