"""State schemas shared by peers: basic, connected, disposed, topic."""
