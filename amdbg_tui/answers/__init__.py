"""Answers for people at a bad hour: expressions over machines and peers, watches, findings. No screen, no network.

Everything here reads a `Live`, of now or of any moment, and so works live, on a recording, and without a screen.
"""
