"""The history keeps every record, answers by filter, and knows how everything stood at any moment."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from amdbg_tui.history import Changes, History, HistoryError, Moment, TransitionFilter, log_lines
from amdbg_tui.history.filters import changed_states
from amdbg_tui.history.packing import pack_numbers, unpack_numbers
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    LossRecord,
    MachineKey,
    MachineRecord,
    MessageRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    StateShape,
    StepRecord,
    TransitionRecord,
)
from amdbg_tui.settings import HistorySettings

LAMP = MachineKey("peer-a", 0)
DOOR = MachineKey("peer-a", 1)
PUMP = MachineKey("peer-b", 0)
NAMES = {LAMP: ("On", "Power", "ErrBulb"), DOOR: ("Open", "Locked"), PUMP: ("On", "Exception")}


def machine(
    key: MachineKey, at_s: float = 0.0, source: str = "first-hand", clock: tuple[int, ...] = ()
) -> MachineRecord:
    states = tuple(StateShape(name) for name in NAMES[key])
    return MachineRecord(at_s, key, f"machine-{key.peer_id}-{key.slot}", states, source, clock=clock)


def tick(
    key: MachineKey, before: tuple[int, ...], after: tuple[int, ...], at_s: float = 1.0
) -> TransitionRecord:
    return TransitionRecord(
        at_s, key, "", "clock", (), True, before, after, derived=True, source="peer-z", trust="first-hand"
    )


def whole(
    key: MachineKey, before: tuple[int, ...], after: tuple[int, ...], **more: object
) -> TransitionRecord:
    return TransitionRecord(2.0, key, "t-1", "add", ("On",), True, before, after, **more)  # type: ignore[arg-type]


def lamp_ticks(count: int) -> list[TransitionRecord]:
    return [tick(LAMP, (n, 0, 0), (n + 1, 0, 0), float(n)) for n in range(count)]


EXAMPLES = [
    PeerRecord(1.5, "peer-a", "joined", "Ä", "hello"),
    PeerDetailRecord(
        2.0, "peer-a", ("/ip4/…",), "quic-v1", None, "go", "1.1", True, (("info", 3),), (), (("x", 1),), 9.5
    ),
    MachineRecord(
        1.0, LAMP, "lamp", (StateShape("On", True, require=("Power",)),), "local", groups=(("g", (0, 1)),)
    ),
    whole(
        LAMP,
        (1, 2**40),
        (2, 2**40),
        steps=(StepRecord("rel", "On", "Power", "require"),),
        log=((2, "[state] +On"),),
        args=(("id", "7"),),
        handlers=("OnState",),
        error="boom",
        by_hand=True,
    ),
    NoticeRecord(1.0, "warning", "careful", "peer-b"),
    CommandRecord(1.0, LAMP, "add", ("On",), (("a", "1"),), "canceled", "no power"),
    ConnectionRecord(1.0, "joined", "demo", "peer-a", ("/ip4/…",), "", ("demo", "other")),
    MessageRecord(1.0, "peer-a", "demo", "hello", b"\x00\xff", via="peer-b", sequence=2**63),
    LossRecord(1.0, "gap", 7, 1, 8, "the disk was full"),
]


@pytest.mark.parametrize("record", EXAMPLES, ids=lambda record: type(record).__name__)
def test_every_kind_of_record_comes_back_as_it_was_written(record: Record, tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with History(path) as history:
        history.append([machine(LAMP), record])
    with History.open(path) as again:
        found = again.entry(2)
        assert found is not None
        assert found.record == record


def test_an_older_record_without_the_newest_fields_can_still_be_read() -> None:
    assert msgspec.convert([5, 1.0, "info", "text"], Record) == NoticeRecord(1.0, "info", "text")
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert([5, 1.0], Record)


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 300), max_size=40))
def test_clocks_come_back_as_they_were_packed(ticks: list[int]) -> None:
    assert tuple(unpack_numbers(pack_numbers(ticks))) == tuple(ticks)


def test_a_tick_that_no_machine_can_have_is_cut_and_a_broken_clock_refused() -> None:
    assert tuple(unpack_numbers(pack_numbers([2**70, -3]))) == (2**64 - 1, 0)
    with pytest.raises(ValueError, match="packed numbers begin with"):
        unpack_numbers(b"\x09abc")


def test_the_screen_sees_what_was_written_and_what_changed() -> None:
    with History() as history:
        history.append([PeerRecord(0, "peer-a", "joined", "anna"), machine(LAMP), machine(DOOR)])
        changes = history.refresh()
        assert changes.peers == {"peer-a"}
        assert changes.machines == {LAMP, DOOR}
        history.append([tick(LAMP, (0, 0, 0), (1, 1, 0), 5.0), tick(LAMP, (1, 1, 0), (2, 1, 0), 6.0)])
        changes = history.refresh()
        assert changes.clocks == {LAMP: {0, 1}}
        assert [moment.changed for moment in changes.transitions] == [(0, 1), (0,)]
        lamp = history.live.machines[LAMP]
        assert lamp.clock == (2, 1, 0)
        assert lamp.changed_at == [6.0, 5.0, 0.0]
        assert lamp.transitions == 2
        assert lamp.is_active("Power")
        assert not lamp.is_active("On")
        assert [known.key for known in history.live.machines_of("peer-a")] == [LAMP, DOOR]
        assert not history.refresh()


def test_errors_are_told_now_and_recently() -> None:
    with History() as history:
        history.append([machine(LAMP), tick(LAMP, (0, 0, 0), (0, 0, 1))])
        history.refresh()
        lamp = history.live.machines[LAMP]
        assert (lamp.in_error, lamp.recently_in_error) == (True, True)
        history.append([tick(LAMP, (0, 0, 1), (0, 0, 2))])
        history.refresh()
        assert (lamp.in_error, lamp.recently_in_error) == (False, True)
        history.append(lamp_ticks(100))
        history.refresh()
        assert (lamp.in_error, lamp.recently_in_error) == (False, False)


def test_a_clock_that_comes_before_its_schema_is_shown_with_numbered_states() -> None:
    with History() as history:
        history.append([tick(LAMP, (0, 0, 0), (1, 0, 0))])
        history.refresh()
        assert history.live.names_of(LAMP) == ("#0", "#1", "#2")
        history.append([machine(LAMP, clock=(1, 0, 0))])
        history.refresh()
        assert history.live.names_of(LAMP) == NAMES[LAMP]
        assert history.live.machines[LAMP].clock == (1, 0, 0)


def test_pages_go_back_and_forth_without_gap_or_overlap() -> None:
    with History() as history:
        history.append([machine(LAMP), machine(PUMP)])
        for n, record in enumerate(lamp_ticks(500)):
            history.append([record, tick(PUMP, (n, 0), (n + 1, 0))])
        cursor = history.cursor()
        only_lamp = TransitionFilter(machines=frozenset({LAMP}))
        back: list[Moment] = []
        before = None
        while True:
            page = cursor.page(only_lamp, before=before, limit=70)
            back = [*page.moments, *back]
            before = page.first
            if not page.more:
                break
        assert [moment.record.before[0] for moment in back] == list(range(500))
        page = cursor.page(only_lamp, after=back[99].number, limit=10)
        assert [moment.record.before[0] for moment in page.moments] == list(range(100, 110))
        assert page.more
        assert cursor.page(only_lamp, after=page.last, limit=1).moments[0].record.before[0] == 110
        assert cursor.transition(back[7].number) == back[7]
        assert cursor.transition(1) is None


transitions = st.builds(
    lambda key, before, after, kind, called, accepted, auto, error, log, at_s: TransitionRecord(
        at_s,
        key,
        "id" if kind != "clock" else "",
        kind,
        called if kind != "clock" else (),
        accepted,
        before[: len(NAMES[key])],
        after[: len(NAMES[key])],
        auto=auto,
        derived=kind == "clock",
        error=error if kind != "clock" else "",
        log=log if kind != "clock" else (),
    ),
    st.sampled_from(list(NAMES)),
    st.tuples(*[st.integers(0, 3)] * 3),
    st.tuples(*[st.integers(0, 3)] * 3),
    st.sampled_from(["add", "remove", "clock"]),
    st.lists(st.sampled_from(["On", "Open", "Other", "on"]), max_size=2).map(tuple),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["", "boom"]),
    st.lists(st.tuples(st.integers(1, 5), st.sampled_from(["On", "[state] +ÄÖ", "x:On"])), max_size=2).map(
        tuple
    ),
    st.floats(0, 100),
)
maybe = st.none() | st.booleans()
filters = st.builds(
    TransitionFilter,
    machines=st.none() | st.frozensets(st.sampled_from(list(NAMES))),
    peers=st.none() | st.frozensets(st.sampled_from(["peer-a", "peer-b", "peer-c"])),
    states=st.frozensets(st.sampled_from(["On", "Open", "Other", "ErrBulb", "n"]), max_size=2),
    text=st.sampled_from(["", "", "on", "BOOM", "Ä", "ä", "[state]", "%", "_"]),
    kinds=st.none() | st.frozensets(st.sampled_from(["add", "remove", "clock"])),
    accepted=maybe,
    auto=maybe,
    derived=maybe,
    errors=maybe,
    changes=maybe,
    since_s=st.none() | st.floats(0, 100),
    until_s=st.none() | st.floats(0, 100),
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(transitions, max_size=12), filters)
def test_a_filter_answers_alike_in_memory_and_in_the_store(
    records: list[TransitionRecord], wanted: TransitionFilter
) -> None:
    with History() as history:
        history.append([*map(machine, NAMES), *records])
        history.refresh()
        live = [
            moment
            for moment in history.live.tail
            if wanted.matches(moment.record, history.live.names_of(moment.record.key), moment.changed)
        ]
        assert list(history.cursor().page(wanted).moments) == live


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(list(NAMES)), st.integers(0, 2), st.booleans()), max_size=30))
def test_every_moment_of_the_past_has_its_clocks(moves: list[tuple[MachineKey, int, bool]]) -> None:
    """A restart of a machine (a new record with a clock of zeros) is a move as well."""
    clocks: dict[MachineKey, tuple[int, ...]] = {}
    expected = {0: dict(clocks)}
    with History() as history:
        for key, state, restarts in moves:
            if key not in clocks or restarts:
                clocks[key] = (0,) * len(NAMES[key])
                history.append([machine(key, clock=clocks[key])])
            else:
                before = clocks[key]
                after = tuple(ticks + (at == state) for at, ticks in enumerate(before))
                clocks[key] = after
                history.append([tick(key, before, after)])
            expected[history.records] = dict(clocks)
        cursor = history.cursor()
        for number, then in expected.items():
            assert cursor.clocks(number) == then
            for key in NAMES:
                assert cursor.clock(key, number) == then.get(key, ())
        history.refresh()
        assert {key: known.clock for key, known in history.live.machines.items()} == clocks


def test_the_moment_of_a_wall_clock_time_is_found() -> None:
    with History() as history:
        history.append([machine(LAMP), *lamp_ticks(50)])
        cursor = history.cursor()
        assert cursor.number_at(-1.0) == 0
        assert cursor.number_at(0.0) == 2
        assert cursor.number_at(17.5) == 19
        assert cursor.number_at(1e9) == 51


def test_news_of_peers_connection_notices_and_commands_can_be_read_as_of_any_moment() -> None:
    command = CommandRecord(4, LAMP, "add", ("On",), (), "executed")
    with History() as history:
        history.append(
            [
                PeerRecord(1, "peer-a", "joined", "anna"),
                ConnectionRecord(2, "joining", "demo"),
                PeerDetailRecord(3, "peer-a", agent="go"),
                NoticeRecord(3, "info", "one"),
                PeerRecord(4, "peer-a", "gone", "anna", "said bye"),
                ConnectionRecord(5, "joined", "demo"),
                NoticeRecord(6, "info", "two"),
                command,
            ]
        )
        history.refresh()
        cursor = history.cursor()
        assert cursor.peers()["peer-a"].status == "gone"
        assert cursor.peers(4)["peer-a"].status == "joined"
        assert cursor.peers(0) == {}
        assert cursor.details()["peer-a"].agent == "go"
        assert [notice.text for _, notice in cursor.notices()] == ["one", "two"]
        assert [number for number, _ in cursor.notices(before=7)] == [4]
        assert cursor.commands() == [(8, command)]
        assert cursor.connection(5) == ConnectionRecord(2, "joining", "demo")
        assert history.live.connection == cursor.connection()
        assert history.live.peers["peer-a"].record.reason == "said bye"


def test_a_peers_thread_feeds_while_the_screen_refreshes_and_no_record_is_lost(tmp_path: Path) -> None:
    woken = threading.Event()
    count = 20_000
    with History(tmp_path / "run.db") as history:
        history.on_fresh = woken.set
        history.feed([machine(LAMP)])
        feeder = threading.Thread(target=lambda: [history.feed([record]) for record in lamp_ticks(count)])
        feeder.start()
        seen: list[int] = []
        while len(seen) < count:
            assert woken.wait(30)
            woken.clear()
            seen += [moment.record.before[0] for moment in history.refresh().transitions]
        feeder.join()
        assert seen == list(range(count))
        assert history.records == count + 1
        assert history.cursor().page(limit=1).moments[0].record.after[0] == count


def test_a_screen_that_slept_too_long_reads_everything_anew_and_misses_nothing() -> None:
    with History(None, HistorySettings(behind=100)) as history:
        history.append(
            [
                PeerRecord(0, "peer-a", "joined", "anna"),
                machine(LAMP),
                machine(PUMP),
                tick(PUMP, (0, 0), (1, 1)),
            ]
        )
        history.refresh()
        for record in lamp_ticks(5_000):
            history.append([record])
        history.append([PeerRecord(9, "peer-a", "stale", "anna"), NoticeRecord(9, "info", "hello")])
        assert history.behind <= 110
        changes = history.refresh()
        assert changes.rebuilt
        live = history.live
        assert live.machines[LAMP].clock == (5_000, 0, 0)
        assert live.machines[LAMP].transitions == 5_000
        assert live.machines[PUMP].in_error
        assert live.peers["peer-a"].record.status == "stale"
        assert live.transitions == 5_001
        assert live.tail[-1].record.after == (5_000, 0, 0)
        assert live.notices[-1].text == "hello"
        history.append([tick(LAMP, (5_000, 0, 0), (5_001, 0, 0))])
        assert history.refresh().clocks == {LAMP: {0}}


def test_a_history_opened_again_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "state" / "run.db"
    with History(path) as history:
        history.append([PeerRecord(0, "peer-a", "joined", "anna"), machine(LAMP), *lamp_ticks(10)])
    with History(path) as history:
        assert history.live.machines[LAMP].clock == (10, 0, 0)
        assert history.live.machines[LAMP].transitions == 10
        assert history.live.peers["peer-a"].record.name == "anna"
        history.append([tick(LAMP, (10, 0, 0), (11, 1, 0))])
        assert history.refresh().clocks == {LAMP: {0, 1}}
        assert history.records == 13
        assert [moment.record.source for moment in history.cursor().page().moments] == ["peer-z"] * 11


def test_a_new_schema_leaves_old_transitions_their_state_names() -> None:
    with History() as history:
        history.append([machine(LAMP), tick(LAMP, (0, 0, 0), (1, 0, 0))])
        states = (StateShape("Dimmed"), StateShape("Bright"))
        history.append([MachineRecord(2, LAMP, "machine-peer-a-0", states, "first-hand", clock=(0, 0))])
        history.append([tick(LAMP, (0, 0), (1, 0))])
        history.refresh()
        cursor = history.cursor()
        assert len(cursor.page(TransitionFilter(states=frozenset({"On"}))).moments) == 1
        assert len(cursor.page(TransitionFilter(states=frozenset({"Dimmed"}))).moments) == 1
        assert len(cursor.page(TransitionFilter(machines=frozenset({LAMP}))).moments) == 2
        assert history.live.machines[LAMP].clock == (1, 0)


def test_a_file_that_is_no_history_is_refused_with_its_name(tmp_path: Path) -> None:
    text, foreign, folder = tmp_path / "notes.txt", tmp_path / "foreign.db", tmp_path / "folder"
    text.write_text("hello " * 100)
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE x (y)")
    folder.mkdir()
    for path in (text, foreign, folder, text / "below"):
        with pytest.raises(HistoryError, match=path.name):
            History(path)


def test_closing_writes_what_waits_and_can_be_done_twice(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    history = History(path)
    history.feed([machine(LAMP), *lamp_ticks(5_000)])
    history.close()
    history.close()
    with History(path) as again:
        assert again.live.machines[LAMP].clock == (5_000, 0, 0)
    assert not [thread for thread in threading.enumerate() if thread.name == "history"]


def test_log_lines_have_levels_and_a_derived_change_speaks_for_itself() -> None:
    record = whole(LAMP, (0, 1, 0), (1, 1, 0), log=((3, "[add] On"), (2, "[state] +On"), (1, "hello")))
    moment = Moment(1, record, (0,))
    assert [(line.prefix, line.text) for line in log_lines(moment, NAMES[LAMP])] == [
        ("state", "+On"),
        ("exter", "hello"),
    ]
    assert [line.prefix for line in log_lines(moment, NAMES[LAMP], 3)] == ["add", "state", "exter"]
    assert [line.prefix for line in log_lines(moment, NAMES[LAMP], 1)] == ["exter"]
    derived = tick(LAMP, (1, 1, 1), (2, 2, 3))
    (line,) = log_lines(Moment(2, derived, changed_states(derived.before, derived.after)), NAMES[LAMP])
    assert (line.prefix, line.text) == ("clock", "-On -Power +ErrBulb")
    canceled = TransitionRecord(
        1, LAMP, "t", "remove", ("Power",), False, (1, 1, 0), (1, 1, 0), args=(("a", "1"),)
    )
    (line,) = log_lines(Moment(3, canceled, ()), NAMES[LAMP])
    assert (line.prefix, line.text) == ("cancel", "-Power (a=1)")


def test_changes_are_empty_when_nothing_happened() -> None:
    assert not Changes()
