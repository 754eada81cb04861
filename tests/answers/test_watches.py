"""Watches: nothing is missed, however short; live and looking back give the same answer as looking at every record."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time

import pytest

from amdbg_tui.answers.commands import Commands
from amdbg_tui.answers.expression import Expression
from amdbg_tui.answers.grammar import ExpressionError
from amdbg_tui.answers.kept_watches import load_watches, save_watches
from amdbg_tui.answers.looking_back import Canceled, turns
from amdbg_tui.answers.watches import Hit, Watch, WatchError, Watches, WatchSettings, mark, watches_of
from amdbg_tui.history import History
from amdbg_tui.history.live import Live
from amdbg_tui.history.records import (
    MachineKey,
    MachineRecord,
    PeerDetailRecord,
    PeerRecord,
    StateShape,
    TransitionRecord,
)

LAMP = MachineKey("peer-a", 0)
EXPRESSIONS = (
    "m0.A", "m0.A && !m1.B", "any(m*).C", "all(m1).A", "tick(m2.B) > 4", "sum(m0) >= 12", "count(m1.A) == 2", "count(m1) > 1",
    "stale(m1)", "gone(peer:one)", "stale(peer:one)", "error(m2)", "error(*)", "any(#room:x).A || one/m1.B", "!m2.A", "m9.Z",
)  # fmt: skip
TIMED = ("changed(m0.A, within=700ms)", "age(m1.B) > 2s", "age(peer:one) > 3s", "age(m0) > 1s && m0.A")


def _machine(at_s, key, machine_id, states, clock, source="first-hand", tags=()):
    return MachineRecord(
        at_s, key, machine_id, tuple(StateShape(name) for name in states), source, clock=clock, tags=tags
    )


def _clock(at_s, key, before, after):
    return TransitionRecord(
        at_s, key, "", "clock", (), True, before, after, derived=True, source=key.peer_id, trust="first-hand"
    )


def _day(seed, count=400):
    """Machines that come, change, change their schema, go stale; peers that come, are renamed, leave."""
    dice, now = random.Random(seed), 1_700_000_000.0
    clocks = {}
    for _ in range(count):
        now += dice.choice([0.0, 0.01, 0.2, 1.5])
        peer = dice.choice(["p1", "p2", "p3"])
        key = MachineKey(peer, dice.randrange(2))
        what = dice.random()
        if what < 0.03:
            name = dice.choice(["one", "two"])
            yield PeerRecord(now, peer, dice.choice(["joined", "stale", "gone"]), name)
        elif what < 0.05:
            yield PeerDetailRecord(now, peer, last_heard_s=now - 0.5)
        elif what < 0.09 or key not in clocks:
            states = dice.choice([("A", "B", "C"), ("B", "A", "Exception"), ("A", "B", "C", "ErrX")])
            ticks = tuple(dice.randrange(4) for _ in states)
            clocks[key] = ticks
            machine_id = f"m{dice.randrange(3)}"
            yield _machine(
                now,
                key,
                machine_id,
                states,
                ticks,
                dice.choice(["first-hand", "stale"]),
                dice.choice([(), ("room:x",)]),
            )
        else:
            before = clocks[key]
            after = list(before)
            for _ in range(dice.choice([0, 1, 1, 2])):
                after[dice.randrange(len(after))] += dice.randint(1, 2)
            clocks[key] = tuple(after)
            yield _clock(now, key, before, tuple(after))


def _by_looking_at_all(history, text):
    """What a person with patience finds."""
    expression, shadow = Expression(text), Live()
    shadow.is_recording = True
    was = expression.is_true(shadow)
    found = [(0, True)] if was else []
    for entry in history.cursor().entries(0, history.last):
        shadow.apply((entry,))
        answer = expression.is_true(shadow)
        if answer is not was:
            found.append((entry.number, answer))
            was = answer
    return found


@pytest.fixture(params=[1, 2, 3, 4])
def history(request):
    with History(None) as history:
        history.append(_day(request.param))
        history.refresh()
        yield history


def test_looking_back_finds_every_turn(history) -> None:
    some = 0
    for text in EXPRESSIONS:
        found = [(turn.number, turn.is_true) for turn in turns(history, Expression(text))]
        assert found == _by_looking_at_all(history, text), text
        some += len(found)
    assert some > 50


def test_watches_fed_record_by_record_hit_where_it_became_true(history) -> None:
    entries = history.cursor().entries(0, history.last)
    watches = Watches(Live())
    for text in EXPRESSIONS:
        watches.add(WatchSettings(text))
    begun = [watch for watch in watches.watches if watch.expression.is_true(Live())]
    hits: list[Hit] = []
    for at in range(0, len(entries), 37):
        hits += watches.feed(entries[at : at + 37])
    for watch in watches.watches:
        expected = [
            number for number, answer in _by_looking_at_all(history, watch.settings.expression) if answer
        ]
        found = [hit.number for hit in hits if hit.watch is watch]
        if watch in begun:  # what was so from the beginning is no hit
            expected = expected[1:]
        assert found == expected, watch.settings.expression
        assert watch.hits == len(found)


def test_looking_back_sees_spans_end_between_records(history) -> None:
    for text in TIMED:
        expression = Expression(text)
        found = list(turns(history, expression))
        assert [turn.is_true for turn in found] == [at % 2 == 0 for at in range(len(found))], text
        for number, answer in _by_looking_at_all(history, text):
            state = [turn.is_true for turn in found if turn.number < number or (turn.number == number)]
            assert state, text
            assert answer in state[-2:], (text, number)


def test_a_span_ends_at_its_time_not_at_the_next_record() -> None:
    with History(None) as history:
        start = 1_700_000_000.0
        history.append([_machine(start, LAMP, "lamp", ("On",), (0,)), _clock(start + 1, LAMP, (0,), (1,))])
        history.append([PeerRecord(start + 100, "peer-a", "joined", "a")])
        found = [
            (turn.number, round(turn.at_s - start, 2), turn.is_true)
            for turn in turns(history, Expression("changed(lamp.On, within=5s)"))
        ]
        assert found == [(2, 1.0, True), (2, 6.0, False)]


def test_a_search_is_given_up_when_told_to(history) -> None:
    with pytest.raises(Canceled):
        list(turns(history, Expression("m0.A"), canceled=lambda: True))


def test_a_part_of_a_recording_is_looked_through(history) -> None:
    middle = history.last // 2
    text = "m0.A || m1.A"
    all_of_it = _by_looking_at_all(history, text)
    part = [(turn.number, turn.is_true) for turn in turns(history, Expression(text), first=middle)]
    later = [pair for pair in all_of_it if pair[0] >= middle]
    assert part[len(part) - len(later) :] == later
    assert len(part) - len(later) in (0, 1)


def _lamp_watches(*settings):
    live = Live()
    with History(None) as history:
        history.append(
            [PeerRecord(1.0, "peer-a", "joined", "a"), _machine(1.0, LAMP, "lamp", ("On", "Hot"), (0, 0))]
        )
        history.refresh()
        live = history.live.copy()
    from amdbg_tui.history.moments import Numbering

    numbering = Numbering()
    numbering.take(
        [PeerRecord(1.0, "peer-a", "joined", "a"), _machine(1.0, LAMP, "lamp", ("On", "Hot"), (0, 0))]
    )
    seen: list[Hit] = []
    watches = Watches(live, seen.append, most_hits=3)
    for each in settings:
        watches.add(each)

    def go(*ticks):
        before = go.clock
        entries = []
        for after in ticks:
            entries += numbering.take([_clock(2.0, LAMP, before, after)])
            before = after
        go.clock = before
        return watches.feed(entries)

    go.clock = (0, 0)
    return watches, go, seen


def test_a_state_that_lasts_one_record_within_a_batch_is_a_hit() -> None:
    watches, go, seen = _lamp_watches(WatchSettings("lamp.On"))
    hits = go((1, 0), (2, 0))
    assert [hit.number for hit in hits] == [3]
    assert seen == hits
    assert not watches.watches[0].is_true
    assert watches.watches[0].last_number == 3


def test_what_is_true_when_a_watch_begins_is_no_hit() -> None:
    watches, go, _ = _lamp_watches()
    go((1, 0))
    watch = watches.add(WatchSettings("lamp.On"))
    assert go((1, 1)) == []
    assert watch.is_true
    assert len(go((2, 1), (3, 1))) == 1


def test_hits_are_bounded_and_counted() -> None:
    watches, go, _ = _lamp_watches(WatchSettings("lamp.On"))
    go(*[(tick, 0) for tick in range(1, 21)])
    assert len(watches.hits) == 3
    assert watches.watches[0].hits == 10


def test_a_watch_that_is_off_ended_or_changed_no_longer_hits() -> None:
    watches, go, _ = _lamp_watches(
        WatchSettings("lamp.On", on=False), WatchSettings("lamp.On"), WatchSettings("lamp.On")
    )
    _, ended, changed = watches.watches
    watches.end(ended)
    watches.change(changed, WatchSettings("lamp.Hot"))
    with pytest.raises(ExpressionError):
        watches.change(changed, WatchSettings("lamp."))
    hits = go((1, 0), (1, 1))
    assert [(hit.watch, hit.number) for hit in hits] == [(changed, 4)]


def test_a_hit_is_marked_on_the_timeline_but_not_for_ever(history) -> None:
    watches = Watches(Live())
    watch = watches.add(WatchSettings("m0.A || !m0.A"))
    hit = Hit(watch, 5, 1.0)
    watch.hits = 1
    assert mark(history, hit)
    assert [(note.number, note.text) for note in history.bookmarks] == [(5, "watch: m0.A || !m0.A")]
    watch.hits = 101
    assert not mark(history, hit._replace(number=6))
    assert len(history.bookmarks) == 1


def test_time_alone_turns_a_watch(monkeypatch) -> None:
    watches, go, _ = _lamp_watches(WatchSettings("age(lamp.On) > 5s"))
    now = 2.0
    monkeypatch.setattr(time, "time", lambda: now)
    assert go((1, 0)) == []
    assert watches.look_at_time() == []
    now = 8.0
    assert [hit.at_s for hit in watches.look_at_time()] == [8.0]
    assert watches.look_at_time() == []


def test_watches_are_kept_and_read_again(tmp_path) -> None:
    path = tmp_path / "config" / "watches.toml"
    assert load_watches(path) == []
    kept = [
        WatchSettings("lamp.On"),
        WatchSettings(
            '"a b".On || x.Y', ("mark", "run", "ring"), 'notify-send "it\'s \\ é \x7f\n"', on=False
        ),
    ]
    save_watches(path, kept)
    assert load_watches(path) == kept
    watches = Watches(Live())
    assert watches_of([*kept, WatchSettings("broken &")], watches) == {
        "broken &": "write &&, not &, at character 8 of 'broken &'"
    }
    assert len(watches.watches) == 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[watch]]\nexpression = 3", "watch 1: an expression is missing"),
        ("[[watch]]\nexpression = 'a.B'\nnoise = 1", "there is no noise"),
        ("[[watch]]\nexpression = 'a.B'\nactions = ['shout']", "there is no action 'shout'"),
        ("[[watch]]\nexpression = 'a.B'\nactions = ['run']", "names it"),
        ("[[watch]]\nexpression = 'a.B'\non = 'yes'", "on cannot be 'yes'"),
        ("watch = 1", "tables [[watch]] only"),
        ("[[", "is not TOML"),
    ],
)
def test_kept_watches_that_cannot_be_say_which_and_why(tmp_path, text, words) -> None:
    path = tmp_path / "watches.toml"
    path.write_text(text)
    with pytest.raises(WatchError) as caught:
        load_watches(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def _hit(command, number=7):
    return Hit(Watch(WatchSettings("lamp.On", ("run",), command), Expression("lamp.On")), number, 2.5)


def test_a_command_is_told_by_its_environment(tmp_path) -> None:
    out, said, over = tmp_path / "out", [], threading.Event()
    commands = Commands(lambda text: (said.append(text), over.set()))
    script = 'echo "$AMPUBSUB_RECORD $AMPUBSUB_AT $AMPUBSUB_EXPRESSION" > ' + f"'{out}'; exit 3"
    assert commands.run(_hit(script))
    assert over.wait(20)
    commands.close()
    assert out.read_text() == "7 2.500 lamp.On\n"
    assert "status 3" in said[0]


def test_commands_are_few_at_a_time_end_in_time_and_end_with_the_program() -> None:
    said, over = [], threading.Event()
    commands = Commands(lambda text: (said.append(text), over.set()), most=1, longest_s=0.1)
    assert commands.run(_hit(f"{sys.executable} -c 'import time; time.sleep(60)'"))
    assert not commands.run(_hit("true"))
    assert commands.not_run == 1
    assert over.wait(20)
    assert "ran longer" in said[0]
    commands = Commands(said.append)
    commands.run(_hit("exec sleep 60"))
    (process,) = commands._running
    commands.close()
    assert isinstance(process, subprocess.Popen)
    assert process.poll() is not None
    assert not commands.run(_hit("true"))
