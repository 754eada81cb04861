"""Records, their store in SQLite, cursor and filters."""
