"""Mutations on the standard input of `ampubsub-tui peer`: one answer a line, whatever comes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from amdbg_tui.node.commands import CommandError
from amdbg_tui.peer_input import LONGEST_LINE, Typed, carry_out, lines, parse_line
from ampubsub import Machine, State

EXAMPLES = Path(__file__).parents[2] / "examples"


def _lamp(**options):
    return Machine(
        {"On": State(require=["Power"]), "Power": State(), "Hot": State(auto=True, require=["On"])},
        id="lamp", states=["On", "Power", "Hot", "Exception"], **options,
    )  # fmt: skip


def test_a_line_is_a_mutation_a_machine_states_and_arguments() -> None:
    assert parse_line('add lamp On Power On brightness=3 by="the cook" dim=true\n') == Typed(
        "add", "lamp", ("On", "Power"), {"brightness": 3, "by": "the cook", "dim": True}
    )
    assert parse_line("set lamp") == Typed("set", "lamp", (), {})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("light lamp On", "begins with add, remove, set, toggle, not 'light'"),
        ("x=1", "begins with"),
        ("add", "a machine is missing"),
        ("add lamp", "a state is missing"),
        ("add lamp On a=1 b", "is no argument"),
        ("add lamp On a=1 a=2", "given twice"),
    ],
)
def test_a_line_that_cannot_be_read_says_what_is_wrong(text, words) -> None:
    with pytest.raises(CommandError) as caught:
        parse_line(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_answer_tells_the_result_and_what_changed() -> None:
    seen = {}

    def power(event):
        seen.update(event.args)

    lamp = _lamp(handlers={"PowerState": power})
    exposed = {0: _lamp(), 3: lamp}
    answer = carry_out({3: lamp}, "me", parse_line("add lamp On Power watt=40"))
    assert answer == {
        "machine_id": "lamp", "index": 3, "mutation": "add", "states": ["On", "Power"], "result": "executed", "reason": "",
        "entered": ["On", "Power", "Hot"], "exited": [], "active": ["On", "Power", "Hot"],
    }  # fmt: skip
    assert seen["watt"] == 40
    answer = carry_out(exposed, "me", parse_line("toggle 3 Power"))
    assert (answer["result"], answer["exited"]) == ("executed", ["On", "Power", "Hot"])
    answer = carry_out(exposed, "me", parse_line("add 3 On"))
    assert (answer["result"], answer["reason"]) == ("canceled", "On requires Power")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("add door On", "has no machine 'door' of its own; it has lamp, lamp"),
        ("add lamp On", "2 machines have the id 'lamp': name one by its index: 0, 3"),
        ("add 0 Off", "lamp has no state 'Off'; it has On, Power, Hot"),
        ("add 7 On", "has no machine '7'"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_happens(text, words) -> None:
    exposed = {0: _lamp(), 3: _lamp()}
    with pytest.raises(CommandError) as caught:
        carry_out(exposed, "me", parse_line(text))
    assert words in str(caught.value)
    assert not any(machine.active_states() for machine in exposed.values())


def _read(data: bytes) -> list[tuple[int, str | None]]:
    reading, writing = os.pipe()

    async def main() -> list[tuple[int, str | None]]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, _write, writing, data)
            return [pair async for pair in lines(reading)]
        raise AssertionError

    try:
        return trio.run(main)
    finally:
        os.close(reading)


def _write(descriptor: int, data: bytes) -> None:
    try:
        while data:
            data = data[os.write(descriptor, data[:50_000]) :]
    finally:
        os.close(descriptor)


def test_lines_come_one_by_one_and_too_long_ones_are_none() -> None:
    long = b"x" * (LONGEST_LINE * 2 + 17)
    assert _read(b"one\n\xff two\n" + long + b"\nlast") == [(1, "one"), (2, "� two"), (3, None), (4, "last")]
    assert _read(b"") == []
    assert _read(b"one\n") == [(1, "one")]


def test_no_input_at_all_is_no_error() -> None:
    async def main() -> list[tuple[int, str | None]]:
        return [pair async for pair in lines(987)]

    assert trio.run(main) == []


@pytest.mark.network
@pytest.mark.timeout(120)
def test_a_process_answers_each_line_and_ends_in_order() -> None:
    command = [sys.executable, "-c", "from amdbg_tui.cli import main; main()", "peer"]
    options = [
        "--topic",
        "shop",
        "--expose",
        str(EXAMPLES / "shop.toml"),
        "--listen",
        "/ip4/127.0.0.1/udp/0/quic-v1",
    ]
    process = subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(
            "# a comment\n\nadd order Nonsense\nadd nobody On\nlight\nadd order Paid\nadd order Placed Paid\n"
        )
        process.stdin.flush()
        answers = []
        for text in process.stdout:
            told = json.loads(text)
            if told["event"] == "answer":
                answers.append(told)
            if len(answers) == 5:
                break
        assert [answer["line"] for answer in answers] == [3, 4, 5, 6, 7]
        assert [answer["result"] for answer in answers] == ["wrong", "wrong", "wrong", "canceled", "executed"]
        assert answers[3]["reason"] == "Paid requires Placed"
        assert answers[4]["entered"] == ["Placed", "Paid"]
        assert "order has no state 'Nonsense'" in answers[0]["reason"]
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.communicate(timeout=10)
