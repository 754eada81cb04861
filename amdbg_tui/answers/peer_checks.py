"""Checks of peers and of the network: who is out of reach, who floods, who cannot read others. One function a finding."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from amdbg_tui.answers.case import OUT, Case, Confidence, Seen
from amdbg_tui.history.live import LivePeer
from amdbg_tui.history.records import NoticeRecord, PeerDetailRecord

BYE = ("it said bye", "left the topic", "it left")
"""Reasons of those who went in order."""
TOGETHER_S = 10.0
"""Those who are lost within so many seconds are lost by one cause."""
REMEMBERED_S = 600.0
"""How long one that died without a word is a finding."""
FLOOD_MESSAGES, FLOOD_DROPPED = 25.0, 5.0
"""Messages and drops a second of one author that are not usual."""
OWN_MESSAGES = 9.5
"""Own messages a second: the budget is 50 in 5 s."""
MUTE = "asks again for what it was told"
HOSTILE = (
    "bad-signature",
    "not-its-own",
    "clock-length",
    "too-many-early-clocks",
    "too-many-links",
    "retired-index",
)
"""Reasons of drops that an honest peer of any version gives no cause for."""
HARMLESS = ("old-sequence", "after-bye", "old-life", "muted")
"""Reasons of drops that are daily life: what was late, twice, or not wanted."""


def lost(case: Case) -> list[tuple[LivePeer, bool]]:
    """(peer, whether it is gone for good) of all that are out of reach and did not go in order."""
    found = []
    for peer in case.others():
        record = peer.record
        if record.status not in OUT or (
            any(text in record.reason for text in BYE) and record.status == "gone"
        ):
            continue
        if record.status == "gone" and (
            _went_in_order(case, peer) or case.wall_s - record.at_s > REMEMBERED_S
        ):
            continue
        found.append((peer, record.status == "gone"))
    return found


def _went_in_order(case: Case, peer: LivePeer) -> bool:
    news = case.peer_news.get(peer.record.peer_id, [])
    return any("bye" in record.reason for _, record in news[-3:])


def _lost_s(case: Case, peer: LivePeer) -> tuple[float, int]:
    """When it was lost, and by which record: the first one of those that say so in a row."""
    at_s, number = peer.record.at_s, peer.number
    for older, record in reversed(case.peer_news.get(peer.record.peer_id, [])):
        if record.status not in OUT:
            break
        at_s, number = record.at_s, older
    return at_s, number


def cut_off(case: Case) -> Iterator[Seen]:
    """We ourselves have lost everybody."""
    connection = case.live.connection
    if connection is not None and connection.phase in ("reconnecting", "failed"):
        number = case.connections[-1][0] if case.connections else 0
        text = f"our own peer is {connection.phase}: {connection.detail.splitlines()[0] if connection.detail else ''}"
        yield Seen("our own peer", text.rstrip(": "), connection.at_s, (number,))
        return
    out = lost(case)
    near = [peer for peer in case.others() if peer.record.status not in OUT and not _only_told(peer)]
    if len(out) >= 2 and not near:
        times = [_lost_s(case, peer) for peer, _ in out]
        text = f"all {len(out)} peers are out of reach at once"
        evidence = tuple(number for _, number in sorted(times))
        yield Seen("our own peer", text, min(at_s for at_s, _ in times), evidence, Confidence.LIKELY)


def _only_told(peer: LivePeer) -> bool:
    return peer.record.status == "hearsay"


def partition(case: Case) -> Iterator[Seen]:
    """Several peers were lost together, while others stay."""
    near = [peer for peer in case.others() if peer.record.status not in OUT and not _only_told(peer)]
    if not near:
        return
    for group in _together(case):
        names = ", ".join(case.name(peer.record.peer_id) for _, _, peer in group[:8])
        text = f"{len(group)} peers were lost within {group[-1][0] - group[0][0]:.1f} s, {len(near)} stay: {names}"
        confidence = Confidence.LIKELY if len(group) > 2 else Confidence.POSSIBLE
        yield Seen("the topic", text, group[0][0], tuple(number for _, number, _ in group), confidence)


def _together(case: Case) -> list[list[tuple[float, int, LivePeer]]]:
    """Groups of at least two that were lost within ten seconds."""
    times = sorted(((*_lost_s(case, peer), peer) for peer, _ in lost(case)), key=lambda found: found[:2])
    groups: list[list[tuple[float, int, LivePeer]]] = []
    for found in times:
        if groups and found[0] - groups[-1][0][0] <= TOGETHER_S:
            groups[-1].append(found)
        else:
            groups.append([found])
    return [group for group in groups if len(group) > 1]


def dead(case: Case) -> Iterator[Seen]:
    """One peer is out of reach without having said bye."""
    out = lost(case)
    near = any(peer.record.status not in OUT and not _only_told(peer) for peer in case.others())
    if not near and (len(out) > 1 or case.phase in ("reconnecting", "failed")):
        return  # then it is us
    grouped = {peer.record.peer_id for group in _together(case) for _, _, peer in group}
    for peer, gone in out:
        record = peer.record
        if record.peer_id in grouped:
            continue
        at_s, number = _lost_s(case, peer)
        how = "gone" if gone else "out of reach"
        confidence = Confidence.LIKELY if gone or near else Confidence.POSSIBLE
        evidence = (number,) if number == peer.number else (number, peer.number)
        yield Seen(
            case.name(record.peer_id), f"{how}: {record.reason or 'no reason told'}", at_s, evidence, confidence,
            record.peer_id,
        )  # fmt: skip


def flapping(case: Case) -> Iterator[Seen]:
    """A peer comes and goes."""
    for peer_id, news in case.peer_news.items():
        returns = [
            number
            for (_, one), (number, other) in itertools.pairwise(news)
            if one.status in OUT and other.status not in OUT
        ]
        if len(returns) >= 3:
            first = next(record for number, record in news if number >= returns[0])
            text = f"it came back {len(returns)} times within {case.window_s:.0f} s"
            yield Seen(case.name(peer_id), text, first.at_s, tuple(reversed(returns)), peer_id=peer_id)


def restarts(case: Case) -> Iterator[Seen]:
    """A peer restarts again and again, under its identity or with a new one each time."""
    by_peer: dict[str, list[tuple[float, int]]] = {}
    for number, notice in case.notices:
        if "restarted" in notice.text and notice.peer_id:
            by_peer.setdefault(notice.peer_id, []).append((notice.at_s, number))
    for peer_id, times in by_peer.items():
        if len(times) >= 3:
            text = f"it restarted {len(times)} times within {case.window_s:.0f} s"
            evidence = tuple(number for _, number in reversed(times))
            yield Seen(case.name(peer_id), text, times[0][0], evidence, peer_id=peer_id)
    by_name: dict[str, dict[str, tuple[float, int]]] = {}
    for peer_id, news in case.peer_news.items():
        for number, record in news:
            if record.name and record.status != "self":
                by_name.setdefault(record.name, {}).setdefault(peer_id, (record.at_s, number))
    for name, lives in by_name.items():
        ended = [peer_id for peer_id in lives if _status(case, peer_id) in OUT]
        if len(lives) >= 3 and len(ended) >= len(lives) - 1:
            text = (
                f"{len(lives)} identities of that name came within {case.window_s:.0f} s, one after the other"
            )
            evidence = tuple(number for _, number in sorted(lives.values(), reverse=True))
            yield Seen(name, text, min(lives.values())[0], evidence, Confidence.LIKELY)


def _status(case: Case, peer_id: str) -> str:
    peer = case.live.peers.get(peer_id)
    return peer.record.status if peer else ""


def mute(case: Case) -> Iterator[Seen]:
    """A Go peer of v0.15 or later that cannot read what others tell."""
    for peer_id, (number, notice) in _newest_by_peer(case, MUTE).items():
        yield Seen(
            case.name(peer_id) if peer_id else "a peer", notice.text, notice.at_s, (number,), peer_id=peer_id
        )


def _newest_by_peer(case: Case, words: str) -> dict[str, tuple[int, NoticeRecord]]:
    return {notice.peer_id: (number, notice) for number, notice in case.notices if words in notice.text}


def flood(case: Case) -> Iterator[Seen]:
    """A peer sends far more than is usual, or much that is dropped."""
    for peer_id in case.details:
        if _status(case, peer_id) == "self":
            continue
        for which, most, word in (
            ("messages_in", FLOOD_MESSAGES, "messages"),
            ("dropped", FLOOD_DROPPED, "dropped"),
        ):
            rate, evidence, since_s = case.rate(peer_id, which, 5.0)
            if rate >= most:
                detail = case.details[peer_id][-1][1]
                reasons = _reasons(case, peer_id) if which == "dropped" else ""
                through = (
                    f", through {case.name(detail.through)}" if detail.through not in ("", peer_id) else ""
                )
                text = f"{rate:.0f} {word} a second{reasons}{through}"
                yield Seen(case.name(peer_id), text, since_s, evidence, peer_id=peer_id)
                break


def _growth(case: Case, peer_id: str) -> Counter[str]:
    samples = case.details.get(peer_id, [])
    if len(samples) < 2:
        return Counter()
    return Counter(dict(samples[-1][1].dropped)) - Counter(dict(samples[0][1].dropped))


def _reasons(case: Case, peer_id: str) -> str:
    grown = _growth(case, peer_id).most_common(3)
    return f" ({', '.join(f'{reason} {count}' for reason, count in grown)})" if grown else ""


def dropped(case: Case) -> Iterator[Seen]:
    """Input of a peer is dropped, less than a flood."""
    for peer_id, samples in case.details.items():
        grown = _growth(case, peer_id)
        bad = {
            reason: count
            for reason, count in grown.items()
            if reason not in (*HARMLESS, *HOSTILE, "own-oversize")
        }
        if sum(bad.values()) >= 10 and case.rate(peer_id, "dropped", 5.0)[0] < FLOOD_DROPPED:
            text = f"dropped of its messages within {case.window_s:.0f} s: " + ", ".join(
                f"{reason} {count}" for reason, count in sorted(bad.items())
            )
            at_s, number = _first_growth(samples)
            yield Seen(case.name(peer_id), text, at_s, (samples[-1][0], number), peer_id=peer_id)


def _first_growth(samples: list[tuple[int, PeerDetailRecord]]) -> tuple[float, int]:
    for (_, one), (number, other) in itertools.pairwise(samples):
        if one.dropped != other.dropped:
            return other.at_s, number
    return samples[-1][1].at_s, samples[-1][0]


def impostor(case: Case) -> Iterator[Seen]:
    """Words that an honest peer never says: forged, about others' machines, of impossible shape."""
    for peer_id, samples in case.details.items():
        grown = _growth(case, peer_id)
        bad = {reason: grown[reason] for reason in HOSTILE if grown[reason] > 2}
        if bad:
            at_s, number = _first_growth(samples)
            text = ", ".join(f"{reason} {count}" for reason, count in bad.items())
            yield Seen(
                case.name(peer_id), text, at_s, (samples[-1][0], number), Confidence.LIKELY, peer_id=peer_id
            )


def own_budget(case: Case) -> Iterator[Seen]:
    """Our own peer says as much as it may, so its news wait."""
    for peer in case.live.peers.values():
        if peer.record.status == "self":
            peer_id = peer.record.peer_id
            rate, evidence, since_s = case.rate(peer_id, "messages_out", 5.0)
            if rate >= OWN_MESSAGES:
                text = f"{rate:.1f} messages a second; the budget is 10"
                yield Seen("our own peer", text, since_s, evidence, Confidence.LIKELY, peer_id)


def too_large(case: Case) -> Iterator[Seen]:
    """Something of ours does not fit into a message."""
    for number, notice in case.notices:
        if "fit into a message" in notice.text or "too large" in notice.text:
            yield Seen("our own peer", notice.text, notice.at_s, (number,))


def no_mesh(case: Case) -> Iterator[Seen]:
    """Connected to others, but in the mesh with nobody."""
    since_s = case.joined_since_s
    if since_s is None or case.wall_s - since_s < 20.0:
        return
    linked = [
        (peer.record.peer_id, peer.detail)
        for peer in case.others()
        if peer.detail is not None and peer.detail.transport and peer.record.status == "joined"
    ]
    if not linked or any(detail.in_mesh for _, detail in linked):
        return
    recent = [
        (number, record)
        for peer_id, _ in linked
        for number, record in case.details.get(peer_id, [])
        if case.wall_s - record.at_s <= 15.0
    ]
    if any(record.in_mesh for _, record in recent):
        return
    text = f"connected to {len(linked)} peers of the topic, in the mesh with none"
    yield Seen(
        "our own peer", text, max(since_s, max(detail.at_s for _, detail in linked)),
        tuple(number for number, _ in recent[-3:]), Confidence.POSSIBLE,
    )  # fmt: skip


def hearsay_only(case: Case) -> Iterator[Seen]:
    """A peer that is known from others only, for long."""
    for peer in case.others():
        record = peer.record
        heard = peer.detail is not None and peer.detail.last_heard_s
        told = record.at_s > 0.0  # others than those of the topic have figures, too
        if told and record.status == "hearsay" and not heard and case.wall_s - record.at_s > 30.0:
            text = f"for {case.wall_s - record.at_s:.0f} s nothing of its own was heard"
            yield Seen(
                case.name(record.peer_id),
                text,
                record.at_s,
                (peer.number,),
                Confidence.LIKELY,
                record.peer_id,
            )


def slow(case: Case) -> Iterator[Seen]:
    """A peer that answers slowly: its loop, or the way to it."""
    for peer in case.others():
        detail = peer.detail
        if peer.record.status != "joined" or detail is None or (detail.round_trip_s or 0.0) < 1.0:
            continue
        samples = [
            pair for pair in case.details.get(peer.record.peer_id, []) if (pair[1].round_trip_s or 0.0) >= 1.0
        ]
        if samples:
            text = f"its answers take {detail.round_trip_s:.1f} s"
            yield Seen(
                case.name(peer.record.peer_id), text, samples[0][1].at_s, (samples[-1][0], samples[0][0]),
                Confidence.LIKELY, peer.record.peer_id,
            )  # fmt: skip


def same_name(case: Case) -> Iterator[Seen]:
    """Two peers that live and call themselves alike."""
    by_name: dict[str, list[LivePeer]] = {}
    for peer in case.live.peers.values():
        if peer.record.name and peer.record.status in ("joined", "self"):
            by_name.setdefault(peer.record.name, []).append(peer)
    for name, peers in by_name.items():
        if len(peers) > 1:
            text = (
                f"{len(peers)} peers that live: {', '.join(peer.record.peer_id[-6:] for peer in peers[:8])}"
            )
            newest = max(peers, key=lambda peer: peer.number)
            yield Seen(
                name, text, newest.record.at_s, tuple(peer.number for peer in peers), Confidence.POSSIBLE
            )


def identity_twice(case: Case) -> Iterator[Seen]:
    """Two programs with one identity: what either says is old or a restart to the other's hearers."""
    for peer_id in case.details:
        grown = _growth(case, peer_id)
        old = grown["old-life"] + grown["old-sequence"]
        told = [
            number
            for number, notice in case.notices
            if notice.peer_id == peer_id and "restarted" in notice.text
        ]
        if old >= 10 and len(told) >= 2:
            text = f"{len(told)} restarts and {old} messages of an earlier life within {case.window_s:.0f} s"
            at_s = next(notice.at_s for number, notice in case.notices if number == told[0])
            yield Seen(case.name(peer_id), text, at_s, tuple(reversed(told)), Confidence.POSSIBLE, peer_id)
