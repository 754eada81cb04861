"""`python -m benchmarks.scale`: topics of 20 to 1,000 peers in virtual time: how soon all know all, what it costs, what attacks do.

Links of 50 ms on a random graph of degree 4 to 8, 3 machines of 12 states a peer; at 5 % loss one in twenty copies
of a topic message, and one in twenty frames of a private stream, never arrives. `--json` prints one object a row,
`--quick` leaves out what takes minutes, `--only settle,killed` runs a few parts, `--draw` writes the table into
`docs/performance.md`. Figures of time are virtual seconds and the same on every machine; CPU and memory are this one's.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from ampubsub.topic.events import MachineSourceChanged, Source, TopicEvent
from benchmarks.simulator.town import MeasuredPeer, Town
from benchmarks.simulator.villains import VillainHost

Row = dict[str, object]
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
SIZES = (20, 100, 200, 500, 1000)
QUICK = (20, 100)


def _percentile(sorted_values: list[float], share: float) -> float | None:
    """None when nothing was measured."""
    if not sorted_values:
        return None
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]


def _memory_mb() -> float:
    for line in (
        Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else ()
    ):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _settled(peers: int, loss: float = 0.0, **kwargs: int) -> tuple[Town, float | None]:
    town = Town(peers, loss=loss, **kwargs)
    town.start_all()
    return town, town.until(town.all_know_all, 120)


# -- parts ---------------------------------------------------------------------------------------------


def settle(peers: int, loss: float) -> Row:
    """Cold start, changes, quiet."""
    start = time.process_time()
    town, all_know_all = _settled(peers, loss)
    traffic = town.network.traffic
    cpu_s = time.process_time() - start
    said = sum(traffic.published.values())
    town.network.schedule.run(town.now + 15)
    took = town.spread_of_changes(10, 1.0, 20.0)
    town.network.schedule.run(town.now + 10)
    before = (
        sum(traffic.published.values()),
        traffic.copy_bytes + traffic.frame_bytes,
        dict(traffic.published),
    )
    quiet_s = 30.0
    town.network.schedule.run(town.now + quiet_s)
    idle = (sum(traffic.published.values()) - before[0]) / quiet_s
    idle_bytes = (traffic.copy_bytes + traffic.frame_bytes - before[1]) / quiet_s / peers
    return {
        "part": "settle",
        "peers": peers,
        "loss": loss,
        "all_first_hand_s": all_know_all,
        "said_until_then": said,
        "change_p50_s": _percentile(took, 0.5),
        "change_p99_s": _percentile(took, 0.99),
        "change_last_s": took[-1],
        "idle_messages_per_s": idle,
        "idle_bytes_per_s_per_peer": idle_bytes,
        "wrong_at_the_end": town.wrong() if peers <= 200 else town.wrong(town.random.sample(town.peers, 100)),
        "cpu_settle_s": cpu_s,
        "cpu_s": time.process_time() - start,
        "memory_mb": _memory_mb(),
    }


def joiner(peers: int, states: int) -> Row:
    """Somebody joins a settled topic."""
    town, settled = _settled(peers, states=states)
    town.network.schedule.run(town.now + 10)
    newcomer = town.new_peer(peers, kind=MeasuredPeer)
    for other in town.random.sample(town.peers, 6):
        newcomer.dial(other.peer_id)
    said = sum(town.network.traffic.published.values())
    start_s, start = town.now, time.process_time()
    town.peers.append(newcomer)
    newcomer.start()
    knows = town.until(lambda: town.all_know_all([newcomer]), 120)
    cpu_s, size = getattr(newcomer, "cpu_s", 0.0), newcomer.bytes_in
    known = town.until(
        lambda: all(len(town.first_hand[p.peer_id]) >= peers * town.machines for p in town.peers), 120
    )
    return {
        "part": "joiner",
        "peers": peers,
        "states": states,
        "town_settled_s": settled,
        "newcomer_knows_all_s": knows,
        "newcomer_known_by_all_s": None if known is None else town.now - start_s,
        "bytes": size,
        "cpu_s": cpu_s,
        "said": sum(town.network.traffic.published.values()) - said,
        "cpu_of_all_s": time.process_time() - start,
    }


def killed(peers: int, loss: float) -> Row:
    """Somebody is gone without a word: until nobody believes in it first-hand."""
    town, settled = _settled(peers, loss)
    town.network.schedule.run(town.now + 30)
    victim = town.peers[peers // 2]
    neighbours = set(victim.links)
    keys = {(victim.peer_id, index) for index in range(town.machines)}
    false_doubts = 0
    first_doubt: float | None = None

    def watch(peer: object, event: TopicEvent) -> None:
        nonlocal false_doubts, first_doubt
        if isinstance(event, MachineSourceChanged) and event.source in (Source.STALE, Source.GONE):
            if event.key in keys:
                first_doubt = first_doubt or town.now
            else:
                false_doubts += 1

    town.watch = watch
    died_s = town.now
    victim.finish("crash")
    living = [peer for peer in town.peers if peer is not victim]
    took = town.until(lambda: not any(town.first_hand[peer.peer_id] & keys for peer in living), 300, 0.1)
    return {
        "part": "killed",
        "peers": peers,
        "loss": loss,
        "settled_s": settled,
        "first_doubt_s": None if first_doubt is None else first_doubt - died_s,
        "doubted_by_all_s": took,
        "neighbours": len(neighbours),
        "false_doubts": false_doubts,
    }


def attack(name: str, kind: str, rate: float, identities: int, seconds: float = 60.0, peers: int = 20) -> Row:
    """One hostile neighbour of an honest peer; honest changes, and a newcomer."""
    start = time.process_time()
    town, _ = _settled(peers)
    town.network.schedule.run(town.now + 10)
    neighbour = town.peers[1]
    villain = VillainHost(town.network, kind, neighbour.peer_id, rate, "attack", identities)
    villain.honest = [peer.peer_id for peer in town.peers]
    villain.run()
    town.network.schedule.run(town.now + 5)
    stale = 0.0
    last = town.now

    def untrusted() -> bool:
        return any(
            len({key for key in town.first_hand[p.peer_id] if key[0] in town.first_hand})
            < (peers - 1) * town.machines
            for p in town.peers
        )

    took: list[float] = []
    for _ in range(int(seconds / 2)):
        took += town.spread_of_changes(2, 1.0, 0.0)
        stale += (town.now - last) if untrusted() else 0.0
        last = town.now
    town.network.schedule.run(town.now + 1)
    took = sorted(took)
    newcomer = town.new_peer(peers)
    for other in (neighbour, *town.random.sample(town.peers[2:], 3)):
        newcomer.dial(other.peer_id)
    newcomer.start()
    honest = set(villain.honest)
    wanted = peers * town.machines
    knows = town.until(
        lambda: len({k for k in town.first_hand[newcomer.peer_id] if k[0] in honest}) >= wanted, 120
    )
    known = town.until(
        lambda: all(
            sum(k[0] == newcomer.peer_id for k in town.first_hand[p.peer_id]) == town.machines
            for p in town.peers
        ),
        120,
    )
    villain.close()
    return {
        "part": "attack",
        "attack": name,
        "said_by_villain": villain.said,
        "change_p50_s": _percentile(took, 0.5),
        "change_p99_s": _percentile(took, 0.99),
        "not_first_hand_share": stale / seconds,
        "newcomer_knows_all_s": knows,
        "newcomer_known_by_all_after_that_s": known,
        "cpu_s": time.process_time() - start,
        "most_entries": max(peer.entries() for peer in town.peers),
    }


ATTACKS: tuple[tuple[str, str, float, int], ...] = (
    ("11 identities, 80 messages a second each", "sybils", 880.0, 11),
    ("2,000 identities claim later clocks", "false_sums", 200.0, 11),
    ("old signed news said again", "replays", 200.0, 11),
    ("20,000 invented machines", "invented_machines", 5.0, 11),
    ("a new identity each message", "fresh_identities", 200.0, 11),
    ("later clocks of others", "false_clocks", 50.0, 11),
)


def parts(quick: bool, only: set[str]) -> Iterator[tuple[Callable[..., Row], tuple[object, ...]]]:
    """What is measured, in order."""
    for size in QUICK if quick else SIZES:
        for loss in (0.0, 0.05):
            yield settle, (size, loss)
    yield joiner, (100 if quick else 1000, 30)
    for size, loss in ((100, 0.0), (100, 0.5), *(() if quick else ((1000, 0.0),))):
        yield killed, (size, loss)
    for name, kind, rate, identities in ATTACKS:
        yield attack, (name, kind, rate, identities)
    yield repair, (1_000 if quick else 10_000,)


def repair(peers: int, stale: int = 10) -> Row:
    """Two neighbours know the same machines, but for a few clocks: until they agree, and what that took."""
    town = Town(2, machines=1)
    town.start_all()
    town.until(town.all_know_all, 60)
    one, other = town.peers
    signed_old, signed_new = [], []
    from ampubsub import wire
    from ampubsub.machine import Time
    from benchmarks.simulator.machines import schema_of
    from benchmarks.simulator.network import TOPIC

    schema, states = schema_of(11)
    for number in range(peers):
        author = town.network.new_peer_id()
        infos = {i: wire.Info(f"m{number}-{i}", schema, states, Time((1,) * 12), None, "") for i in range(3)}
        data = wire.encode(wire.MsgInfo({author: infos}, {}))
        signed_old.append(town.network.signer.sign(TOPIC, author, 1, data))
        if number < stale:
            data = wire.encode(wire.MsgUpdates({author: {0: Time((2,) * 12)}}))
            signed_new.append(town.network.signer.sign(TOPIC, author, 2, data))
    for peer, more in ((one, signed_new), (other, [])):
        for signed in (*signed_old, *more):
            opened = town.network.signer.open(TOPIC, signed)
            assert opened is not None
            peer.feed(opened)
    missing = {(town.network.signer.open(TOPIC, signed).author, 0) for signed in signed_new}  # type: ignore[union-attr]
    traffic = town.network.traffic
    frames, size = traffic.frames, traffic.frame_bytes

    def repaired() -> bool:
        beliefs = (other.belief(key) for key in missing)
        return all(belief is not None and sum(belief.clock) == 24 for belief in beliefs)

    took = town.until(repaired, 60, 0.01)
    return {
        "part": "repair",
        "entries": sum(1 for _ in other.beliefs()),
        "stale": stale,
        "repaired_s": took,
        "frames": traffic.frames - frames,
        "bytes": traffic.frame_bytes - size,
    }


# -- telling -------------------------------------------------------------------------------------------


def _in_a_process(part: str, arguments: tuple[object, ...]) -> Row:
    """Each row in a process of its own, so that memory and caches start empty."""
    command = [sys.executable, "-m", "benchmarks.scale", "--row", json.dumps([part, *arguments])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        why = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"part": part, "arguments": list(arguments), "failed": why}
    row: Row = json.loads(lines[-1])
    return row


def _words(row: Row) -> str:
    cells = []
    for name, value in row.items():
        if name == "part":
            continue
        shown = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else f"{value}"
        cells.append(f"{name} {shown}")
    return f"{row['part']}: " + ", ".join(cells)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@click.option("--quick", is_flag=True, help="20 and 100 peers only.")
@click.option("--only", default="", help="Some parts: settle, joiner, killed, attack, repair.")
@click.option("--draw", is_flag=True, help="Write the table into docs/performance.md.")
@click.option("--row", hidden=True, default="")
def main(as_json: bool, quick: bool, only: str, draw: bool, row: str) -> None:
    """Measure topics of many peers in virtual time."""
    if row:
        part, *arguments = json.loads(row)
        click.echo(json.dumps(globals()[part](*arguments)))
        return
    rows = []
    wanted = set(only.split(",")) if only else set()
    for measure, arguments in parts(quick, wanted):
        if wanted and measure.__name__ not in wanted:
            continue
        found = _in_a_process(measure.__name__, arguments)
        rows.append(found)
        click.echo(json.dumps(found) if as_json else _words(found))
    if draw:
        from benchmarks.scale_page import draw_rows

        draw_rows(rows, PAGE)


if __name__ == "__main__":
    main()
