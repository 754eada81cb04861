"""Checks of machines, of our own program and of the recording. One function a finding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from amdbg_tui.answers.case import OUT, Case, Confidence, Seen
from amdbg_tui.history.live import LiveMachine
from amdbg_tui.history.records import PROGRAM_TRUST, TOPIC_SLOT, LossKind, MachineKey

BEHIND_S = 3.0
"""A machine that misses updates for so long is behind; less is daily life."""
ERROR_S = 10.0
"""An error state that is active for so long is a finding."""
QUEUED_S = 5.0
SET_BACK_S = 1.0
"""The wall clock moved so much against the clock that is never set."""
TOGGLES = 6


def behind(case: Case) -> Iterator[Seen]:
    """A living peer's machines of which updates are missing here."""
    by_peer: dict[str, list[LiveMachine]] = {}
    for machine in case.machines():
        record = machine.record
        peer = case.live.peers.get(record.key.peer_id)
        missing = "missing" in record.reason or "missed" in record.reason
        if (
            record.source == "stale"
            and missing
            and peer is not None
            and peer.record.status not in OUT
            and case.wall_s - record.at_s >= BEHIND_S
        ):
            by_peer.setdefault(record.key.peer_id, []).append(machine)
    for peer_id, machines in by_peer.items():
        names = ", ".join(machine.record.machine_id for machine in machines[:5])
        evidence = tuple(machine.number for machine in machines)
        since_s = min(machine.record.at_s for machine in machines)
        text = f"updates of {len(machines)} of its machines are missing: {names}"
        yield Seen(case.name(peer_id), text, since_s, evidence, Confidence.CERTAIN, peer_id, machines[0].key)


def wavering(case: Case) -> Iterator[Seen]:
    """The trust in a machine changes to and fro though its peer stays."""
    for key, news in case.machine_news.items():
        turns = [
            number
            for (_, one), (number, other) in itertools.pairwise(news)
            if one.source == "stale" and other.source in ("first-hand", "hearsay")
        ]
        machine = case.live.machines.get(key)
        if len(turns) >= TOGGLES // 2 and machine is not None and not _peer_flaps(case, key.peer_id):
            text = f"its clock was doubted and trusted again {len(turns)} times within {case.window_s:.0f} s"
            yield Seen(
                case.machine_name(machine), text, news[0][1].at_s, tuple(reversed(turns)), Confidence.LIKELY,
                key.peer_id, key,
            )  # fmt: skip


def _peer_flaps(case: Case, peer_id: str) -> bool:
    return any(record.status in OUT for _, record in case.peer_news.get(peer_id, []))


def schemas_differ(case: Case) -> Iterator[Seen]:
    """Machines of one id at several peers that do not have the same states and relations."""
    by_id: dict[str, list[LiveMachine]] = {}
    for machine in case.machines():
        if machine.record.source not in (PROGRAM_TRUST, "stale") and machine.names[:1] != ("#0",):
            by_id.setdefault(machine.record.machine_id, []).append(machine)
    for machine_id, machines in by_id.items():
        shapes: dict[object, list[LiveMachine]] = {}
        for machine in machines:
            shapes.setdefault(frozenset(machine.record.states), []).append(machine)
        if len(shapes) < 2:
            continue
        odd = min(shapes.values(), key=len)
        usual = max(shapes.values(), key=len)
        more = set(odd[0].names) ^ set(usual[0].names)
        what = (
            f"states that only some have: {', '.join(sorted(more)[:6])}"
            if more
            else "the same states, other relations"
        )
        owners = ", ".join(case.name(machine.key.peer_id) for machine in odd[:4])
        text = (
            f"{len(shapes)} schemas among {len(machines)} machines of that id; {what}; differing at {owners}"
        )
        newest = max(odd, key=lambda machine: machine.number)
        yield Seen(
            machine_id, text, newest.record.at_s, tuple(machine.number for machine in (*odd, *usual)[:6]),
            Confidence.LIKELY, newest.key.peer_id, newest.key,
        )  # fmt: skip


def in_error(case: Case) -> Iterator[Seen]:
    """An error state is active for long."""
    for machine in case.machines():
        if not machine.in_error:
            continue
        active = [at for at in machine.error_states if at < len(machine.clock) and machine.clock[at] % 2]
        changed = [machine.changed_at[at] for at in active if at < len(machine.changed_at)]
        since_s = min((at_s for at_s in changed if at_s), default=machine.record.at_s)
        if case.wall_s - since_s < ERROR_S:
            continue
        states = ", ".join(machine.names[at] for at in active)
        failing = [
            moment.number
            for moment in case.failures
            if moment.record.key == machine.key and not set(active).isdisjoint(moment.changed)
        ]
        sure = (
            Confidence.CERTAIN
            if machine.record.source in ("local", "first-hand", PROGRAM_TRUST)
            else Confidence.LIKELY
        )
        text = f"{states} active for {case.wall_s - since_s:.0f} s"
        evidence = tuple(failing[-1:]) or (machine.last_transition or machine.number,)
        yield Seen(
            case.machine_name(machine), text, since_s, evidence, sure, machine.key.peer_id, machine.key
        )


def timeouts(case: Case) -> Iterator[Seen]:
    """Handlers that took too long."""
    by_key: dict[MachineKey, list[tuple[int, float, str]]] = {}
    for moment in case.failures:
        record = moment.record
        text = record.error or dict(record.args).get("_am_err", "")
        if "Timeout" in text or "timed out" in text:
            by_key.setdefault(record.key, []).append((moment.number, record.at_s, text))
    for key, found in by_key.items():
        machine = case.live.machines.get(key)
        name = case.machine_name(machine) if machine else case.name(key.peer_id)
        text = f"{len(found)} within {case.window_s:.0f} s, the newest: {found[-1][2]}"
        evidence = tuple(number for number, _, _ in reversed(found))
        yield Seen(name, text, found[0][1], evidence, Confidence.CERTAIN, key.peer_id, key)


def queue_stands(case: Case) -> Iterator[Seen]:
    """What was asked of an own machine waits in its queue."""
    for number, command in case.commands:
        if command.result != "queued" or case.wall_s - command.at_s < QUEUED_S:
            continue
        machine = case.live.machines.get(command.key)
        if machine is None or machine.last_at_s > command.at_s:
            continue  # it went on since
        text = f"{command.kind} {' '.join(command.states)} is queued for {case.wall_s - command.at_s:.0f} s"
        yield Seen(
            case.machine_name(machine), text, command.at_s, (number,), Confidence.LIKELY, command.key.peer_id,
            command.key,
        )  # fmt: skip


def own_error(case: Case) -> Iterator[Seen]:
    """Our own peer is in error."""
    for key, machine in case.live.machines.items():
        if key.slot == TOPIC_SLOT and machine.is_own and machine.in_error:
            states = ", ".join(
                machine.names[at]
                for at in machine.error_states
                if at < len(machine.clock) and machine.clock[at] % 2
            )
            numbers = [moment.number for moment in case.failures if moment.record.key == key]
            since_s = min((at_s for at_s in (machine.last_at_s, machine.record.at_s) if at_s), default=0.0)
            yield Seen(
                "our own peer", f"its topic machine has {states}", since_s,
                tuple(numbers[-1:]) or (machine.number,), Confidence.CERTAIN, key.peer_id, key,
            )  # fmt: skip


def clock_set(case: Case) -> Iterator[Seen]:
    """This machine's wall clock was set while it was recorded."""
    entries = [entry for entry in case.all_entries if entry.record.at_s >= case.since_s]
    for one, other in itertools.pairwise(entries):
        if not one.elapsed_us or not other.elapsed_us:
            continue
        wall_s = other.record.at_s - one.record.at_s
        jump_s = wall_s - (other.elapsed_us - one.elapsed_us) / 1e6
        if jump_s <= -SET_BACK_S:
            text = f"the wall clock was set back by {-jump_s:.1f} s: times before and after do not compare"
            yield Seen("this computer", text, other.record.at_s, (other.number, one.number))


def not_recorded(case: Case) -> Iterator[Seen]:
    """Something is not in the recording that should be."""
    for number, loss in case.losses:
        if loss.kind not in (LossKind.DROPPED, LossKind.MERGED) and loss.count:
            yield Seen(
                "the recording", loss.text or f"{loss.count} records: {loss.kind}", loss.at_s, (number,)
            )
