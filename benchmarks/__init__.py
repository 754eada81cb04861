"""Measurements, printed with spread; run together by `make bench`, or one by one with `python -m`."""
