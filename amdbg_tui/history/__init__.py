"""What happened: records, their store in SQLite, the newest of everything (`Live`), and reading back
(`Cursor`).
"""

from amdbg_tui.history.cursor import Cursor, Page
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Changes, Live, LiveMachine, LivePeer
from amdbg_tui.history.log_lines import LogLine, log_lines
from amdbg_tui.history.moments import Entry, Generation, Moment
from amdbg_tui.history.notes import Bookmark
from amdbg_tui.history.records import LossKind, LossRecord, RecordClass
from amdbg_tui.history.store import History
from amdbg_tui.history.tables import HistoryError
from amdbg_tui.history.timeline import Bucket, Step

__all__ = [
    "Bookmark",
    "Bucket",
    "Changes",
    "Cursor",
    "Entry",
    "Generation",
    "History",
    "HistoryError",
    "Live",
    "LiveMachine",
    "LivePeer",
    "LogLine",
    "LossKind",
    "LossRecord",
    "Moment",
    "Page",
    "RecordClass",
    "Step",
    "TransitionFilter",
    "log_lines",
]
