"""Recordings as files: opening without changing them, listing, keeping, exporting a part, comparing two."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import random
import sqlite3
import threading
from pathlib import Path

import pytest

from amdbg_tui.history import History, HistoryError, RecordClass, TransitionFilter
from amdbg_tui.history.compare import compare, different_states, in_words
from amdbg_tui.history.export import export
from amdbg_tui.history.lines import line_of
from amdbg_tui.history.notes import Notes
from amdbg_tui.history.recordings import Recording, find, look_at, new_recording, recordings_in, superfluous
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    MessageRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    StateShape,
    StepRecord,
    replace,
)
from tests.history.test_history import DOOR, LAMP, PUMP, lamp_ticks, machine, tick, whole

FORMAT_ONE = Path(__file__).with_name("format_one.db.gz")


def recorded(path: Path, *records: Record) -> Path:
    with History(path) as history:
        history.append(records)
    return path


# Opening.


def test_a_finished_recording_opens_as_a_normal_screen_that_stands_at_its_end(tmp_path: Path) -> None:
    """A8: its last word is that the peer left, which hid everything."""
    path = recorded(
        tmp_path / "run.db",
        ConnectionRecord(1.0, "joined", "demo", "peer-a"),
        machine(LAMP),
        *lamp_ticks(5),
        ConnectionRecord(9.0, "leaving", "demo", "peer-a"),
        ConnectionRecord(10.0, "closed", "demo", "peer-a"),
    )
    from amdbg_tui.panes.standing import standing_of

    with History.open(path) as history:
        assert history.read_only
        assert standing_of(history.live) is None
        assert history.live.connection is not None
        assert history.live.connection.topic == "demo"
        assert history.live.wall_s == 10.0  # ages are counted from its end
        assert standing_of(history.at(history.last)) is None
        assert history.at(4).wall_s == 1.0


def test_a_recording_is_never_changed_by_looking_at_it(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.db", machine(LAMP), *lamp_ticks(50))
    before = path.read_bytes()
    with History.open(path) as history:
        with pytest.raises(HistoryError, match="opened to look at"):
            history.feed(lamp_ticks(1))
        with pytest.raises(HistoryError, match="opened to look at"):
            history.append(lamp_ticks(1))
        with pytest.raises(sqlite3.OperationalError):
            history._reader.execute("DELETE FROM blocks")
        history.at(20)
        history.cursor().page()
    assert path.read_bytes() == before
    assert [other.name for other in tmp_path.iterdir()] == ["run.db"]


def test_a_recording_in_a_folder_that_cannot_be_written_opens(tmp_path: Path) -> None:
    path = recorded(tmp_path / "disc" / "run.db", machine(LAMP), *lamp_ticks(5))
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        with History.open(path) as history:
            assert history.live.machines[LAMP].clock == (5, 0, 0)
    finally:
        path.parent.chmod(0o700)


def test_a_recording_that_is_still_written_opens_and_follows(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with History(path) as recording:
        recording.append([machine(LAMP), *lamp_ticks(5)])
        with History.open(path) as looking:
            assert looking.live.machines[LAMP].clock == (5, 0, 0)
            woken = threading.Event()
            looking.on_fresh = woken.set
            recording.append([tick(LAMP, (5, 0, 0), (6, 1, 0)), machine(DOOR)])
            looking.follow()
            assert woken.wait(10)
            changes = looking.refresh()
            assert changes.clocks == {LAMP: {0, 1}}
            assert looking.live.machines[LAMP].clock == (6, 1, 0)
            assert DOOR in looking.live.machines
            assert looking.last == recording.last == 8
            then = looking.at(6)  # the moment it was opened at is still that moment
            assert (then.machines[LAMP].clock, DOOR in then.machines) == ((5, 0, 0), False)
        assert look_at(path).is_recorded
    assert not look_at(path).is_recorded


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no recording"),
        (b"hello " * 100, "not a database"),
        ("sqlite", "not a history"),
        (b"", "format 0"),
    ],
)
def test_what_is_no_recording_is_refused_with_its_name(tmp_path: Path, content: object, why: str) -> None:
    path = tmp_path / "some.db"
    if content == "sqlite":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE x (y)")
        connection.close()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    with pytest.raises(HistoryError, match=why) as caught:
        History.open(path)
    assert "some.db" in str(caught.value)
    assert look_at(path).trouble


@pytest.mark.parametrize("seed", range(25))
def test_a_damaged_recording_says_so_or_shows_what_is_left(tmp_path: Path, seed: int) -> None:
    """Cut off, or bytes changed anywhere: nothing but `HistoryError` may come out of it."""
    dice = random.Random(seed)
    whole_ones = [replace(whole(PUMP, (n, 0), (n + 1, 0)), log=((2, f"[state] {n}"),)) for n in range(300)]
    path = recorded(tmp_path / "run.db", machine(LAMP), *lamp_ticks(3_000), machine(PUMP), *whole_ones)
    data = bytearray(path.read_bytes())
    if seed % 3 == 0:
        del data[dice.randrange(len(data)) :]
    else:
        for _ in range(dice.choice((1, 20, 2_000))):
            data[dice.randrange(100, len(data))] = dice.randrange(256)
    path.write_bytes(data)
    look_at(path)
    with contextlib.suppress(HistoryError), History.open(path) as history:
        for act in (
            lambda: history.at(dice.randrange(1, 3_000)),
            lambda: history.cursor().numbers(),
            lambda: history.cursor().page(TransitionFilter(text="state] 7")),
            lambda: history.density(1, history.last, 20),
            lambda: history.losses,
            lambda: history.step(1_500, forward=False),
            lambda: export(history, tmp_path / "part.db", first=1_000),
        ):
            with contextlib.suppress(HistoryError):
                act()


def test_texts_of_somebody_elses_recording_are_harmless(tmp_path: Path) -> None:
    """Nobody made them so before: the file was not written by this program's node."""
    evil = "\x1b]52;c;ZWNobw==\x07\u202e" + "x" * 20_000
    shapes = (StateShape(evil, tags=(evil,)), StateShape("Power"))
    path = recorded(
        tmp_path / "run.db",
        ConnectionRecord(1.0, "joined", evil, detail=f"one\n{evil}"),
        PeerRecord(1.0, "peer-a", "joined", evil, evil),
        PeerDetailRecord(1.0, "peer-a", (evil,), agent=evil),
        replace(machine(LAMP), machine_id=evil, states=shapes, tags=(evil,), reason=evil, clock=(0, 0)),
        replace(whole(LAMP, (0, 0), (1, 0)), called=(evil,), args=((evil, evil),), log=((1, evil),), error=evil,
                handlers=(evil,), source=evil, steps=(StepRecord(evil, evil),)),
        replace(tick(LAMP, (1, 0), (2, 0)), trust=evil, source=evil, kind=evil),
        NoticeRecord(1.0, evil, evil),
        NoticeRecord(1.0, "info", "plain letters \x1b]52;c;ZWNobw==\x07"),
        *[tick(LAMP, (n, 0), (n + 1, 0)) for n in range(2, 1_200)],
    )  # fmt: skip
    with History.open(path) as history:
        cursor = history.cursor()
        told = repr([entry[:2] for entry in cursor.entries(0, history.last)]) + repr(
            history.step(3, forward=True)
        )
        for number in (6, history.last):
            then = history.at(number)
            told += repr(
                (then.peers, then.connection, then.notices, [m.record for m in then.machines.values()])
            )
            told += repr(list(then.machines[LAMP].names))
        assert repr("\x1b")[1:-1] not in told
        assert "\\x07" not in told
        assert "\\u202e" not in told
        assert "x" * 15_000 not in told


# Format 1.


def test_a_recording_of_format_1_opens_with_its_numbers_names_and_clocks(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.write_bytes(gzip.decompress(FORMAT_ONE.read_bytes()))
    before = path.read_bytes()
    known = look_at(path)
    assert (known.format, known.trouble) == (1, "")
    rows = sqlite3.connect(path)
    count, newest = rows.execute("SELECT count(*), max(number) FROM transitions").fetchone()
    sample = rows.execute(
        "SELECT number, at, kind FROM transitions ORDER BY number LIMIT 1 OFFSET 40"
    ).fetchone()
    rows.close()
    with History.open(path) as history:
        assert len(history.cursor().numbers()) == count
        assert history.cursor().page(limit=1).moments[0].number == newest
        moment = history.moment(sample[0])
        assert moment is not None
        assert (moment.record.at_s, moment.record.kind) == sample[1:]
        assert all(known.names for known in history.live.machines.values())
        assert any(moment.record.steps for moment in history.cursor().page(limit=1_000).moments)
        assert history.add_bookmark(sample[0], "here").number == sample[0]
    assert path.read_bytes() == before
    assert Notes(path).bookmarks[0].text == "here"


def test_an_old_file_is_not_written_into(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    path.write_bytes(gzip.decompress(FORMAT_ONE.read_bytes()))
    with pytest.raises(HistoryError, match="format 1"):
        History(path)


# Listing and keeping.


def test_a_recording_says_what_it_is(tmp_path: Path) -> None:
    path = recorded(
        tmp_path / "run.db",
        ConnectionRecord(1.0, "joined", "demo", "peer-a"),
        PeerRecord(1.0, "peer-a", "self"),
        machine(LAMP),
        *lamp_ticks(20),
        whole(LAMP, (20, 0, 0), (21, 0, 0)),
    )
    known = look_at(path)
    assert (known.program, known.topic, known.peer_id, known.format) == ("ampubsub-tui", "demo", "peer-a", 2)
    assert known.is_ended
    assert known.records == 24
    assert known.coverage[RecordClass.NETWORK].records == 20
    assert (known.coverage[RecordClass.OWN].first, known.coverage[RecordClass.OWN].last) == (24, 24)
    assert known.losses == 0


def run_of(name: str, seconds: float, **more: object) -> Recording:
    return Recording(Path(name), start_s=0.0, end_s=seconds, bytes=1_000, **more)  # type: ignore[arg-type]


def test_runs_of_a_few_seconds_push_no_longer_ones_out() -> None:
    """R6: ten restarts in a crash loop deleted the recording of the interesting run."""
    known = [run_of(f"short-{n}", 2.0) for n in range(10)] + [
        run_of("long-1", 500.0),
        run_of("long-2", 500.0),
    ]
    assert superfluous(known, 3, 0) == [Path(f"short-{n}") for n in range(3, 10)]
    assert superfluous(known, 1, 0) == [*(Path(f"short-{n}") for n in range(1, 10)), Path("long-2")]


def test_pinned_recordings_and_those_being_recorded_stay_and_bytes_are_bounded() -> None:
    known = [
        run_of("now", 500.0, is_recorded=True),
        run_of("a", 500.0),
        run_of("b", 500.0, pinned=True),
        run_of("c", 500.0),
        run_of("d", 500.0),
    ]
    assert superfluous(known, 5, 2_500) == [Path("d")]
    assert superfluous(known, 0, 0) == [Path("a"), Path("c"), Path("d")]


def test_making_room_removes_a_recording_with_all_that_lies_beside_it(tmp_path: Path) -> None:
    for n in range(4):
        path = recorded(tmp_path / f"2026010{n}-000000-99999999.db", machine(LAMP))
        Notes(path).add(1, "x", 0.0)
    (tmp_path / "20260100-000000-99999999.db-wal").write_text("")
    Notes(tmp_path / "20260101-000000-99999999.db").pin(True)
    fresh = new_recording(tmp_path, 1)
    assert not fresh.exists()
    assert sorted(path.name for path in tmp_path.glob("*.db")) == [
        "20260101-000000-99999999.db",
        "20260103-000000-99999999.db",
    ]
    assert not list(tmp_path.glob("20260100*"))
    assert [known.pinned for known in recordings_in(tmp_path)] == [False, True]


def test_a_recording_is_found_by_the_beginning_of_its_name_or_its_title(tmp_path: Path) -> None:
    first = recorded(tmp_path / "20260101-000000-99999999.db", machine(LAMP))
    recorded(tmp_path / "20260102-000000-99999999.db", machine(LAMP))
    notes = Notes(first)
    notes.title = "the bad day"
    notes.save()
    assert find(tmp_path, "20260101") == find(tmp_path, "the bad day") == first
    with pytest.raises(HistoryError, match="may be any of"):
        find(tmp_path, "2026")
    with pytest.raises(HistoryError, match="there is no recording"):
        find(tmp_path, "nothing")


def test_notes_that_cannot_be_read_count_as_none(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.db", machine(LAMP))
    (tmp_path / "run.db.notes.json").write_text(
        '{"bookmarks": [[1, "a", 2.0], "rubbish", [1]], "pinned": "yes"}'
    )
    assert [mark.text for mark in Notes(path).bookmarks] == ["a"]
    assert not Notes(path).pinned
    (tmp_path / "run.db.notes.json").write_bytes(b"\xff\xfe")
    assert Notes(path).bookmarks == []


# Exporting.


def secrets(path: Path) -> Path:
    return recorded(
        path,
        ConnectionRecord(1.0, "joined", "demo", "peer-a", ("/ip4/192.168.77.1/tcp/1",), "SECRET"),
        PeerDetailRecord(1.0, "peer-a", ("/ip4/192.168.77.1/tcp/1",)),
        NoticeRecord(1.0, "info", "SECRET notice"),
        machine(LAMP),
        machine(PUMP),
        whole(LAMP, (0, 0, 0), (1, 0, 0), args=(("password", "SECRET"),), log=((1, "SECRET"), (2, "[state] +On SECRET")),
              error="SECRET"),
        CommandRecord(1.0, LAMP, "add", ("On",), (("password", "SECRET"),), "executed", "SECRET"),
        MessageRecord(1.0, "peer-a", "demo", "hello", b"SECRET"),
        tick(PUMP, (0, 0), (1, 0)),
        tick(LAMP, (1, 0, 0), (2, 0, 0)),
        tick(LAMP, (2, 0, 0), (3, 0, 0)),
    )  # fmt: skip


def test_a_part_of_a_recording_is_a_recording_whose_moments_are_the_same(tmp_path: Path) -> None:
    with History.open(secrets(tmp_path / "run.db")) as history:
        done = export(history, tmp_path / "part.db", first=9, last=10)
        assert (done.records, done.first, done.last) == (2, 9, 10)
        with History.open(tmp_path / "part.db") as part:
            assert part.cursor().numbers() == [9, 10]
            for number in (9, 10):
                assert part.at(number).machines.keys() == history.at(number).machines.keys()
                assert part.cursor().clocks(number) == history.cursor().clocks(number)
            assert part.moment(10) == history.moment(10)
            assert part.live.peers.keys() == history.at(10).peers.keys()
        with pytest.raises(HistoryError, match="exists already"):
            export(history, tmp_path / "part.db")


def test_a_part_holds_only_the_machines_asked_for(tmp_path: Path) -> None:
    with History.open(secrets(tmp_path / "run.db")) as history:
        export(history, tmp_path / "part.db", machines=[PUMP])
    with History.open(tmp_path / "part.db") as part:
        assert set(part.live.machines) == {PUMP}
        assert [moment.record.key for moment in part.cursor().page().moments] == [PUMP]


def test_a_redacted_part_holds_no_arguments_log_texts_errors_addresses_or_messages(tmp_path: Path) -> None:
    with History.open(secrets(tmp_path / "run.db")) as history:
        export(history, tmp_path / "all.db", redact=True)
        export(history, tmp_path / "part.db", first=9, redact=True)
    for name in ("all.db", "part.db"):
        with History.open(tmp_path / name) as part:
            everything = "".join(line_of(entry) for entry in part.cursor().entries(0, part.last))
            everything += repr([(peer.record, peer.detail) for peer in part.live.peers.values()])
            everything += repr(part.at(part.last).connection)
            assert "SECRET" not in everything
            assert "U0VDUkVU" not in everything
            assert "192.168" not in everything
            assert part.live.machines[LAMP].clock == (3, 0, 0)
    with History.open(tmp_path / "all.db") as part:
        moment = part.moment(6)
        assert moment is not None
        assert moment.record.log == ((1, "…"), (2, "[state] …"))


# Comparing.


def test_two_recordings_of_the_same_run_do_not_diverge_though_records_came_in_another_order(
    tmp_path: Path,
) -> None:
    pumps = [tick(PUMP, (n, 0), (n + 1, 0), 500.0 + n) for n in range(100)]
    lamps = lamp_ticks(100)
    one = recorded(tmp_path / "a.db", machine(LAMP), machine(PUMP), *lamps, *pumps)
    mixed = [record for pair in zip(pumps, lamps, strict=True) for record in pair]
    two = recorded(tmp_path / "b.db", machine(PUMP), machine(LAMP), *mixed)
    with History.open(one) as first, History.open(two) as second:
        found = compare(first, second)
    assert (found.divergences, found.machines, found.agreed) == ((), 2, 200)


def test_the_first_divergence_is_found_machine_by_machine(tmp_path: Path) -> None:
    pumps = [tick(PUMP, (n, 0), (n + 1, 0)) for n in range(50)]
    lamps = lamp_ticks(1_000)
    one = recorded(tmp_path / "a.db", machine(LAMP), machine(PUMP), *pumps, *lamps)
    other = [
        *lamps[:700],
        tick(LAMP, (700, 0, 0), (700, 0, 1)),
        *[tick(LAMP, (n, 0, 1), (n + 1, 0, 1)) for n in range(700, 900)],
    ]
    two = recorded(
        tmp_path / "b.db",
        machine(LAMP),
        machine(PUMP),
        *pumps[:30],
        *other,
        machine(DOOR),
        tick(DOOR, (0, 0), (1, 0)),
    )
    with History.open(one) as first, History.open(two) as second:
        found = compare(first, second)
    (divergence,) = found.divergences
    assert (divergence.keys, divergence.agreed) == ((LAMP, LAMP), 700)
    assert divergence.first is not None
    assert divergence.second is not None
    assert in_words(divergence.first) == "clock: +On [753]"
    assert in_words(divergence.second) == "clock: +ErrBulb [733]"
    assert found.only_second == ("machine-peer-a-1",)


def test_an_observer_that_came_later_and_saw_clocks_only_agrees_with_the_machines_own_recording(
    tmp_path: Path,
) -> None:
    clocks = [(0, 0, 0)]
    for n in range(100):  # no two stretches of its life are alike
        state = n * n % 7 % 3
        clocks.append(tuple(ticks + (at == state) for at, ticks in enumerate(clocks[-1])))  # type: ignore[arg-type]
    steps = list(itertools.pairwise(clocks))
    own = recorded(
        tmp_path / "a.db",
        machine(LAMP, source="local"),
        *[replace(whole(LAMP, *step), transition_id=str(n)) for n, step in enumerate(steps)],
        replace(whole(LAMP, clocks[-1], clocks[-1]), accepted=False),
    )
    late = recorded(
        tmp_path / "b.db", machine(LAMP, clock=clocks[41]), *[tick(LAMP, *step) for step in steps[41:91]]
    )
    with History.open(own) as first, History.open(late) as second:
        found = compare(first, second)
        assert found.divergences == ()
        assert found.agreed == 50
        assert compare(second, first).divergences == ()


def test_two_moments_of_a_machine_differ_in_the_states_that_ticked(tmp_path: Path) -> None:
    path = recorded(tmp_path / "run.db", machine(LAMP), tick(LAMP, (0, 0, 0), (2, 1, 0)))
    with History.open(path) as history:
        found = different_states(history.at(1).machines[LAMP], history.at(2).machines[LAMP])
    assert [(each.name, each.first, each.second, each.flips) for each in found] == [
        ("On", 0, 2, False),
        ("Power", 0, 1, True),
    ]


def test_a_rare_word_in_whole_records_is_found_in_every_field(tmp_path: Path) -> None:
    noise = [
        replace(whole(LAMP, (n, 0, 0), (n + 1, 0, 0)), log=((2, f"[state] +On {n}"),)) for n in range(3_000)
    ]
    noise[100] = replace(noise[100], error="the Bulb melted")
    noise[2_000] = replace(noise[2_000], args=(("colour", "Ultraviolet"),))
    noise[2_500] = replace(noise[2_500], handlers=("BulbExit!",))
    path = recorded(tmp_path / "run.db", machine(LAMP), *noise)
    with History.open(path) as history:
        cursor = history.cursor()
        assert cursor.numbers(TransitionFilter(text="MELTED")) == [102]
        assert cursor.numbers(TransitionFilter(text="colour=ultra")) == [2_002]
        assert cursor.numbers(TransitionFilter(text="bulb")) == [102, 2_502]
        assert len(cursor.numbers(TransitionFilter(text="on 1"))) == 1_111


def test_damaged_files_are_listed_with_what_is_wrong(tmp_path: Path) -> None:
    recorded(tmp_path / "20260101-000000-99999999.db", machine(LAMP))
    (tmp_path / "20260102-000000-99999999.db").write_text("rubbish")
    (tmp_path / "20260103-000000-99999999.db").touch()
    known = recordings_in(tmp_path)
    assert [bool(one.trouble) for one in known] == [True, True, False]
