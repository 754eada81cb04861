"""Which panes are seen, by the size of the screen and how things stand; and which of them has the focus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widget import Widget

from amdbg_tui.panes.standing import banner_of, standing_of

if TYPE_CHECKING:
    from amdbg_tui.app import App

NARROW_CELLS = 100
"""Narrower screens show one pane at a time."""
PAIR_CELLS = 70
"""From here on a narrow screen has room for the machines beside that pane."""
BROAD_CELLS = 190
"""From here on log and transitions stand side by side."""
TALL_ROWS = 34
"""From here on one stands above the other."""


def seen(widget: Widget) -> bool:
    """Whether a widget and all it stands in are displayed."""
    return all(node.display for node in widget.ancestors_with_self if isinstance(node, Widget))


def is_narrow(app: App) -> bool:
    """One pane at a time."""
    return app.forced_narrow or app.size.width < NARROW_CELLS


def arrange(app: App) -> None:
    """Decide which panes are seen."""
    standing = standing_of(app.history.live)
    alone = standing is not None and standing.kind != app.dismissed
    beside = alone and standing is not None and standing.kind in ("empty", "alone")
    narrow, pane = is_narrow(app), app.pane_shown
    pair = narrow and app.size.width >= PAIR_CELLS
    if pair and pane == "machines":
        pane = app.middle_shown
    opened = app.view.opened is not None
    app.standing.display = alone
    app.toolbar.display = beside or not alone
    app.machines.display = (not alone or beside) and (not narrow or pair or app.pane_shown == "machines")
    app.middle.display = not alone and (not narrow or pane in ("schema", "peer"))
    app.right.display = not alone and (not narrow or pane in ("log", "transitions", "detail"))
    app.schema.display = app.middle_shown == "schema"
    app.peer.display = app.middle_shown == "peer"
    broad = app.size.width >= BROAD_CELLS
    both = not narrow and (broad or (app.size.height >= TALL_ROWS and not opened))
    with_log = app.view.level > 0
    app.log_pane.display = with_log and (both or app.records_shown == "log")
    app.transitions.display = both or app.records_shown == "transitions" or not with_log
    app.records.display = not (narrow and opened)
    for part in (app.middle, app.right, app.records):
        part.set_class(broad, "-broad")
    app.detail.display = opened
    for records in (app.log_pane, app.transitions):
        records.stream.look(seen(records))
    banner = None if alone and not beside else banner_of(app.history.live)
    app.banner.display = banner is not None
    if banner is not None:
        app.banner.show(banner)
    if alone and standing is not None:
        app.standing.show(standing)
    keep_focus(app)


def keep_focus(app: App) -> None:
    """When the pane with the focus is not seen any more, another one takes it."""
    if len(app.screen_stack) > 1 or (app.focused is not None and seen(app.focused)):
        return
    panes = [app.standing, app.machines, app.schema, app.peer, app.log_pane, app.transitions]
    if app.pane_shown == "detail":
        panes.insert(1, app.detail)
    first = next((pane for pane in panes if seen(pane)), None)
    if first is not None:
        app.screen.set_focus(first)
