"""A recording goes on whatever disk, screen or a single record do, and what was lost is in it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from amdbg_tui.history import History, HistoryError, LossKind, RecordClass, TransitionFilter, recorder
from amdbg_tui.history.backlog import Backlog
from amdbg_tui.history.moments import Moment, Numbered, Numbering
from amdbg_tui.history.recordings import look_at
from amdbg_tui.history.records import (
    MachineRecord,
    NoticeRecord,
    PeerRecord,
    Record,
    TransitionRecord,
    replace,
)
from amdbg_tui.settings import HistorySettings
from tests.history.test_history import LAMP, NAMES, PUMP, lamp_ticks, machine, tick, whole


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries again at once."""
    monkeypatch.setattr(recorder, "AGAIN_S", 0.01)


def fill_disk(history: History, more_pages: int = 3) -> None:
    connection = history._recorder.writer.connection  # type: ignore[union-attr]
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + more_pages}")


def make_room(history: History) -> None:
    history._recorder.writer.connection.execute("PRAGMA max_page_count = 1000000")  # type: ignore[union-attr]


def until(holds: object, timeout_s: float = 10.0) -> None:
    pause = threading.Event()
    for _ in range(int(timeout_s / 0.005)):
        if holds():  # type: ignore[operator]
            return
        pause.wait(0.005)
    raise AssertionError("it never came to be")


def test_the_screen_sees_at_once_what_the_disk_does_not_take(tmp_path: Path) -> None:
    """C3: the disk hangs; the live model, moments and pages go on as if nothing were."""
    with History(tmp_path / "run.db") as history:
        history.append([machine(LAMP)])
        lock = history._recorder.lock  # type: ignore[union-attr]
        with lock:  # the writer waits for as long as this holds
            history.feed(lamp_ticks(100))
            done: list[object] = []

            def look() -> None:
                history.refresh()
                done.append(history.live.machines[LAMP].clock)
                done.append(history.at(51).machines[LAMP].clock)
                done.append(history.cursor().page(limit=1).moments[0].number)

            screen = threading.Thread(target=look)
            screen.start()
            screen.join(5.0)
            assert done == [(100, 0, 0), (50, 0, 0), 101]
        assert history.flush()


def test_a_long_search_in_another_thread_keeps_nobody_waiting(tmp_path: Path) -> None:
    with History(tmp_path / "run.db") as history:
        history.append([machine(LAMP), *lamp_ticks(5_000)])
        apart = history.cursor_apart()
        looked: list[int] = []

        def look_meanwhile() -> bool:
            """Asked by the search, which holds what it reads with."""
            screen = threading.Thread(
                target=lambda: looked.append(len(history.cursor().page(limit=5).moments))
            )
            screen.start()
            screen.join(5.0)
            return False

        assert len(apart.numbers(TransitionFilter(text="on"), canceled=look_meanwhile)) == 5_000
        assert set(looked) == {5}
        history.append([tick(LAMP, (5_000, 0, 0), (5_001, 0, 0))])
        assert len(apart.numbers()) == 5_001


def test_a_full_disk_is_said_as_long_as_it_lasts_and_what_came_meanwhile_is_in_the_file(
    tmp_path: Path,
) -> None:
    """R6: room comes back after a while; the old recording had a gap that nothing told of."""
    path = tmp_path / "run.db"
    with History(path) as history:
        history.append([machine(LAMP), machine(PUMP)])
        fill_disk(history)
        history.feed(lamp_ticks(3_000))
        until(lambda: history.trouble)
        assert "the disk is full" in history.trouble
        assert "run.db" in history.trouble
        history.refresh()
        assert history.live.machines[LAMP].clock == (3_000, 0, 0)
        make_room(history)
        until(lambda: not history.trouble)
        history.feed([tick(PUMP, (0, 0), (1, 0))])
        assert history.flush()
        (number, loss), *more = history.losses
        assert (loss.kind, loss.count, more) == (LossKind.GAP, 0, [])
        assert "the disk is full" in history.error  # said when the program ends, too
    with History.open(path) as again:
        assert again.live.machines[LAMP].transitions == 3_000
        assert len(again.cursor().numbers()) == 3_001
        assert again.losses == [(number, loss)]


def test_what_waits_for_a_full_disk_is_bounded_and_the_loss_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with History(path, HistorySettings(waiting=100, batch=10)) as history:
        history.append([machine(LAMP)])
        fill_disk(history, 0)
        for record in lamp_ticks(5_000):
            history.feed([record])
        assert history.waiting <= 120
        make_room(history)
        assert history.flush()
        until(lambda: history.losses)
    with History.open(path) as again:
        assert again.live.machines[LAMP].clock == (5_000, 0, 0)
        assert again.live.machines[LAMP].transitions == 5_000
        merged = sum(loss.count for _, loss in again.losses if loss.kind == LossKind.MERGED)
        assert merged > 1_000
        assert merged + len(again.cursor().numbers()) == 5_000


def test_a_folder_that_is_removed_is_noticed_and_a_new_recording_begun(tmp_path: Path) -> None:
    """R6: 24,000 transitions went into a file without a name, and not a word was said."""
    path = tmp_path / "state" / "run.db"
    with History(path) as history:
        history.append([PeerRecord(0, "peer-a", "joined", "anna"), machine(LAMP)])
        history.feed(lamp_ticks(10))
        assert history.flush()
        shutil.rmtree(path.parent)
        until(path.exists)
        history.feed([tick(LAMP, (10, 0, 0), (11, 0, 0))])
        until(lambda: history.losses)
        assert history.losses[0][1].kind == LossKind.REMOVED
        assert history.losses[0][1].count == 12
        assert "was removed" in history.error
    with History.open(path) as again:
        assert again.live.machines[LAMP].clock == (11, 0, 0)
        assert again.live.peers["peer-a"].record.name == "anna"
        assert again.at(1).machines[LAMP].clock[0] >= 10


def test_a_folder_that_is_removed_for_good_is_said_lastingly(tmp_path: Path) -> None:
    path = tmp_path / "state" / "run.db"
    with History(path) as history:
        history.feed([machine(LAMP)])
        assert history.flush()
        shutil.rmtree(path.parent)
        path.parent.write_text("in the way")
        until(lambda: history.trouble)
        assert "was removed, and no new one can be made" in history.trouble
        history.feed(lamp_ticks(5))
        history.refresh()
        assert history.live.machines[LAMP].clock == (5, 0, 0)


def test_a_record_that_cannot_be_written_is_left_out_and_the_recording_goes_on(tmp_path: Path) -> None:
    """C1: any error but SQLite's ended the thread without a word."""
    bad = replace(whole(LAMP, (0, 0, 0), (1, 0, 0)), log=((2, "\ud800 half a character"),))
    with History(tmp_path / "run.db") as history:
        history.feed([machine(LAMP), bad, *lamp_ticks(50)[1:]])
        assert history.flush()
        until(lambda: history.losses)
        history.feed([tick(LAMP, (50, 0, 0), (51, 0, 0))])
        assert history.flush()
        assert history.cursor().page(limit=1).moments[0].record.after == (51, 0, 0)
        (_, loss), *_ = history.losses
        assert (loss.kind, loss.first) == (LossKind.UNWRITTEN, 2)
        assert history.unwritten == 1


def test_an_error_nobody_thought_of_does_not_end_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with History(tmp_path / "run.db") as history:
        history.append([machine(LAMP)])
        failing = [True]
        see = history._recorder.writer.see  # type: ignore[union-attr]

        def see_or_fail(entries: list[Numbered]) -> None:
            if failing:
                failing.clear()
                raise RuntimeError("nobody thought of it")
            see(entries)

        monkeypatch.setattr(history._recorder.writer, "see", see_or_fail)  # type: ignore[union-attr]
        history.feed(lamp_ticks(3))
        until(lambda: not failing)
        history.feed([tick(LAMP, (3, 0, 0), (4, 0, 0))])
        assert history.flush()
        assert history.cursor().page(limit=1).moments[0].record.after == (4, 0, 0)


def test_a_file_that_is_recorded_cannot_be_recorded_into_by_another(tmp_path: Path) -> None:
    """C4: two writers damaged each other's numbers."""
    path = tmp_path / "run.db"
    with History(path) as history:
        history.append([machine(LAMP)])
        with pytest.raises(HistoryError, match="another program records into"):
            History(path)
        history.append(lamp_ticks(3))
        assert history.last == 4
    with History(path) as again:
        again.append([tick(LAMP, (3, 0, 0), (4, 0, 0))])


def test_leaving_the_screen_while_records_come_loses_none(tmp_path: Path) -> None:
    """C5: on_fresh was tested and then called; between the two the screen took it away."""
    path = tmp_path / "run.db"

    class Vanishing(History):
        asked = 0

        @property
        def on_fresh(self) -> object:  # type: ignore[override]
            self.asked += 1
            return (lambda: None) if self.asked == 1 else None

        @on_fresh.setter
        def on_fresh(self, _: object) -> None:
            pass

    with Vanishing(path) as history:
        history.feed([machine(LAMP), *lamp_ticks(10)])
    with History.open(path) as again:
        assert again.live.machines[LAMP].clock == (10, 0, 0)


def test_our_own_records_are_never_pushed_out_by_the_topic_machines(tmp_path: Path) -> None:
    """E: 71 of 100 transitions of a run were the own topic machine's, under one bound."""
    bookkeeping = LAMP._replace(slot=-1)
    with History(None, HistorySettings(topic_machine_mb=0.02)) as history:
        history.append(
            [machine(LAMP), replace(machine(LAMP), key=bookkeeping), whole(LAMP, (0, 0, 0), (1, 0, 0))]
        )
        for n in range(3_000):
            history.append([replace(whole(bookkeeping, (n, 0, 0), (n + 1, 0, 0)), log=((2, f"{n}"),))])
        kept = [moment.record.key for moment in history.cursor().page(limit=5_000).moments]
        assert kept.count(LAMP) == 1
        assert kept.count(bookkeeping) < 2_500


def test_an_attack_cannot_make_the_file_larger_than_its_bounds(tmp_path: Path) -> None:
    """R5f: 157 MB in three and a half minutes; the bound counted records, not bytes."""
    path = tmp_path / "run.db"
    bounds = HistorySettings(network_mb=0.1, others_mb=0.05, detail_mb=0.05)
    with History(path, bounds) as history:
        history.append([machine(LAMP, clock=(7, 7, 7))])
        for n in range(200):
            key = LAMP._replace(peer_id=f"sybil-{n % 20}")
            names = tuple(f"state-{n}-{at}" for at in range(100))
            shapes = tuple(replace(machine(LAMP).states[0], name=name) for name in names)
            history.append([replace(machine(LAMP), key=key, states=shapes, clock=(0,) * 100)])
            history.append([tick(key, (0,) * 100, (2**60 + n,) * 100) for _ in range(50)])
    assert path.stat().st_size < 1_500_000
    with History.open(path) as again:
        lamp = again.live.machines[LAMP]  # an honest machine among them is not pushed out
        assert (lamp.names, lamp.clock) == (NAMES[LAMP], (7, 7, 7))


def test_a_slow_trickle_of_records_makes_few_blocks(tmp_path: Path) -> None:
    """Each is in the file at once, yet nobody has to look into thousands of pieces."""
    path = tmp_path / "run.db"
    with History(path) as history:
        history.append([machine(LAMP)])
        for record in lamp_ticks(3_000):
            history.append([record])
    connection = sqlite3.connect(path)
    (blocks,) = connection.execute("SELECT count(*) FROM blocks WHERE class = 'network'").fetchone()
    (size,) = connection.execute("SELECT sum(size) FROM blocks WHERE class = 'network'").fetchone()
    connection.close()
    assert blocks < 14
    with History(path) as again:
        assert again._recorder.writer._shelves[RecordClass.NETWORK].bytes == size  # type: ignore[union-attr]


RECORDING = """
import sys
from pathlib import Path
from amdbg_tui.history import History
from tests.history.test_history import LAMP, machine, tick
history = History(Path(sys.argv[1]))
history.feed([machine(LAMP)])
for n in range(10**9):
    history.feed([tick(LAMP, (n, 0, 0), (n + 1, 0, 0))])
    if n == 20_000:
        print("enough", flush=True)
"""


def test_a_program_that_is_killed_leaves_a_whole_recording_without_a_gap(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    child = subprocess.Popen([sys.executable, "-c", RECORDING, str(path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == b"enough\n"
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    known = look_at(path)
    assert not known.is_ended
    assert not known.is_recorded
    with History.open(path) as again:
        ticks = again.live.machines[LAMP].clock[0]
        assert again.live.machines[LAMP].transitions == ticks > 0
        kept = [again.moment(number) for number in again.cursor().numbers()[-3_000:]]
        assert [moment.record.after for moment in kept[:-1]] == [moment.record.before for moment in kept[1:]]  # type: ignore[union-attr]


# The queue between threads.


def numbered(records: list[Record]) -> list[Numbered]:
    return Numbering().take(records)


def test_when_a_reader_cannot_keep_up_clock_changes_merge_and_no_clock_goes_wrong() -> None:
    entries = numbered(
        [
            machine(LAMP),
            machine(PUMP),
            *lamp_ticks(1_000),
            whole(PUMP, (0, 0), (1, 0)),
            whole(PUMP, (1, 0), (2, 0)),
        ]
    )
    backlog = Backlog(limit=10)
    for entry in entries:
        backlog.put([entry])
    assert len(backlog) == 12
    first, rest = backlog.take(5), backlog.take(1_000)
    assert (len(first.entries), first.merged) == (5, 0)
    assert rest.merged == backlog.merged == 992
    lamp, pump = rest.entries[-2:]
    assert isinstance(lamp, Moment)
    assert isinstance(pump, Moment)
    assert (lamp.record.before, lamp.record.after, lamp.stands_for) == ((8, 0, 0), (1_000, 0, 0), 992)
    assert (pump.record.before, pump.record.after, pump.stands_for) == ((0, 0), (2, 0), 2)
    backlog.done()
    assert len(backlog) == 0


def test_an_error_among_merged_changes_is_still_an_error() -> None:
    backlog = Backlog(limit=1)
    came_and_went = [tick(LAMP, (0, 0, 0), (0, 0, 1)), tick(LAMP, (0, 0, 1), (0, 0, 2))]
    backlog.put(numbered([machine(LAMP), *came_and_went]))
    moment = backlog.take(100).entries[-1]
    assert isinstance(moment, Moment)
    assert (moment.stands_for, moment.error, moment.record.after) == (2, True, (0, 0, 2))


def test_large_records_take_the_room_of_several_so_that_memory_stays_bounded() -> None:
    """A hostile machine of 5,000 states: its clocks take 150 times the memory."""
    wide = replace(
        machine(LAMP), states=tuple(replace(machine(LAMP).states[0], name=str(n)) for n in range(5_000))
    )
    ticks = [tick(LAMP, (n,) * 5_000, (n + 1,) * 5_000) for n in range(200)]
    backlog = Backlog(limit=1_000)
    backlog.put(numbered([wide, *ticks]))
    assert len(backlog) < 20
    taken = backlog.take(100).entries
    assert len(taken) <= 2
    assert backlog.take(10_000).entries[-1].record.after == (200,) * 5_000  # type: ignore[union-attr]


def test_a_merged_change_is_never_overtaken_by_a_new_schema() -> None:
    fewer = replace(machine(LAMP), states=machine(LAMP).states[:2], clock=(0, 0))
    entries = numbered([machine(LAMP), *lamp_ticks(5), fewer, tick(LAMP, (0, 0), (1, 0))])
    backlog = Backlog(limit=1)
    backlog.put(entries)
    taken = backlog.take(1).entries + backlog.take(100).entries
    assert [type(entry.record) for entry in taken] == [MachineRecord, MachineRecord, TransitionRecord]
    assert taken[-1].record.after == (1, 0)  # type: ignore[union-attr]


def test_what_is_newest_of_each_peer_and_the_newest_notices_stay_when_there_is_no_room() -> None:
    backlog = Backlog(limit=1)
    records: list[Record] = [PeerRecord(n, "peer-a", "joined", str(n)) for n in range(100)]
    records += [NoticeRecord(n, "info", str(n)) for n in range(3_000)]
    backlog.put(numbered(records))
    taken = backlog.take(1).entries + backlog.take(10_000).entries
    assert [entry.record.at_s for entry in taken if isinstance(entry.record, PeerRecord)] == [0, 99]
    notices = [entry.record.at_s for entry in taken if isinstance(entry.record, NoticeRecord)]
    assert notices == list(range(2_000, 3_000))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_is_read_only_is_said_in_words(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(HistoryError):
            History(tmp_path / "run.db")
    finally:
        tmp_path.chmod(0o700)


def test_the_file_is_whole_after_everything(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with History(path, HistorySettings(network_mb=0.02)) as history:
        history.append([machine(LAMP)])
        history.feed(lamp_ticks(5_000))
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert [other.name for other in tmp_path.iterdir()] == ["run.db"]
