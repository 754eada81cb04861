"""What a pane is: a widget with a name, its own keys and actions, and `show(now)`.

A pane reads the view and the `Live` it is given, and knows neither the app nor another pane. When the person chose something in
it, it changes the view and posts `Pane.Changed`; what it wants of the program is an action by name, `Pane.Wants`. To add one: a
class here, a line in `registry.py`, its keys in the key map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.message import Message

from amdbg_tui import keymap
from amdbg_tui.history.live import Changes, Live
from amdbg_tui.panes.view import View
from amdbg_tui.widgets.virtual_list import VirtualList


class PaneBase:
    """What every pane has, a list or not. `pane_name` is its id, and what the key map and the layout call it."""

    view: View
    pane_name: ClassVar[str] = ""
    hints: ClassVar[tuple[str, ...]] = ()
    """Ids of the key map that are worth showing while it has the focus, most wanted first."""
    can_filter: ClassVar[bool] = False

    @dataclass
    class Changed(Message):
        """What is looked at is another: all panes follow."""

    @dataclass
    class Wants(Message):
        """An action of the program, such as `pane('states')`."""

        action: str

    def show(self, now: Live) -> None:
        """Paint what is different: `now` is the present, or everything as of the moment that is looked at."""
        raise LookupError(f"{type(self).__name__} does not say what it shows")

    def take(self, changes: Changes) -> None:
        """Records came in, whatever moment is looked at. Called whether the pane is seen or not."""

    @property
    def is_wanted(self) -> bool:
        """Whether there is something to see in it: of the panes that share a place, the first wanted one is shown."""
        return True

    @property
    def filter_text(self) -> str:
        """What narrows its rows."""
        return ""

    def set_filter(self, text: str) -> str:
        """Narrow its rows; answers what is wrong with the filter, in words."""
        return ""


class Pane(PaneBase, VirtualList):
    """A list pane."""

    DEFAULT_CSS = """
    Pane { border: solid $frame; }
    Pane:focus { border: double $frame-focused; }
    """

    def __init_subclass__(cls, **options: Any) -> None:
        own: list[BindingType] = [*cls.__dict__.get("BINDINGS", ()), *keymap.bindings_of(cls.pane_name)]
        if own and cls.pane_name:
            cls.BINDINGS = own
        super().__init_subclass__(**options)

    def __init__(self, view: View) -> None:
        super().__init__(id=self.pane_name)
        self.view = view

    def changed(self) -> None:
        """Tell that all panes have to follow."""
        self.post_message(self.Changed())

    def resized(self) -> None:
        """Another size may have room for more."""
        self.show(self.view.now)
