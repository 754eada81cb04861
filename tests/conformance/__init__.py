"""Replays results of the real Go implementation, row by row. `python -m tests.conformance FILE...`."""
