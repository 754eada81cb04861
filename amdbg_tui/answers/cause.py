"""Why, to the root: from an active state, a refused mutation or an error back to what set it off, link by link.

Each link is a fact with the number of the record that tells it, and says how well it is known. The chain goes through
relations, handlers, Auto, pipes and other machines (the source of a mutation), the person's own command, and the message
that told a clock. Where the network does not tell more, the last link says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from amdbg_tui.answers.replica import Replica, schema_of
from amdbg_tui.history.cursor import Cursor
from amdbg_tui.history.filters import TransitionFilter
from amdbg_tui.history.live import Live, LiveMachine
from amdbg_tui.history.moments import Moment
from amdbg_tui.history.records import (
    PROGRAM_TRUST,
    MachineKey,
    MessageRecord,
    RecordClass,
    TransitionRecord,
)
from ampubsub.machine import MutationKind

LONGEST = 32
"""Links of a chain."""
LOOKED_AT = 2_000
"""Transitions of one machine looked at for the one that is named."""
MESSAGE_S = 2.0
"""A message so much older than a clock change did not tell it."""
ERROR_ARGUMENT = "_am_err"
"""The argument of an error state's mutation that holds the error."""
TELLING = ("hello", "info", "updates", "gossip")
"""Kinds of messages that tell clocks."""


class Grade(StrEnum):
    """How well a link is known."""

    CERTAIN = "certain"
    """Recorded where it happened, or follows from the schema."""
    TOLD = "told by programs"
    """A program told it by am-dbg's telemetry."""
    REPORTED = "reported"
    """A peer's word."""
    GUESSED = "guessed"
    """By author and time only."""
    UNKNOWN = "unknown"
    """Here the chain ends: nobody tells."""


@dataclass(frozen=True, slots=True)
class Link:
    """One step back."""

    text: str
    grade: Grade
    number: int | None = None
    """Of the record that tells it; None for what follows from a schema, or is not known."""
    key: MachineKey | None = None
    state: str = ""


class Causes:
    """Finds causes in a history, as of a moment.

    Args:
        live: The moment; machines are looked up by it.
        cursor: Reads the records.
    """

    def __init__(self, live: Live, cursor: Cursor) -> None:
        self.live, self.cursor = live, cursor

    def of_state(self, key: MachineKey, state: str, before: int | None = None) -> list[Link]:
        """Why a state is as it is, as of the moment or before a record."""
        beyond = before if before is not None else self.live.newest_number + 1
        return self._chain(_Walk(self)._state(key, state, beyond))

    def of_record(self, number: int) -> list[Link]:
        """Why a transition happened, or was refused. Empty when the number is no transition that is kept."""
        moment = self.cursor.transition(number)
        return [] if moment is None else self._chain(_Walk(self)._transition(moment))

    @staticmethod
    def _chain(links: Iterator[Link]) -> list[Link]:
        chain = [link for _, link in zip(range(LONGEST), links, strict=False)]
        if len(chain) == LONGEST:
            chain[-1] = Link(f"more than {LONGEST} links: go on from the last record", Grade.UNKNOWN)
        return chain

    # -- looking records up

    def last_change(self, key: MachineKey, state: str, before: int) -> Moment | None:
        """The newest transition before a number that changed a state."""
        wanted = TransitionFilter(machines=frozenset({key}), states=frozenset({state}), changes=True)
        for moment in self._back(wanted, before):
            at = moment.generation.index.get(state)
            if at is not None and at in moment.changed:
                return moment
        return None

    def named(self, key: MachineKey, transition_id: str, before: int) -> Moment | None:
        """A machine's transition by its id."""
        for moment in self._back(TransitionFilter(machines=frozenset({key})), before):
            if moment.record.transition_id == transition_id:
                return moment
        return None

    def before_auto(self, moment: Moment) -> Moment | None:
        """The transition that an Auto one followed."""
        wanted = TransitionFilter(machines=frozenset({moment.record.key}), auto=False, accepted=True)
        return next(self._back(wanted, moment.number), None)

    def failed(self, moment: Moment) -> Moment | None:
        """The transition just before, when a handler failed in it."""
        wanted = TransitionFilter(machines=frozenset({moment.record.key}))
        cause = next(self._back(wanted, moment.number), None)
        return cause if cause is not None and cause.record.error else None

    def at_program(self, moment: Moment) -> Moment | None:
        """The same transition as its program told it."""
        record = moment.record
        mine = self.live.machines.get(record.key)
        for key, machine in sorted(self.live.machines.items()):
            if (
                mine is None
                or key == record.key
                or machine.record.source != PROGRAM_TRUST
                or machine.record.machine_id != mine.record.machine_id
            ):
                continue
            upto = self.live.newest_number + 1
            for other in self._back(TransitionFilter(machines=frozenset({key}), changes=True), upto):
                if other.record.after == record.after:
                    return other
        return None

    def message(self, moment: Moment) -> tuple[int, MessageRecord] | None:
        """The newest message of the teller that can have told a clock."""
        record = moment.record
        entries = self.cursor.others(RecordClass.MESSAGE, before=moment.number, limit=200)
        for entry in reversed(entries):
            told = entry.record
            if record.at_s - told.at_s > MESSAGE_S:
                return None
            if (
                isinstance(told, MessageRecord)
                and not told.outgoing
                and told.peer_id == record.source
                and told.kind in TELLING
            ):
                return entry.number, told
        return None

    def machine_named(self, machine_id: str, near: MachineKey) -> LiveMachine | None:
        """A machine by its id: of the same peer first, then the one that is nearest to its program."""
        found = [
            machine for machine in self.live.machines.values() if machine.record.machine_id == machine_id
        ]
        found.sort(
            key=lambda machine: (
                machine.key.peer_id != near.peer_id,
                not machine.is_own,
                machine.record.source != PROGRAM_TRUST,
                machine.key,
            )
        )
        return found[0] if found else None

    def name(self, key: MachineKey) -> str:
        """A machine as a person calls it."""
        machine = self.live.machines.get(key)
        return machine.record.machine_id if machine else f"machine {key.slot} of {self.peer(key.peer_id)}"

    def peer(self, peer_id: str) -> str:
        """A peer as a person calls it."""
        peer = self.live.peers.get(peer_id)
        return (peer.record.name if peer else "") or peer_id[-8:] or "a peer unknown"

    def _back(self, wanted: TransitionFilter, before: int) -> Iterator[Moment]:
        looked = 0
        size = 8
        while looked < LOOKED_AT:
            page = self.cursor.page(wanted, before=before, limit=size)
            yield from reversed(page.moments)
            if not page.more:
                return
            looked += len(page.moments)
            before, size = page.first, 200


class _Walk:
    """One chain on its way back; goes through no record twice."""

    def __init__(self, causes: Causes) -> None:
        self.causes = causes
        self.seen: set[int] = set()

    def _state(self, key: MachineKey, state: str, before: int) -> Iterator[Link]:
        causes = self.causes
        moment = causes.last_change(key, state, before)
        label = f"{causes.name(key)}.{state}"
        if moment is None:
            machine = causes.live.machines.get(key)
            if machine is None or state not in machine.index:
                yield Link(f"nobody knows {label}", Grade.UNKNOWN, key=key, state=state)
                return
            text = (
                f"{label} was as it is when the recording heard of it first, or its change is no longer kept"
            )
            yield Link(text, Grade.UNKNOWN, machine.number, key, state)
            return
        record, at = moment.record, moment.generation.index[state]
        became = "active" if at < len(record.after) and record.after[at] & 1 else "inactive"
        grade = _grade(record)
        yield Link(f"{label} became {became}", grade, moment.number, key, state)
        yield from self._relation(moment, state, became)
        yield from self._transition(moment, told=True)

    def _relation(self, moment: Moment, state: str, became: str) -> Iterator[Link]:
        """By which relation a state came or went that nobody called."""
        record = moment.record
        if record.derived or state in record.called:
            return
        for step in record.steps:
            if step.kind != "rel":
                continue
            if became == "active" and step.detail == "add" and step.to_state == state:
                text = f"{step.from_state} adds {state}"
            elif became == "inactive" and step.detail == "remove" and step.to_state == state:
                text = f"{step.from_state} removes {state}"
            elif became == "inactive" and step.detail == "require" and step.from_state == state:
                text = f"{state} requires {step.to_state}"
            else:
                continue
            yield Link(text, Grade.CERTAIN, moment.number, record.key, step.from_state)
            return

    def _transition(self, moment: Moment, *, told: bool = False) -> Iterator[Link]:
        if moment.number in self.seen:
            return
        self.seen.add(moment.number)
        record, causes = moment.record, self.causes
        name = causes.name(record.key)
        if record.derived:
            yield from self._derived(moment)
            return
        asked = f"{record.kind} {' '.join(record.called)}".strip()
        grade = _grade(record)
        if record.error:
            yield Link(f"error in {name}: {record.error}", grade, moment.number, record.key)
        if not record.accepted:
            yield Link(f"{name} refused: {asked}", grade, moment.number, record.key)
            refusing = next((handler for handler in record.handlers if handler.endswith("!")), "")
            if refusing:
                text = f"the handler {refusing[:-1]} {'failed' if record.error else 'said no'}"
                yield Link(text, grade, moment.number, record.key)
            else:
                yield from self._refused(moment)
                return
        elif not told or record.called:
            yield Link(f"{name} did: {asked}", grade, moment.number, record.key)
        yield from self._asked(moment)

    def _refused(self, moment: Moment) -> Iterator[Link]:
        """By relations: what was missing or stood in the way, and since what it was so."""
        record = moment.record
        schema = schema_of(moment.generation.record.states)
        replica = Replica(schema, moment.generation.names, record.before)
        kind = {kind.value: kind for kind in MutationKind}.get(record.kind)
        called = [state for state in record.called if state in replica.index]
        if kind is None or not called:
            yield Link("what was in the way is not recorded", Grade.UNKNOWN, key=record.key)
            return
        trial = replica.try_out(kind, called)
        reasons = [(state, "requires", other) for state, others in trial.missing for other in others]
        reasons += [(state, "is removed by", other) for state, others in trial.removed_by for other in others]
        reasons = [reason for reason in reasons if reason[0] in trial.refused] or reasons
        if not reasons:
            yield Link("relations allow it: a handler that was not recorded said no", Grade.GUESSED)
            return
        for state, how, other in reasons:
            what = ", which was not active" if how == "requires" else ", which was active"
            yield Link(f"{state} {how} {other}{what}", Grade.CERTAIN, moment.number, record.key, other)
        yield from self._state(record.key, reasons[0][2], moment.number)

    def _asked(self, moment: Moment) -> Iterator[Link]:
        """Who asked for it."""
        record, causes = moment.record, self.causes
        if record.auto:
            cause = causes.before_auto(moment)
            text = "Auto: it was tried by itself after the transition before it"
            yield Link(text, _grade(record), cause.number if cause else None, record.key)
            if cause is not None:
                yield from self._transition(cause)
            return
        if record.by_hand:
            number = self._command(moment)
            yield Link("you asked for it", Grade.CERTAIN, number or moment.number, record.key)
            return
        error = dict(record.args).get(ERROR_ARGUMENT, "")
        if error:
            yield Link(f"with the error {error}", _grade(record), moment.number, record.key)
            cause = causes.failed(moment) if not record.source else None
            if cause is not None:
                yield from self._transition(cause)
                return
        if not record.source:
            text = f"the program of {causes.name(record.key)} asked for it, outside of any transition"
            yield Link(text, Grade.UNKNOWN, key=record.key)
            return
        machine_id, _, rest = record.source.partition("/")
        transition_id = rest.partition("/")[0]
        machine = causes.machine_named(machine_id, record.key)
        where = f"{machine_id} asked for it in its transition {transition_id or '?'} (a handler or a pipe)"
        cause = causes.named(machine.key, transition_id, moment.number) if machine and transition_id else None
        if cause is None and machine is not None and transition_id:  # told by another program, a little later
            cause = causes.named(machine.key, transition_id, causes.live.newest_number + 1)
        key = machine.key if machine else None
        yield Link(where, _grade(record), cause.number if cause else moment.number, key)
        if cause is not None:
            yield from self._transition(cause)
            return
        why = (
            "nobody shows that machine here" if machine is None else "that transition is not in the recording"
        )
        yield Link(f"what went before is not told: {why}", Grade.UNKNOWN, key=key)

    def _command(self, moment: Moment) -> int | None:
        near = self.causes.cursor.commands(before=moment.number + 20, limit=40)
        fitting = [
            (abs(number - moment.number), number)
            for number, command in near
            if command.key == moment.record.key and set(command.states) == set(moment.record.called)
        ]
        return min(fitting)[1] if fitting else None

    def _derived(self, moment: Moment) -> Iterator[Link]:
        record, causes = moment.record, self.causes
        teller = causes.peer(record.source) if record.source else "its peer"
        owner = record.source in ("", record.key.peer_id)
        how = f"{teller}, its own peer, said so" if owner else f"hearsay of {teller}"
        text = f"the clock of {causes.name(record.key)} moved: {how}"
        yield Link(text, Grade.REPORTED, moment.number, record.key)
        cause = causes.at_program(moment)
        if cause is not None:
            text = "its program told the same transition by telemetry"
            yield Link(text, Grade.TOLD, cause.number, cause.record.key)
            yield from self._transition(cause)
            return
        message = causes.message(moment)
        if message is not None:
            number, told = message
            via = f", brought by {causes.peer(told.via)}" if told.via and told.via != told.peer_id else ""
            yield Link(f"the {told.kind} message before it, of {teller}{via}", Grade.GUESSED, number)
        text = (
            f"who asked for it is not told on the topic: it stays with peer {causes.peer(record.key.peer_id)}"
        )
        yield Link(text, Grade.UNKNOWN, key=record.key)


def _grade(record: TransitionRecord) -> Grade:
    if record.trust == PROGRAM_TRUST:
        return Grade.TOLD
    return Grade.REPORTED if record.derived else Grade.CERTAIN
