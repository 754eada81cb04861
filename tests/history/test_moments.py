"""Any moment of a recording is what a screen would have shown then: every clock, name and trust of its time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from amdbg_tui.history import History, Live, TransitionFilter, cursor, writer
from amdbg_tui.history.cursor import Canceled
from amdbg_tui.history.records import (
    ConnectionRecord,
    MachineKey,
    MachineRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    StateShape,
    TransitionRecord,
    replace,
)
from amdbg_tui.settings import HistorySettings
from tests.history.test_history import DOOR, LAMP, NAMES, PUMP, lamp_ticks, machine, tick, whole


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks and keyframes of a few records, so that a short story crosses many."""
    monkeypatch.setattr(writer, "FULL", 8)
    monkeypatch.setattr(writer, "MOST", 16)
    monkeypatch.setattr(writer, "KEYFRAME_RECORDS", 11)
    monkeypatch.setattr(writer, "KEYFRAMES_SHARE", 1_000_000)
    monkeypatch.setattr(cursor, "NEAR", 3)


def picture(live: Live) -> object:
    """All that a screen shows of how things stand."""
    return (
        {peer_id: (peer.record, peer.number, peer.detail, sorted(peer.machines)) for peer_id, peer in live.peers.items()},
        {
            key: (
                known.record, known.number, known.clock, known.names, tuple(known.changed_at), known.transitions,
                known.last_transition, known.last_at_s, known.last_error, known.generation,
            )
            for key, known in live.machines.items()
        },
        live.connection,
        list(live.notices),
        list(live.commands),
        live.transitions,
        live.newest_number,
        [moment.number for moment in live.tail],
    )  # fmt: skip


def story(seed: int, length: int) -> list[Record]:
    """Ticks, refusals, restarts, new schemas, peers that come and go; the same seed, the same story."""
    dice = random.Random(seed)
    clocks: dict[MachineKey, tuple[int, ...]] = {}
    names = dict(NAMES)
    records: list[Record] = []
    for at in range(length):
        key = dice.choice(list(NAMES))
        what = dice.random()
        at_s = 100.0 + at + dice.choice((0, 0, 0, -30))
        if key not in clocks or what < 0.05:
            names[key] = tuple(NAMES[key]) if dice.random() < 0.7 else ("New", *NAMES[key])
            clocks[key] = (0,) * len(names[key])
            shapes = tuple(StateShape(name) for name in names[key])
            identity = f"machine-{dice.randrange(3)}"
            records.append(MachineRecord(at_s, key, identity, shapes, "first-hand", clock=clocks[key]))
        elif what < 0.1:
            known = next(r for r in reversed(records) if isinstance(r, MachineRecord) and r.key == key)
            records.append(replace(known, at_s=at_s, source=dice.choice(("stale", "hearsay")), clock=()))
        elif what < 0.15:
            records.append(PeerRecord(at_s, key.peer_id, dice.choice(("joined", "stale", "gone")), "anna"))
        elif what < 0.2:
            records.append(PeerDetailRecord(at_s, key.peer_id, round_trip_s=dice.random()))
        elif what < 0.25:
            records.append(
                dice.choice((NoticeRecord(at_s, "info", str(at)), ConnectionRecord(at_s, "joined", "t")))
            )
        else:
            before = clocks[key]
            after = list(before)
            for _ in range(dice.randrange(4)):
                after[dice.randrange(len(after))] += dice.choice((1, 1, 2, 300))
            clocks[key] = tuple(after)
            if dice.random() < 0.3:
                records.append(replace(whole(key, before, clocks[key]), at_s=at_s, accepted=dice.random() < 0.7,
                                       log=((2, f"[state] {at}"),), error="boom" if dice.random() < 0.2 else ""))  # fmt: skip
            else:
                records.append(tick(key, before, clocks[key], at_s))
    return records


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("seed", range(6))
def test_every_moment_is_what_was_live_then_also_after_reopening(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    pictures: dict[int, object] = {}
    dice = random.Random(seed)
    records = story(seed, 150)
    with History(path) as history:
        while records:
            count = dice.choice((1, 1, 1, 2, 5, 20))
            history.append(records[:count])
            del records[:count]
            history.refresh()
            pictures[history.last] = picture(history.live)
        for number, shown in [
            *pictures.items(),
            *reversed(pictures.items()),
            *dice.sample(list(pictures.items()), 20),
        ]:
            assert picture(history.at(number)) == shown
    with History.open(path) as again:
        for number, shown in pictures.items():
            assert picture(again.at(number)) == shown


@pytest.mark.usefixtures("small_blocks")
def test_pages_and_searches_give_every_record_once_across_blocks_and_classes() -> None:
    records = story(9, 300)
    with History() as history:
        for at in range(0, len(records), 7):
            history.append(records[at : at + 7])
        history.refresh()
        reader = history.cursor()
        everything = list(history.live.tail)
        forward, backward = [], []
        place = 0
        while (page := reader.page(after=place, limit=13)).moments:
            forward += page.moments
            place = page.last
        before = None
        while (page := reader.page(before=before, limit=13)).moments:
            backward[:0] = page.moments
            before = page.first
        assert forward == backward == everything
        for wanted in (
            TransitionFilter(errors=True),
            TransitionFilter(accepted=False),
            TransitionFilter(states=frozenset({"On"})),
            TransitionFilter(text="BOOM"),
            TransitionFilter(states=frozenset({"On"}), text="state] 1"),
            TransitionFilter(machines=frozenset({LAMP})),
            TransitionFilter(since_s=150.0, until_s=180.0),
            TransitionFilter(changes=False),
        ):
            expected = [m.number for m in everything if wanted.matches(m.record, m.names, m.changed)]
            assert expected
            assert reader.numbers(wanted) == expected
            assert [moment.number for moment in reader.page(wanted, limit=1_000).moments] == expected
        for moment in everything[::7]:
            assert history.moment(moment.number) == moment


def test_a_quiet_machine_keeps_its_clock_when_only_its_trust_changes(tmp_path: Path) -> None:
    """A1: known by hearsay with a clock, then first-hand, then stale, without a tick."""
    path = tmp_path / "run.db"
    hearsay = machine(DOOR, source="hearsay", clock=(5, 6))
    with History(path) as history:
        history.append([hearsay])
        history.append([replace(hearsay, source="first-hand", clock=())])
        history.append([replace(hearsay, source="stale", clock=())])
        assert [history.cursor().clock(DOOR, number) for number in (1, 2, 3)] == [(5, 6)] * 3
    with History(path) as again:
        assert again.live.machines[DOOR].clock == (5, 6)


@pytest.mark.usefixtures("small_blocks")
def test_a_clock_outlives_the_transitions_that_made_it(tmp_path: Path) -> None:
    """A2: the pump ticked once and failed; then the lamp alone fills the recording and pushes that out."""
    path = tmp_path / "run.db"
    bounds = HistorySettings(network_mb=0.01)
    with History(path, bounds) as history:
        history.append([machine(LAMP), machine(PUMP), tick(PUMP, (0, 0), (1, 1))])
        ticks = lamp_ticks(2_000)
        for start in range(0, len(ticks), 10):
            history.append(ticks[start : start + 10])
        assert history.cursor().dropped_transitions > 1_000
        first = history.first
        assert first > 1_000
        assert history.cursor().page(TransitionFilter(machines=frozenset({PUMP}))).moments == ()
        for number in (first, first + 5, history.last):
            then = history.at(number)
            assert then.moment == number
            assert then.machines[PUMP].clock == (1, 1)
            assert then.machines[PUMP].in_error
            assert then.machines[LAMP].clock == (then.machines[LAMP].transitions, 0, 0)
        assert history.at(history.last).machines[LAMP].transitions == 2_000
        oldest = history.at(5)  # stands for the oldest moment that can be told, and says which that is
        assert oldest.moment == oldest.newest_number == oldest.machines[LAMP].last_transition > 1_000
        assert oldest.machines[PUMP].clock == (1, 1)
        assert [loss.kind for _, loss in history.losses] == ["dropped"]  # said once, counted from then on
    with History(path, bounds) as again:
        assert again.live.machines[PUMP].clock == (1, 1)
        assert again.live.machines[LAMP].transitions == 2_000


@pytest.mark.usefixtures("small_blocks")
def test_machines_and_peers_are_known_at_every_kept_moment_however_much_news_came_later() -> None:
    """C7: a kept transition whose machine was not known any more."""
    with History(None, HistorySettings(others_mb=0.003, detail_mb=0.003)) as history:
        history.append(
            [PeerRecord(0, "peer-a", "joined", "anna"), machine(LAMP), tick(LAMP, (0, 0, 0), (1, 0, 0))]
        )
        for n in range(400):
            history.append([machine(DOOR, float(n), source="stale" if n % 2 else "hearsay")])
            history.append([PeerRecord(n, "peer-b", "stale" if n % 2 else "joined")])
        then = history.at(history.first)
        assert then.machines[LAMP].names == NAMES[LAMP]
        assert then.machines[LAMP].clock == (1, 0, 0)
        assert then.peers["peer-a"].record.name == "anna"


def test_old_transitions_keep_the_state_names_of_their_time() -> None:
    """A4: Alpha, Beta became New, Alpha, Beta; the old +Alpha must not become +New, live or stored."""
    old = MachineRecord(1, LAMP, "m", (StateShape("Alpha"), StateShape("Beta")), "first-hand")
    new = replace(old, states=(StateShape("New"), StateShape("Alpha"), StateShape("Beta")), clock=(0, 0, 0))
    with History() as history:
        history.append([old, tick(LAMP, (0, 0), (1, 0)), new, tick(LAMP, (0, 0, 0), (1, 0, 0))])
        fresh = history.refresh().transitions
        stored = history.cursor().page().moments
        for moments in (fresh, stored):
            assert [moment.names[moment.changed[0]] for moment in moments] == ["Alpha", "New"]
        wanted = TransitionFilter(states=frozenset({"Alpha"}))
        assert [m.number for m in fresh if wanted.matches(m.record, m.names, m.changed)] == [2]
        assert history.cursor().numbers(wanted) == [2]
        assert history.at(2).machines[LAMP].names == ("Alpha", "Beta")


def test_a_refresh_lists_all_that_came_however_much(tmp_path: Path) -> None:
    """A5: ten of one machine, then 4,000 of another in the same refresh."""
    with History() as history:
        history.append([machine(LAMP), machine(PUMP)])
        history.refresh()
        history.append([tick(PUMP, (n, 0), (n + 1, 0)) for n in range(10)] + lamp_ticks(4_000))
        changes = history.refresh()
        assert len([m for m in changes.transitions if m.record.key == PUMP]) == 10
        assert len(changes.transitions) == 4_010
        assert not changes.gap


def test_a_page_finds_the_only_match_however_far_back_it_is() -> None:
    """A6: one match 25,000 records back; a quiet machine in a busy network; a machine with two schemas."""
    with History() as history:
        history.append(
            [machine(LAMP), machine(PUMP), tick(PUMP, (0, 0), (1, 0)), machine(PUMP, clock=(1, 0))]
        )
        history.append([replace(machine(PUMP), states=(StateShape("Else"), StateShape("On")), clock=(1, 0))])
        history.append(lamp_ticks(25_000))
        reader = history.cursor()
        for wanted in (
            TransitionFilter(machines=frozenset({PUMP})),
            TransitionFilter(peers=frozenset({"peer-b"})),
        ):
            page = reader.page(wanted)
            assert [moment.number for moment in page.moments] == [3]
            assert not page.more
        assert not reader.page(TransitionFilter(text="nothing like it")).more


def test_a_search_that_nobody_waits_for_any_more_can_be_given_up() -> None:
    with History() as history:
        history.append([machine(LAMP), *lamp_ticks(10_000)])
        asked: list[int] = []

        def canceled() -> bool:
            asked.append(1)
            return len(asked) == 3

        for search in (history.cursor().numbers, history.cursor().page):
            asked.clear()
            with pytest.raises(Canceled):
                search(TransitionFilter(text="nothing like it"), canceled=canceled)  # type: ignore[operator]
            assert len(asked) == 3


def test_a_wall_clock_that_is_set_back_hides_nothing() -> None:
    """C6: after the jump back, times before it are still found, and the time bar still runs forward."""
    now = [0.0]
    with History(clock=lambda: now[0]) as history:
        history.append([machine(LAMP)])
        for at_s in (*range(1, 11), *range(3, 8)):
            now[0] += 1.0
            history.append([replace(lamp_ticks(1)[0], at_s=float(at_s))])
        assert history.number_at(2.5) == 3
        assert history.number_at(5.5) == 14  # the later of the two times it was 5 o'clock
        assert history.number_at(50.0) == 16
        assert history.number_at(0.5) == 0
        assert [bucket.records for bucket in history.density(2, 16, 3)] == [5, 5, 5]
        assert [bucket.records for bucket in history.density(2, 12, 2)] == [
            5,
            6,
        ]  # an edge belongs to the right


def test_a_step_back_finds_the_last_change_of_a_state_far_away() -> None:
    with History() as history:
        from amdbg_tui.history import Step

        history.append([machine(LAMP), machine(PUMP), tick(LAMP, (0, 0, 0), (0, 1, 0))])
        history.append([tick(LAMP, (n, 1, 0), (n + 1, 1, 0)) for n in range(5_000)])
        assert history.step(history.last, forward=False, what=Step.STATE, machine=LAMP, state="Power") == 3
        assert history.step(history.last, forward=False, what=Step.STATE, machine=PUMP, state="On") is None


def test_what_programs_tell_has_a_class_of_its_own_with_steps_log_and_arguments(tmp_path: Path) -> None:
    told = whole(LAMP, (0, 0, 0), (1, 0, 0), log=((1, "hello"),), args=(("id", "7"),), trust="program")
    path = tmp_path / "run.db"
    with History(path) as history:
        history.append([machine(LAMP, source="program"), told])
    from amdbg_tui.history.recordings import look_at

    assert look_at(path).coverage["program"].records == 1  # type: ignore[index]
    with History.open(path) as again:
        moment = again.moment(2)
        assert moment is not None
        assert isinstance(moment.record, TransitionRecord)
        assert moment.record == told


def test_a_clock_is_not_forgotten_when_its_class_is_full_before_the_first_keyframe(tmp_path: Path) -> None:
    path = tmp_path / "run.db"
    bounds = HistorySettings(network_mb=0.004)
    with History(path, bounds) as history:
        history.append([machine(LAMP), machine(PUMP), tick(PUMP, (0, 0), (1, 1))])
        for record in lamp_ticks(400):
            history.append([record])
        first = history.first
        assert 100 < first < 403
        for number in (first, history.last):
            assert history.at(number).machines[PUMP].clock == (1, 1)
    with History(path, bounds) as again:
        assert again.live.machines[PUMP].clock == (1, 1)
