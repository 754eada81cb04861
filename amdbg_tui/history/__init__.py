"""What happened: records, their store in SQLite, the newest of everything (`Live`), and reading back
(`Cursor`).
"""

from amdbg_tui.history.cursor import Cursor, Page
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Changes, Live, LiveMachine, LivePeer, Moment
from amdbg_tui.history.log_lines import LogLine, log_lines
from amdbg_tui.history.notes import Bookmark
from amdbg_tui.history.store import History
from amdbg_tui.history.timeline import Bucket, Step
from amdbg_tui.history.writer import HistoryError

__all__ = [
    "Bookmark",
    "Bucket",
    "Changes",
    "Cursor",
    "History",
    "HistoryError",
    "Live",
    "LiveMachine",
    "LivePeer",
    "LogLine",
    "Moment",
    "Page",
    "Step",
    "TransitionFilter",
    "log_lines",
]
