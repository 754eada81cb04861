"""Moving through a recording: any moment whole, steps, the time bar, bookmarks."""

from __future__ import annotations

from pathlib import Path

from amdbg_tui.history import History, Step
from tests.history.test_history import LAMP, PUMP, lamp_ticks, machine, tick, whole


def test_a_moment_of_the_past_is_a_whole_live_that_stays_as_it_was() -> None:
    with History() as history:
        history.append([machine(LAMP), *lamp_ticks(10)])
        history.refresh()
        then = history.at(5)
        assert then.moment == 5
        assert then.machines[LAMP].clock == (4, 0, 0)
        assert then.wall_s == then.at_s == 3.0
        assert history.live.moment is None
        history.append([tick(LAMP, (10, 0, 0), (11, 0, 0))])
        assert then.machines[LAMP].clock == (4, 0, 0)


def test_steps_go_to_the_next_record_error_refusal_state_and_bookmark() -> None:
    with History() as history:
        history.append(
            [
                machine(LAMP),
                machine(PUMP),
                tick(LAMP, (0, 0, 0), (1, 0, 0)),
                tick(PUMP, (0, 0), (0, 1)),
                tick(LAMP, (1, 0, 0), (1, 1, 0)),
                whole(PUMP, (0, 1), (0, 1), by_hand=True),
            ]
        )
        history.append([_refused()])
        assert history.step(3, forward=True) == 4
        assert history.step(3, forward=True, machine=LAMP) == 5
        assert history.step(7, forward=False, what=Step.ERROR) == 4
        assert history.step(1, forward=True, what=Step.REFUSAL) == 7
        assert history.step(3, forward=True, what=Step.STATE, machine=LAMP, state="Power") == 5
        assert history.step(3, forward=False, what=Step.STATE, machine=LAMP, state="Power") is None
        history.add_bookmark(5, "here")
        assert history.step(1, forward=True, what=Step.BOOKMARK) == 5
        assert history.step(5, forward=True, what=Step.BOOKMARK) is None


def test_a_time_bar_counts_records_errors_and_refusals_by_time() -> None:
    """By the recording's own clock: wall clocks may be set back."""
    now = [100.0]
    with History(clock=lambda: now[0]) as history:
        history.append([machine(LAMP)])
        for second, record in enumerate(lamp_ticks(100)):
            now[0] = 100.0 + second
            history.append([record])
        now[0] = 199.5
        history.append([tick(LAMP, (100, 0, 0), (100, 0, 1), 50.0), _refused(50.0)])
        columns = history.density(2, history.last, 10)
        assert [column.records for column in columns] == [10] * 9 + [12]
        assert [column.errors for column in columns] == [0] * 9 + [1]
        assert [column.refusals for column in columns] == [0] * 9 + [1]
        assert (columns[1].first, columns[1].last) == (12, 21)
        assert sum(column.records for column in history.density(2, history.last, 7)) == 102
        assert [column.records for column in history.density(12, 31, 2)] == [10, 10]


def test_bookmarks_lie_beside_the_recording_and_come_back(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    with History(path) as history:
        history.append([machine(LAMP), *lamp_ticks(10)])
        history.add_bookmark(5, "it\nbegins here")
        history.add_bookmark(3, "before")
        history.add_bookmark(5, "it begins here")
    with History.open(path) as again:
        assert [(mark.number, mark.text, mark.at_s) for mark in again.bookmarks] == [
            (3, "before", 1.0),
            (5, "it begins here", 3.0),
        ]
        assert again.remove_bookmark(3)
        assert not again.remove_bookmark(3)


def _refused(at_s: float = 2.0) -> object:
    from amdbg_tui.history.records import TransitionRecord

    return TransitionRecord(at_s, PUMP, "t-2", "add", ("On",), False, (0, 1), (0, 1))
