"""What panes share: the virtual list, prompts, bars."""
