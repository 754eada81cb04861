"""The panes there are, in the order in which Tab walks them. The app knows none of them but through this list."""

from __future__ import annotations

from amdbg_tui.panes.machines import MachinesPane
from amdbg_tui.panes.pane import Pane
from amdbg_tui.panes.peer import PeerPane
from amdbg_tui.panes.records import RecordsPane
from amdbg_tui.panes.states import StatesPane
from amdbg_tui.panes.time_bar import TimeBar
from amdbg_tui.panes.why import WhyPane

PANES: tuple[type[Pane], ...] = (MachinesPane, StatesPane, PeerPane, WhyPane, RecordsPane)
"""In the order of the grid's cells."""
BARS: tuple[type[TimeBar], ...] = (TimeBar,)
"""Below the grid, across the screen."""
