"""The prompt: add, remove, set or toggle states of an own machine, and see beforehand what relations will do.

It opens at the bottom, so that the panes stay in sight. Tab completes, the arrows walk through what was
done before, and what came of it stays to be read. For a machine of somebody else it says why it cannot be
changed from here and offers to watch it instead.
"""

from __future__ import annotations

import contextvars
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.records import CommandRecord
from amdbg_tui.node.commands import Command, CommandError, Forecast, Mutate, Outcome, Preview, Watch
from amdbg_tui.panes.entry import Entry, candidates, complete, understand
from amdbg_tui.panes.view import View
from amdbg_tui.panes.why_words import names as names_row
from amdbg_tui.widgets.lines import Lines
from amdbg_tui.widgets.paint import Row, Span

SIGNS = {"+": "add", "-": "remove", "=": "set", "~": "toggle"}
SIGN_OF = {kind: sign for sign, kind in SIGNS.items()}
RESULT_LOOK = {"executed": "inactive", "canceled": "error", "queued": "active"}
RESULT_WORD = {"executed": "Executed", "canceled": "Canceled", "queued": "Queued"}
PREVIEW_DELAY_S = 0.05


class Asks(Protocol):
    """Whoever answers commands: the node."""

    def call(self, command: Command) -> Future[Any]:
        """Have the peer do something."""
        ...


class EntryInput(Input):
    """The line; completion and history are the prompt's."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", show=False),
        Binding("up", "before(1)", "Before", show=False),
        Binding("down", "before(-1)", "After", show=False),
        Binding("escape", "leave", "Close", show=False),
    ]

    @dataclass
    class Pressed(Message):
        """A key that is the prompt's."""

        what: str
        by: int = 0

    def action_complete(self) -> None:
        """Complete the word."""
        self.post_message(self.Pressed("complete"))

    def action_before(self, by: int) -> None:
        """What was done before."""
        self.post_message(self.Pressed("before", by))

    def action_leave(self) -> None:
        """Close."""
        self.post_message(self.Pressed("leave"))


class Prompt(Vertical):
    """One line to type in, with what it would do below it."""

    DEFAULT_CSS = """
    Prompt { height: auto; display: none; background: $bar; border-top: solid $frame-focused; }
    Prompt #ask { height: 1; background: $bar; }
    Prompt #what { width: auto; min-width: 6; max-width: 50%; }
    Prompt Input { width: 1fr; height: 1; border: none; padding: 0; background: $bar; }
    Prompt Input:focus { border: none; background-tint: $bar 0%; }
    """

    @dataclass
    class Closed(Message):
        """The prompt was closed."""

    def __init__(self, view: View, node: Asks | None) -> None:
        super().__init__(id="prompt")
        self.view = view
        self.node = node
        self.kind = "add"
        self.machine: LiveMachine | None = None
        self._entry = Entry((), (), "", "", 0)
        self._forecast: Forecast | str | None = None
        self._asked = 0
        self._result: Row = []
        self._cycle: list[str] = []
        self._cycle_text = ""
        self._back = 0
        self._own_typing = ""

    def compose(self) -> ComposeResult:
        """What is asked, the line, what it would do."""
        with Horizontal(id="ask"):
            yield Lines(id="what")
            yield EntryInput(id="line", select_on_focus=False)
        yield Lines(id="answer")

    @property
    def line(self) -> EntryInput:
        """The line that is typed in."""
        return self.query_one("#line", EntryInput)

    @property
    def can_change(self) -> bool:
        """Whether the machine is ours to change."""
        return self.machine is not None and self.machine.is_own and self.node is not None

    # Opening and closing.

    def open(self, kind: str, machine: LiveMachine, text: str = "") -> None:
        """Ask for states of a machine."""
        self.kind = kind
        self.machine = machine
        self._result = []
        self._forecast = None
        self._back = 0
        self.display = True
        self.line.value = text
        self.line.cursor_position = len(text)
        self.screen.set_focus(self.line)
        self._understand()

    def close(self) -> None:
        """Close without doing anything."""
        self._asked += 1
        self.display = False
        self.post_message(self.Closed())

    # Typing.

    def on_input_changed(self, event: Input.Changed) -> None:
        """Every letter is understood at once."""
        event.stop()
        text = event.value
        if text[:1] in SIGNS:  # as the log writes it: `+Added`
            self.kind = SIGNS[text[0]]
            self.line.value = text[1:]
            self.line.cursor_position = max(0, self.line.cursor_position - 1)
            return
        if text != self._cycle_text:
            self._cycle = []
        self._understand()

    def _understand(self) -> None:
        machine = self.machine
        if machine is None:
            return
        self._entry = understand(self.line.value, machine.names)
        self._forecast = None
        self._asked += 1
        if not self._entry.error and self.can_change:
            asked = self._asked
            self.set_timer(PREVIEW_DELAY_S, lambda: self._preview(asked))
        self._show()

    def _preview(self, asked: int) -> None:
        if asked != self._asked or self.machine is None or self.node is None:
            return

        def then(forecast: Forecast | str) -> None:
            if asked == self._asked:  # a preview of what was typed before says nothing any more
                self._previewed(forecast)

        self._ask(Preview(self.machine.key, self.kind, self._entry.states), then)

    def _ask(self, command: Command, then: Any) -> None:
        """Ask the node; the answer comes back in the screen's thread, whatever is typed meanwhile."""
        assert self.node is not None
        future = self.node.call(command)
        loop = self.app._loop
        context = contextvars.copy_context()

        def answered(done: Future[Any]) -> None:
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._answer, done, then, context=context)

        future.add_done_callback(answered)

    def _answer(self, done: Future[Any], then: Any) -> None:
        if not self.is_attached:
            return
        error = done.exception()
        if error is None:
            then(done.result())
        elif isinstance(error, CommandError):
            then(str(error))
        else:
            then(f"{type(error).__name__}: {error}")

    def _previewed(self, forecast: Forecast | str) -> None:
        self._forecast = forecast
        self._show()

    def on_entry_input_pressed(self, event: EntryInput.Pressed) -> None:
        """Tab, the arrows, Escape."""
        event.stop()
        if event.what == "leave":
            self.close()
        elif event.what == "complete":
            self._complete()
        else:
            self._earlier(event.by)

    def _complete(self) -> None:
        if self.machine is None:
            return
        text = self.line.value
        if self._cycle and text == self._cycle_text:
            self._cycle.append(self._cycle.pop(0))
            entry = understand(text.rstrip(), self.machine.names)
            text = text.rstrip()
        else:
            entry = self._entry
            self._cycle = candidates(entry, self.machine.names)
        if not self._cycle:
            return
        self._cycle_text = complete(text, entry, self._cycle[0])
        self.line.value = self._cycle_text
        self.line.cursor_position = len(self._cycle_text)

    def _earlier(self, by: int) -> None:
        """Walk through what was done to this machine before."""
        if self.machine is None:
            return
        done = [one for one in self.view.live.commands if one.key == self.machine.key]
        if self._back == 0:
            self._own_typing = self.line.value
        self._back = max(0, min(len(done), self._back + by))
        if self._back == 0:
            text = self._own_typing
        else:
            command = done[-self._back]
            self.kind = command.kind if command.kind in SIGN_OF else self.kind
            text = text_of_command(command)
        self.line.value = text
        self.line.cursor_position = len(text)
        self._understand()

    # Doing.

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter: do it, or watch."""
        event.stop()
        machine, entry = self.machine, self._entry
        if machine is None:
            return
        if entry.error or self.node is None:
            self._show(insist=True)
            return
        self._asked += 1
        self._result = [("…", "grey")]
        if self.can_change:
            command: Command = Mutate(machine.key, self.kind, entry.states, entry.args)
            kind, typed = self.kind, self.line.value

            def done(outcome: Outcome | str) -> None:
                self._done(outcome, kind, entry.states, typed)

            self._ask(command, done)
        else:
            self._ask(Watch(machine.key, entry.states), self._watching)
        self._show()

    def _done(self, outcome: Outcome | str, kind: str, states: tuple[str, ...], typed: str) -> None:
        if isinstance(outcome, str):
            self._result = [("Not done", "error bold"), (f": {outcome}", "plain")]
        else:
            look = RESULT_LOOK.get(outcome.result, "plain")
            what = [(f": {SIGN_OF[kind]}", "plain"), *names_row(states)]
            self._result = [(RESULT_WORD.get(outcome.result, outcome.result), f"{look} bold"), *what]
            if outcome.reason:
                self._result.append((f" · {outcome.reason}", "plain"))
            if outcome.result == "executed" and self.line.value == typed:
                self._own_typing = ""
                self._back = 0
                self.line.value = ""
        self._show()

    def _watching(self, answer: object) -> None:
        if isinstance(answer, str):
            self._result = [("Not watched", "error bold"), (f": {answer}", "plain")]
        else:
            self._result = [
                ("Watching", "inactive bold"),
                (": a notice comes when all of them are active.", "plain"),
            ]
        self._show()

    # Showing.

    def _show(self, *, insist: bool = False) -> None:
        machine = self.machine
        if machine is None:
            return
        changes = self.can_change
        sign, verb = (SIGN_OF[self.kind], self.kind) if changes else ("?", "watch")
        what: Row = [
            (f" {sign} ", "own bold" if changes else "hearsay bold"),
            (f"{verb} ", "bright bold"),
            (machine.record.machine_id, "own" if changes else "hearsay"),
            (" › ", "grey"),
        ]
        lines = self.query_one("#what", Lines)
        lines.show([what])
        lines.styles.width = sum(len(text) for text, _ in what)
        rows: list[Row] = [] if changes else [self._why_not(machine)]
        if self.line.value or insist or not self._result:
            rows.append(self._candidates_row(machine))
            rows.append(self._forecast_row(insist))
        rows.append(
            [("   ", "plain"), *self._result] if self._result else _HINTS if changes else _WATCH_HINTS
        )
        self.query_one("#answer", Lines).show(rows)

    def _why_not(self, machine: LiveMachine) -> Row:
        if machine.is_own:
            text = "Nobody runs it here: this is a history that was recorded."
            return [("   ", "plain"), (text, "stale")]
        peer = self.view.live.peers.get(machine.key.peer_id)
        owner = (peer.record.name if peer else "") or machine.key.peer_id[-8:]
        text = f"Only its own peer ({owner}) can change it; peers of a topic can only look. "
        return [
            ("   ", "plain"),
            (text, "stale"),
            ("Watch it instead: name states, Enter, and you are told when all are active.", "plain"),
        ]

    def _candidates_row(self, machine: LiveMachine) -> Row:
        found = self._cycle or candidates(self._entry, machine.names)
        row: Row = [("   ", "plain")]
        for place, name in enumerate(found):
            index = machine.index[name]
            active = index < len(machine.clock) and machine.clock[index] % 2 == 1
            look = "active" if active else "inactive"
            chosen = place == 0 and bool(self._entry.word or self._cycle)
            row.append(("●" if active else " ", look))
            row += [(name, f"{look} bold underline" if chosen else look), (" ", "plain")]
        return row if found else [("   no state is called like that", "grey")]

    def _forecast_row(self, insist: bool) -> Row:
        entry = self._entry
        if entry.error and (entry.states or entry.args or insist):
            typing = bool(entry.word) and any(
                name.casefold().startswith(entry.word.casefold()) for name in self._known()
            )
            if not typing or insist:
                return [("   ", "plain"), (entry.error, "stale")]
        forecast = self._forecast
        if forecast is None or not self.can_change:
            return [("   ", "plain")]
        if isinstance(forecast, str):
            return [("   ", "plain"), (forecast, "stale")]
        if not forecast.accepted:
            reason = f": {forecast.reason}" if forecast.reason else ""
            return [("   would be ", "plain"), ("canceled", "error bold"), (reason, "plain")]
        row: list[Span] = [("   would ", "plain")]
        if forecast.activates:
            row += [("activate ", "plain"), *names_row(forecast.activates, "active bold")]
        if forecast.deactivates:
            row.append((" and deactivate " if forecast.activates else "deactivate ", "plain"))
            row += names_row(forecast.deactivates, "grey bold")
        if not forecast.activates and not forecast.deactivates:
            row.append(("change nothing", "plain"))
        if forecast.reason:
            row.append((f" · {forecast.reason}", "grey"))
        return row

    def _known(self) -> tuple[str, ...]:
        return self.machine.names if self.machine is not None else ()


_HINTS: Row = [
    ("   ", "plain"),
    ("Enter", "bright"),
    (" does it · ", "grey"),
    ("Tab", "bright"),
    (" completes · ", "grey"),
    ("↑", "bright"),
    (" what you did before · ", "grey"),
    ("key=value", "bright"),
    (" arguments · ", "grey"),
    ("+ - = ~", "bright"),
    (" first · ", "grey"),
    ("Esc", "bright"),
    (" closes", "grey"),
]
_WATCH_HINTS: Row = [
    ("   ", "plain"),
    ("Enter", "bright"),
    (" watches · ", "grey"),
    ("Tab", "bright"),
    (" completes · ", "grey"),
    ("Esc", "bright"),
    (" closes", "grey"),
]


def text_of_command(command: CommandRecord) -> str:
    """What was asked, as it is typed."""
    args = []
    for name, value in command.args:
        plain = value and " " not in value and '"' not in value
        args.append(f"{name}={value}" if plain else f'{name}="{value}"')
    return " ".join([*command.states, *args])
