"""One file a pane; every pane reads the history."""
