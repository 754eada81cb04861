"""The state machine: schema, relations, queue, handlers, subscriptions. Pure; see machine.py for the theory."""
