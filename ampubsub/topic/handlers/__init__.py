"""Handlers of the topic machine, one class per concern. Each holds no state; what is remembered is in `core.py`."""
