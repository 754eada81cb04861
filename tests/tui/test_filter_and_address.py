"""The filter as it is typed, and the address of what one looks at: pure, without a screen."""

from __future__ import annotations

import pytest

from amdbg_tui.history.moments import Generation, Moment
from amdbg_tui.history.records import MachineKey, MachineRecord, StateShape, TransitionRecord
from amdbg_tui.panes.record_filter import understand_filter
from amdbg_tui.panes.selection import AddressError, Selection, address_of, find, parse_address
from tests.tui.fixed_history import LIGHT, ORDER, US, fixed_history

KEY = MachineKey("peer-1", 0)
GENERATION = Generation(
    1, MachineRecord(0.0, KEY, "order", (StateShape("Paid"), StateShape("Sent")), "local")
)


def moment(**fields: object) -> Moment:
    values: dict[str, object] = {
        "at_s": 0.0, "key": KEY, "transition_id": "1", "kind": "add", "called": ("Paid",), "accepted": True,
        "before": (0, 0), "after": (1, 0), "args": (("n", "3"),), "handlers": ("PaidEnter",),
    }  # fmt: skip
    record = TransitionRecord(**{**values, **fields})  # type: ignore[arg-type]
    changed = tuple(at for at in range(2) if record.before[at] != record.after[at])
    return Moment(1, record, changed, GENERATION)


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("", True),
        ("paid", True),
        ("!paid", False),
        ("-sent", True),
        ("state:pai", True),
        ("state:sent", False),
        ("state:sent state:paid", True),
        ("!state:paid", False),
        ("kind:add", True),
        ("kind:remove", False),
        ("by:hand", False),
        ("is:refused", False),
        ("is:ref", False),
        ("is:executed", True),
        ("✗", False),
        ("!", False),
        ("machine:ord", True),
        ("peer:peer-1", True),
        ("arg:n=3", True),
        ("handler:enter", True),
        ("handler:exit", False),
        ('"n=3"', True),
        ("paid handler:exit", False),
        ('"open quote', False),
    ],
)
def test_words_and_fields_must_all_hold(typed: str, found: bool) -> None:
    wanted = understand_filter(typed)
    assert wanted.matches(moment(), lambda _: ("order", "shop peer-1")) is found


def test_refused_and_by_hand_are_told_by_fields() -> None:
    refused = moment(accepted=False, after=(0, 0), by_hand=True)
    for typed in ("is:refused", "✗", "by:hand", "is:empty", "by:hand !is:executed"):
        assert understand_filter(typed).matches(refused, lambda _: ("", "")), typed


def test_what_is_not_understood_is_said_and_the_rest_holds() -> None:
    wanted = understand_filter("sate:x paid")
    assert "there is no field sate; known are state" in wanted.wrong
    assert understand_filter("is:blue").wrong.startswith("is: knows refused")


def test_the_history_searches_for_the_longest_plain_text_only() -> None:
    assert understand_filter("ab abcd !abcdef state:abcdefgh").plain == "abcd"


def test_an_address_is_written_and_read_back() -> None:
    live = fixed_history().live
    chosen = Selection(ORDER, US, "Packed", 223, 4, 223)
    text = address_of(chosen, live, group="phase", wall_s=1_782_000_000.5)
    assert text == f"mach://{US}/order-4711/223/4?group=phase&ht=2026-06-21T00:00:00.500Z&state=Packed"
    address = parse_address(text)
    assert find(address, live) == chosen
    assert (address.group, address.wall_s) == ("phase", 1_782_000_000.5)
    assert find(parse_address("mach://street/TrafficLight?at=7"), live) == Selection(
        LIGHT, LIGHT.peer_id, "", 0, 0, 7
    )
    assert find(parse_address(f"mach://{US[-8:]}"), live).peer_id == US


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("http://x", "begins with mach://"),
        ("mach://", "names no peer"),
        ("mach://nobody/x", "no peer nobody"),
        ("mach://street/lamp", "has no machine lamp"),
        ("mach://street/TrafficLight/x1", "record must be a whole number"),
        ("mach://street/TrafficLight?ht=noon", "noon is no time"),
    ],
)
def test_an_address_that_leads_nowhere_says_why(text: str, words: str) -> None:
    with pytest.raises(AddressError, match=words):
        find(parse_address(text), fixed_history().live)
