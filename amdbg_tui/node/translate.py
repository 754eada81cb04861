"""From the library's machines and events to records: every text made harmless, every name findable again.

Runs in the peer's thread. A `ShownMachine` is what the screen knows of a machine; it maps the harmless
state names back to the real ones, for commands.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice

from amdbg_tui.history.records import (
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    StateShape,
    StepRecord,
    TransitionRecord,
    replace,
)
from amdbg_tui.node.commands import CommandError
from amdbg_tui.safe_text import TEXT_CELLS, safe_block, safe_text
from ampubsub.machine import MachineView, State, Step, Transition
from ampubsub.topic import PeerInfo
from ampubsub.topic.events import ClockChanged, Noticed, PeerChanged
from ampubsub.transport.interface import PeerDetail

ARGS_SHOWN = 32
STEPS_SHOWN = 2_000
LINES_SHOWN = 500


@dataclass(slots=True)
class ShownMachine:
    """A machine as it was last told to the screen."""

    record: MachineRecord
    real_names: dict[str, str] = field(default_factory=dict)
    """Harmless state name to the real one."""

    def real(self, names: Iterable[str]) -> tuple[str, ...]:
        """The real names of states. Raises `CommandError` naming the unknown ones."""
        unknown = [name for name in names if name not in self.real_names]
        if unknown:
            machine = self.record.machine_id
            raise CommandError(
                f"machine {machine} has no state {', '.join(safe_text(name) for name in unknown)}"
            )
        return tuple(self.real_names[name] for name in names)


def show_machine(
    key: MachineKey,
    view: MachineView,
    source: str,
    *,
    machine_id: str = "",
    parent_id: str = "",
    tags: Iterable[str] | None = None,
    reason: str = "",
) -> ShownMachine:
    """A machine's record. Two states whose harmless names are alike are told apart by their index."""
    states: list[StateShape] = []
    real_names: dict[str, str] = {}
    harmless: dict[str, str] = {}
    for index, name in enumerate(view.state_names):
        shown = safe_text(name)
        if shown in real_names:
            shown = f"{safe_text(name, 180)}#{index}"
        real_names[shown] = name
        harmless[name] = shown
    for name, shown in harmless.items():
        states.append(_shape(shown, view.schema.get(name, _PLAIN), harmless))
    record = MachineRecord(
        time.time(),
        key,
        safe_text(machine_id or view.id),
        tuple(states),
        source,
        tuple(safe_text(tag) for tag in (view.tags if tags is None else tags)),
        safe_text(parent_id),
        tuple((safe_text(name), tuple(members)) for name, members in view.groups.items()),
        tuple(view.time()),
        safe_text(reason, TEXT_CELLS),
    )
    return ShownMachine(record, real_names)


def again(shown: ShownMachine, *, source: str, reason: str, clock: tuple[int, ...] = ()) -> MachineRecord:
    """The same machine with another source, as a new record (and as the one last told)."""
    record = replace(
        shown.record, at_s=time.time(), source=source, reason=safe_text(reason, TEXT_CELLS), clock=clock
    )
    shown.record = record
    return record


def derived_transition(event: ClockChanged) -> TransitionRecord:
    """A network machine's clock moved: the transition that must have happened there."""
    return TransitionRecord(
        time.time(),
        MachineKey(*event.key),
        "",
        "clock",
        (),
        True,
        tuple(event.before),
        tuple(event.after),
        derived=True,
        source=event.teller,
        trust=event.source.value,
    )


def whole_transition(key: MachineKey, transition: Transition, by_hand: bool) -> TransitionRecord:
    """A transition of a machine of our own, with all that happened in it."""
    mutation = transition.mutation
    error = transition.error
    return TransitionRecord(
        time.time(),
        key,
        transition.id,
        mutation.kind.value,
        tuple(safe_text(name) for name in mutation.called),
        transition.accepted,
        tuple(transition.time_before),
        tuple(transition.time_after),
        auto=mutation.auto,
        check=mutation.check,
        source=safe_text(mutation.source) if mutation.source else "",
        queue_tick=mutation.queue_tick,
        args=show_arguments(mutation.args),
        handlers=tuple(safe_text(_HANDLER_PLACE.sub("", name)) for name in transition.handlers),
        steps=show_steps(transition.steps),
        log=_log_of(transition),
        error="" if error is None else safe_text(_in_words(error), TEXT_CELLS),
        by_hand=by_hand,
    )


def show_arguments(args: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Arguments as texts; a string as it is, anything else as Python writes it."""
    pairs = list(args.items())
    shown = [(safe_text(name), _argument(value)) for name, value in pairs[:ARGS_SHOWN]]
    if len(pairs) > ARGS_SHOWN:
        shown.append(("…", f"{len(pairs) - ARGS_SHOWN} more"))
    return tuple(shown)


def show_steps(steps: Iterable[Step]) -> tuple[StepRecord, ...]:
    """What relations and handlers did, step by step."""
    return tuple(
        StepRecord(step.kind.value, safe_text(step.from_state), safe_text(step.to_state), step.detail)
        for step in islice(steps, STEPS_SHOWN)
    )


def peer_record(event: PeerChanged) -> PeerRecord:
    """A peer came, changed or went."""
    name, reason = safe_text(event.name), safe_text(event.reason, TEXT_CELLS)
    return PeerRecord(time.time(), event.peer_id, event.status.value, name, reason)


def notice_record(event: Noticed) -> NoticeRecord:
    """Something to read."""
    return NoticeRecord(time.time(), event.severity, safe_text(event.text, TEXT_CELLS), event.peer_id)


WITNESSES = 8
"""Witnesses of a peer's life that are recorded."""


def detail_record(
    peer_id: str,
    info: PeerInfo | None,
    detail: PeerDetail | None,
    topic: str,
    epoch_s: float,
) -> PeerDetailRecord:
    """A peer's figures. `epoch_s` is the wall-clock time at which trio's clock, used by the peer, was 0."""
    heard = None
    if info is not None and info.last_heard_s is not None:
        heard = round(epoch_s + info.last_heard_s, 1)
    round_trip = detail.round_trip_s if detail else None
    return PeerDetailRecord(
        0.0,
        peer_id,
        tuple(safe_text(address) for address in detail.addresses) if detail else (),
        detail.transport if detail else "",
        None if round_trip is None else round(round_trip, 4),
        safe_text(detail.agent) if detail else "",
        safe_text(detail.gossipsub) if detail else "",
        bool(detail and detail.in_mesh.get(topic)),
        _counts(info.messages_in) if info else (),
        _counts(info.messages_out) if info else (),
        _counts(info.dropped) if info else (),
        heard,
        _through(info) if info else "",
        info is not None and info.muted,
        safe_text(info.how_found) if info else "",
        info.verdict.value if info else "",
        safe_text(info.verdict_reason, TEXT_CELLS) if info else "",
        tuple(sorted(witness.peer_id for witness in info.witnesses)[:WITNESSES]) if info else (),
    )


def _through(info: PeerInfo) -> str:
    """Whom a peer is heard through; who told of it when that is all we know."""
    found = str(info.through or info.introduced_by)
    return "" if info.connected or found == info.peer_id else found


_PLAIN = State()
_HANDLER_PLACE = re.compile(r"^\d+:")
"""Which of several bindings a handler is of: machines write it in front of its name."""


def _shape(shown: str, state: State, harmless: Mapping[str, str]) -> StateShape:
    def names(real: Iterable[str]) -> tuple[str, ...]:
        return tuple(harmless.get(name) or safe_text(name) for name in real)

    return StateShape(
        shown,
        state.auto,
        state.multi,
        names(state.require),
        names(state.add),
        names(state.remove),
        names(state.after),
        tuple(safe_text(tag) for tag in state.tags),
    )


def _log_of(transition: Transition) -> tuple[tuple[int, str], ...]:
    """Log lines without the machine's id in front, which says nothing inside the machine's own log."""
    prefix = f"[{transition.machine.id[:5]}] "
    lines = [*transition.log_before, *transition.log][-LINES_SHOWN:]
    return tuple((int(level), safe_block(text.removeprefix(prefix), lines=20)) for level, text in lines)


def _argument(value: object) -> str:
    if isinstance(value, str):
        return safe_text(value, TEXT_CELLS)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    if isinstance(value, BaseException):
        return safe_text(_in_words(value), TEXT_CELLS)
    if isinstance(value, bool | int | float | None):
        return repr(value)
    return _repr(value)


def _repr(value: object) -> str:
    """`repr` of anything, short, and whatever it does."""
    import reprlib

    shortener = reprlib.Repr()
    shortener.maxother = shortener.maxstring = 120
    try:
        return safe_text(shortener.repr(value), 400)
    except Exception as error:
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


def _in_words(error: BaseException) -> str:
    text = safe_block(error, lines=1)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _counts(counts: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((safe_text(name), count) for name, count in counts.items()))
