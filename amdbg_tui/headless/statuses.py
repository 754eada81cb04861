"""Exit statuses of the commands without a screen."""

FOUND = 0
"""It is there, it was so, or the command did what it should."""
NOT_FOUND = 1
"""Nothing matches; it was never so."""
WRONG_INPUT = 2
"""An argument, a file or an address cannot be used; one line on stderr says why."""
TIMED_OUT = 3
"""The time was over before an answer came."""
