"""The terminal application `ampubsub-tui`: joins a topic and shows what happens on it."""
