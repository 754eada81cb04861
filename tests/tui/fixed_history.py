"""A history that is always the same: what pictures and pane tests look at.

Six peers as in the demo: a root that exposes nothing, our own with an order workflow, and four others with
a downloader and its workers, a traffic light, a failing sensor and an expense approval. One peer is known
by hearsay, one went stale and one has left. Machines live for about two minutes up to `NOW`; every record
is computed from a fixed seed.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby

from amdbg_tui.history import History
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    StateShape,
    StepRecord,
    TransitionRecord,
)

NOW = 1_782_000_000.0
"""The wall-clock time (seconds) at which the pictures are taken."""
START = NOW - 120

US = "12D3KooWDemoSelfXk9mPq2RsTuVwXyZaBcDeFgHiJkLmN4oWn"
ROOT = "12D3KooWDemoRootYb3nQr4StUvWxYzAbCdEfGhIjKlMnO7tRt"
DOWNLOADS = "12D3KooWDemoLoadZc5pRs6TuVwXyZaBcDeFgHiJkLmNoP8dLd"
STREET = "12D3KooWDemoRoadAd7qSt8UvWxYzAbCdEfGhIjKlMnOpQ2sTr"
SENSORS = "12D3KooWDemoSensBe9rTu1VwXyZaBcDeFgHiJkLmNoPqR5sNs"
OFFICE = "12D3KooWDemoDeskCf2sUv3WxYzAbCdEfGhIjKlMnOpQrS6oFc"
TOPIC = "demo"

ORDER = MachineKey(US, 0)
TOPIC_MACHINE = MachineKey(US, -1)
DOWNLOADER = MachineKey(DOWNLOADS, 0)
LIGHT = MachineKey(STREET, 0)
SENSOR = MachineKey(SENSORS, 0)
EXPENSES = MachineKey(OFFICE, 0)


def _states(**shapes: dict[str, object]) -> tuple[StateShape, ...]:
    return tuple(StateShape(name, **shape) for name, shape in shapes.items())  # type: ignore[arg-type]


def _only(name: str, *names: str) -> tuple[str, ...]:
    return tuple(other for other in names if other != name)


_PHASES = ("Placed", "Paid", "Packed", "Shipped", "Delivered")
_LIGHTS = ("Red", "RedAmber", "Green", "Amber")
SCHEMAS: dict[str, tuple[StateShape, ...]] = {
    "order": _states(
        Exception={"multi": True},
        Start={},
        Ready={"auto": True, "require": ("Start",)},
        Placed={"require": ("Start",), "remove": _only("Placed", *_PHASES), "tags": ("phase",)},
        Paid={"require": ("Ready",), "remove": _only("Paid", *_PHASES), "tags": ("phase",)},
        Packed={"require": ("Ready", "InStock"), "remove": _only("Packed", *_PHASES), "tags": ("phase",)},
        Shipped={
            "require": ("Ready",),
            "add": ("Tracked",),
            "remove": _only("Shipped", *_PHASES),
            "tags": ("phase",),
        },
        Delivered={"require": ("Tracked",), "remove": _only("Delivered", *_PHASES), "tags": ("phase",)},
        InStock={},
        Tracked={"require": ("Start",), "after": ("Shipped",)},
        ErrPayment={"multi": True, "add": ("Exception",), "require": ("Exception",)},
        Reminded={"multi": True, "require": ("Placed",)},
    ),
    "topic": _states(
        Exception={"multi": True},
        ErrConnecting={"require": ("Exception",)},
        Start={},
        Connecting={"require": ("Start",), "remove": ("Connected", "Disconnecting", "Disconnected")},
        Connected={"require": ("Start",), "remove": ("Connecting", "Disconnecting", "Disconnected")},
        Joining={"require": ("Connected",), "remove": ("Joined",)},
        Joined={"require": ("Connected",), "remove": ("Joining",)},
        Ready={"auto": True, "require": ("Joined",)},
        PeerJoined={"multi": True, "require": ("Joined",)},
        MsgReceived={"multi": True, "require": ("Joined",)},
        ProcessMsgs={"multi": True, "require": ("Joined",)},
        SendUpdates={"require": ("Joined",)},
        Heartbeat={"require": ("Joined",)},
    ),
    "downloader": _states(
        Exception={"multi": True},
        Start={},
        Ready={"auto": True, "require": ("Start",)},
        Resolving={"require": ("Ready",), "remove": ("Fetching", "Done")},
        Fetching={"require": ("Ready",), "remove": ("Resolving", "Done")},
        Chunk={"multi": True, "require": ("Fetching",)},
        Retrying={"require": ("Ready",), "add": ("Resolving",), "remove": ("Done",)},
        Done={"remove": ("Resolving", "Fetching", "Retrying")},
        ErrTimeout={"multi": True, "add": ("Exception", "Retrying"), "require": ("Exception",)},
    ),
    "light": _states(
        Start={},
        Ready={"auto": True, "require": ("Start",)},
        Red={"remove": _only("Red", *_LIGHTS), "tags": ("lamp",)},
        RedAmber={"remove": _only("RedAmber", *_LIGHTS), "tags": ("lamp",)},
        Green={"remove": _only("Green", *_LIGHTS), "tags": ("lamp",)},
        Amber={"remove": _only("Amber", *_LIGHTS), "tags": ("lamp",)},
        WalkRequested={"multi": True},
    ),
    "sensor": _states(
        Exception={"multi": True},
        Start={},
        Ready={"auto": True, "require": ("Start",)},
        Reading={"multi": True, "require": ("Ready",)},
        Calibrating={"require": ("Start",), "remove": ("Reading",)},
        TooHot={"require": ("Ready",), "remove": ("TooCold",)},
        TooCold={"require": ("Ready",), "remove": ("TooHot",)},
        ErrBus={"multi": True, "add": ("Exception",), "require": ("Exception",)},
    ),
    "expenses": _states(
        Start={},
        Ready={"auto": True, "require": ("Start",)},
        Submitted={"require": ("Ready",), "remove": ("Approved", "Rejected")},
        Reviewing={"require": ("Submitted",)},
        Approved={"require": ("Reviewing",), "remove": ("Rejected",)},
        Rejected={"require": ("Reviewing",), "remove": ("Approved",)},
        Reimbursed={"require": ("Approved",)},
    ),
    "worker": _states(
        Start={},
        Idle={"remove": ("Busy",)},
        Busy={"remove": ("Idle",)},
        Job={"multi": True, "require": ("Busy",)},
    ),
}


@dataclass
class _Machine:
    """Moves a clock the way the machine would, and writes the records of it."""

    key: MachineKey
    machine_id: str
    schema: str
    source: str
    parent_id: str = ""
    tags: tuple[str, ...] = ()
    ticks: list[int] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.ticks = [0] * len(SCHEMAS[self.schema])

    @property
    def names(self) -> list[str]:
        return [shape.name for shape in SCHEMAS[self.schema]]

    def record(self, at_s: float, source: str = "", reason: str = "") -> MachineRecord:
        shapes = SCHEMAS[self.schema]
        groups = tuple(
            (tag, tuple(at for at, shape in enumerate(shapes) if tag in shape.tags))
            for tag in dict.fromkeys(tag for shape in shapes for tag in shape.tags)
        )
        return MachineRecord(
            at_s,
            self.key,
            self.machine_id,
            shapes,
            source or self.source,
            self.tags,
            self.parent_id,
            groups,
            tuple(self.ticks),
            reason,
        )

    def change(self, at_s: float, *moves: str, **details: object) -> TransitionRecord:
        """`+On -Off` as in a log line; `+` on an active Multi state ticks it twice."""
        before = tuple(self.ticks)
        for move in moves:
            at = self.names.index(move[1:])
            active = self.ticks[at] % 2 == 1
            self.ticks[at] += 2 if active and move[0] == "+" else 1 if active is (move[0] == "-") else 0
        self.count += 1
        own = self.source == "local"
        fields: dict[str, object] = {
            "transition_id": f"{self.count:08x}" if own else "",
            "kind": "add" if own else "clock",
            "called": tuple(move[1:] for move in moves if move[0] == "+")[:1] if own else (),
            "accepted": True,
            "derived": not own,
            "source": "" if own else self.key.peer_id,
            "trust": self.source,
            "queue_tick": self.count if own else 0,
        }
        if own:
            fields["log"] = ((2, f"[state] {' '.join(moves)}"),)
        fields |= details
        after = tuple(self.ticks)
        return TransitionRecord(at_s, self.key, before=before, after=after, **fields)  # type: ignore[arg-type]


def records() -> list[Record]:
    """All records of the fixed history, in order of time."""
    return sorted(_records(), key=lambda record: record.at_s)


def fixed_history() -> History:
    """The fixed history in memory, with `live` up to date."""
    return recorded(records())


def recorded(made: Iterable[Record]) -> History:
    """Records as if they had come when they say they did."""
    clock = [0.0]
    history = History(None, clock=lambda: clock[0])
    for second, group in groupby(made, key=lambda record: int(record.at_s * 2)):
        clock[0] = max(clock[0], second / 2 - START + 3_600)
        history.append(list(group))
    history.refresh()
    return history


def _records() -> Iterable[Record]:
    dice = random.Random(6)
    yield from _connection()
    yield from _peers(dice)
    yield from _topic_machine(dice)
    yield from _order()
    yield from _downloads(dice)
    yield from _street()
    yield from _sensor(dice)
    yield from _office()


def _connection() -> Iterable[Record]:
    address = f"/ip4/127.0.0.1/udp/41007/quic-v1/p2p/{ROOT}"
    for after_s, phase, detail in (
        (0.0, "starting", ""),
        (0.2, "connecting", f"dialling {address}"),
        (0.5, "joining", "asking for the machines of 5 peers"),
        (0.9, "joined", ""),
    ):
        own = (f"/ip4/127.0.0.1/udp/52110/quic-v1/p2p/{US}",)
        yield ConnectionRecord(START + after_s, phase, TOPIC, US, own, detail)


def _peers(dice: random.Random) -> Iterable[Record]:
    yield PeerRecord(START, US, "self", "demo-you")
    people = ((ROOT, "root"), (DOWNLOADS, "downloads"), (STREET, "street"), (SENSORS, "sensors"))
    for place, (peer_id, name) in enumerate(people):
        at_s = START + 0.6 + place / 10
        yield PeerRecord(at_s, peer_id, "joined", name)
        for second in (2, 60, 119):
            heard = START + second - dice.random()
            yield PeerDetailRecord(
                START + second,
                peer_id,
                (f"/ip4/127.0.0.1/udp/{41007 + place}/quic-v1",),
                "quic-v1",
                0.0004 + dice.random() / 1000,
                "ampubsub/0.1.0" if place else "pubsub-example/v0.13.0",
                "1.1",
                place != 3,
                (("updates", 3 * second), ("info", 1), ("gossip", second // 5)),
                (("updates", second), ("info", 1)),
                (("duplicate", 2),) if place == 1 else (),
                heard,
            )
    yield PeerRecord(START + 1.0, OFFICE, "hearsay", "office")
    yield PeerRecord(NOW - 14, SENSORS, "stale", "sensors", "not heard for 10 s")
    gone = "12D3KooWDemoGoneDg4tVw5XyZaBcDeFgHiJkLmNoPqRsT9gNe"
    yield PeerRecord(START + 1.2, gone, "joined", "printer")
    left = _Machine(MachineKey(gone, 0), "printer-1", "worker", "first-hand")
    yield left.record(START + 1.3)
    yield left.change(START + 3, "+Start", "+Idle")
    yield left.record(NOW - 41, "gone", "its peer said bye")
    yield PeerRecord(NOW - 41, gone, "gone", "printer", "said bye")
    yield NoticeRecord(NOW - 41, "info", "printer left the topic", gone)
    yield NoticeRecord(NOW - 14, "warning", "sensors: not heard for 10 s, its clocks may be behind", SENSORS)


def _topic_machine(dice: random.Random) -> Iterable[Record]:
    topic = _Machine(TOPIC_MACHINE, "topic-demo", "topic", "local", tags=("pubsub:demo",))
    yield topic.record(START)
    yield topic.change(START + 0.1, "+Start")
    yield topic.change(START + 0.2, "+Connecting")
    yield topic.change(START + 0.4, "+Connected", "-Connecting")
    yield topic.change(START + 0.5, "+Joining")
    yield topic.change(START + 0.9, "+Joined", "-Joining", "+Ready")
    for _ in range(5):
        yield topic.change(START + 1, "+PeerJoined", "+MsgReceived")
    for second in range(2, 120, 3):
        at_s = START + second + dice.random()
        yield topic.change(
            at_s,
            "+MsgReceived",
            "+ProcessMsgs",
            args=(("msgs", str(dice.randint(1, 4))),),
            handlers=("ProcessMsgsState",),
        )
        if second % 30 == 2:
            yield topic.change(at_s + 0.1, "-Heartbeat" if second % 60 == 2 else "+Heartbeat")


def _order() -> Iterable[Record]:
    order = _Machine(ORDER, "order-4711", "order", "local", tags=("shop:berlin", "priority"))
    yield order.record(START + 0.3)
    yield order.change(START + 4, "+Start", "+Ready", handlers=("StartState",))
    yield order.change(
        START + 9,
        "+Placed",
        args=(("items", "3"), ("total", "42.50")),
        handlers=("PlacedEnter", "PlacedState"),
        steps=(
            StepRecord("called", to_state="Placed"),
            StepRecord("rel", "Placed", "Start", "require"),
            StepRecord("activate", to_state="Placed"),
            StepRecord("handler", to_state="Placed", detail="PlacedEnter"),
            StepRecord("handler", to_state="Placed", detail="PlacedState"),
        ),
        log=(
            (3, "[add] Placed"),
            (2, "[state] +Placed (items=3 total=42.50)"),
            (3, "[handler:0] PlacedState"),
            (1, "order of 3 items placed"),
        ),
    )
    yield order.change(START + 30, "+Reminded", auto=False, handlers=("RemindedState",))
    yield order.change(
        START + 41,
        "+Exception",
        "+ErrPayment",
        called=("ErrPayment", "Exception"),
        handlers=("ErrPaymentState",),
        error="PaymentRefused: card 4111 was declined",
        args=(("err", "card 4111 was declined"),),
        log=((2, "[error] PaymentRefused: card 4111 was declined"), (2, "[state] +Exception +ErrPayment")),
    )
    yield order.change(
        START + 52, "-Exception", "-ErrPayment", kind="remove", called=("Exception", "ErrPayment")
    )
    yield order.change(START + 58, "+Paid", "-Placed", handlers=("PaidState",))
    yield order.change(
        NOW - 31,
        accepted=False,
        called=("Packed",),
        handlers=(),
        by_hand=True,
        steps=(
            StepRecord("called", to_state="Packed"),
            StepRecord("rel", "Packed", "InStock", "require"),
            StepRecord("cancel", "Packed", "InStock", "require"),
        ),
        log=((3, "[add] Packed"), (3, "[reject] Packed(-InStock)"), (2, "[cancel] (Packed) by require")),
    )
    yield CommandRecord(NOW - 31, ORDER, "add", ("Packed",), (), "canceled", "Packed requires InStock")
    yield order.change(NOW - 22, "+InStock", by_hand=True)
    yield CommandRecord(NOW - 22, ORDER, "add", ("InStock",), (), "executed", "")
    yield order.change(
        NOW - 9,
        "+Packed",
        "-Paid",
        by_hand=True,
        handlers=("PaidExit", "PackedEnter", "PackedState"),
        args=(("by", "mo"), ("boxes", "2")),
        steps=(
            StepRecord("called", to_state="Packed"),
            StepRecord("rel", "Packed", "Ready", "require"),
            StepRecord("rel", "Packed", "InStock", "require"),
            StepRecord("rel", "Packed", "Paid", "remove"),
            StepRecord("deactivate", to_state="Paid"),
            StepRecord("activate", to_state="Packed"),
            StepRecord("handler", to_state="Paid", detail="PaidExit"),
            StepRecord("handler", to_state="Packed", detail="PackedEnter"),
            StepRecord("handler", to_state="Packed", detail="PackedState"),
        ),
        log=(
            (3, "[add] Packed (by=mo boxes=2)"),
            (3, "[rel:remove] Paid by Packed"),
            (2, "[state] +Packed -Paid (by=mo boxes=2)"),
            (3, "[handler:0] PackedState"),
        ),
    )
    yield CommandRecord(NOW - 9, ORDER, "add", ("Packed",), (("by", "mo"), ("boxes", "2")), "executed", "")


def _downloads(dice: random.Random) -> Iterable[Record]:
    boss = _Machine(DOWNLOADER, "downloader", "downloader", "first-hand", tags=("net",))
    workers = [
        _Machine(MachineKey(DOWNLOADS, slot), f"worker-{slot}", "worker", "first-hand", "downloader")
        for slot in (1, 2)
    ]
    yield boss.record(START + 1.1)
    yield boss.change(START + 1.5, "+Start", "+Ready")
    for worker in workers:
        yield worker.record(START + 1.2)
        yield worker.change(START + 1.6, "+Start", "+Idle")
    at_s = START + 3
    while at_s < NOW - 12:
        yield boss.change(at_s, "+Resolving", "-Done")
        yield boss.change(at_s + 1, "+Fetching", "-Resolving")
        worker = dice.choice(workers)
        yield worker.change(at_s + 1.1, "+Busy", "-Idle", "+Job")
        for chunk in range(dice.randint(2, 5)):
            yield boss.change(at_s + 2 + chunk, "+Chunk")
        if dice.random() < 0.3:
            yield boss.change(
                at_s + 7, "+Exception", "+ErrTimeout", "+Retrying", "+Resolving", "-Fetching", "-Chunk"
            )
            yield boss.change(at_s + 8, "-Exception", "-ErrTimeout", "-Retrying", "+Fetching", "-Resolving")
        yield boss.change(at_s + 9, "+Done", "-Fetching", "-Chunk")
        yield worker.change(at_s + 9.2, "+Idle", "-Busy", "-Job")
        at_s += 11


def _street() -> Iterable[Record]:
    light = _Machine(LIGHT, "TrafficLight", "light", "first-hand", tags=("street:a", "lamps:3"))
    yield light.record(START + 1.1)
    yield light.change(START + 1.4, "+Start", "+Ready", "+Red")
    at_s, place = START + 6, 0
    while at_s < NOW:
        old, new = _LIGHTS[place % 4], _LIGHTS[(place + 1) % 4]
        yield light.change(at_s, f"+{new}", f"-{old}")
        if place % 8 == 2:
            yield light.change(at_s + 2, "+WalkRequested")
        at_s += 2 if new.endswith("Amber") else 7
        place += 1


def _sensor(dice: random.Random) -> Iterable[Record]:
    sensor = _Machine(SENSOR, "sensor-boiler", "sensor", "first-hand")
    yield sensor.record(START + 1.4)
    yield sensor.change(START + 1.7, "+Start", "+Ready")
    for second in range(4, 95, 3):
        yield sensor.change(START + second, "+Reading")
        if dice.random() < 0.15:
            yield sensor.change(START + second + 1, "+TooHot")
            yield sensor.change(START + second + 2, "-TooHot")
    yield sensor.change(NOW - 25, "+Exception", "+ErrBus")
    yield sensor.record(NOW - 14, "stale", "its peer was not heard for 10 s")


def _office() -> Iterable[Record]:
    expenses = _Machine(EXPENSES, "expense-2207", "expenses", "hearsay", tags=("team:ops",))
    yield expenses.record(START + 2)
    for after_s, moves in (
        (3, ("+Start", "+Ready")),
        (20, ("+Submitted",)),
        (47, ("+Reviewing",)),
        (80, ("+Approved",)),
    ):
        yield expenses.change(START + after_s, *moves, source=ROOT)
