"""The peer: a topic machine, its handlers by concern, and the registry of what others expose."""
