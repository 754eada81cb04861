"""Looking on: tracers, steps and log lines tell what a machine did and why."""

from __future__ import annotations

from typing import Any

import pytest

from ampubsub.machine import LogLevel, Machine, MachineError, Options, State, Tracer
from ampubsub.machine.tracing import HOOKS


def everything(seen: list[str]) -> Tracer:
    """A tracer that writes down the name of every hook called."""
    hooks = {name: lambda self, *args, name=name: seen.append(name) for name in HOOKS}
    tracer: Tracer = type("Everything", (Tracer,), hooks)()
    return tracer


def test_hooks_come_in_the_order_that_is_promised() -> None:
    seen: list[str] = []
    machine = Machine(
        {"A": State(), "B": State(auto=True)},
        id="m",
        states=["A", "B", "Exception"],
        tracers=[everything(seen)],
        handlers={"AState": lambda event: None},
    )
    machine.add("A")
    machine.dispose()
    assert seen == [
        *("machine_init", "verify_states"),
        *("mutation_queued", "transition_init", "transition_start", "handler_start", "handler_end"),
        *("mutation_queued", "transition_end"),
        *("transition_init", "transition_start", "transition_end", "queue_end"),
        "machine_dispose",
    ]


def test_a_tracer_that_comes_later_sees_everything_from_then_on_and_nothing_once_detached() -> None:
    machine = Machine({"A": State()}, id="m")
    for _ in range(3):
        machine.add("A")
        machine.remove("A")
    seen: list[str] = []
    tracer = everything(seen)
    machine.bind_tracer(tracer)
    machine.add("A")
    assert seen == ["mutation_queued", "transition_init", "transition_start", "transition_end", "queue_end"]
    machine.detach_tracer(tracer)
    machine.remove("A")
    assert len(seen) == 5
    with pytest.raises(MachineError, match="tracer not bound"):
        machine.detach_tracer(tracer)


def test_steps_switched_on_at_run_time_name_relations_and_handlers() -> None:
    machine = Machine(
        {"A": State(remove=["B"]), "B": State()}, id="m", handlers={"AEnter": lambda event: True}
    )
    seen: list[Any] = []

    class Keeper(Tracer):
        def transition_end(self, transition: Any) -> None:
            seen.append(transition)

    machine.bind_tracer(Keeper())
    for _ in range(3):
        machine.set("B")
        machine.add("A")
    assert seen[-1].steps == []
    machine.options.record_steps = True
    machine.set("B")
    machine.add("A")
    assert [str(step) for step in seen[-1].steps] == [
        "called **A**",
        "activate **A**",
        "**A** remove **B**",
        "deactivate **B**",
        "handler **A**Enter",
    ]


def test_each_level_of_the_log_tells_more() -> None:
    lengths = []
    for level in LogLevel:
        lines: list[str] = []
        options = Options(log_level=level, logger=lambda level, text, lines=lines: lines.append(text))
        machine = Machine(
            {"A": State(add=["B"]), "B": State()}, id="m", options=options, handlers={"AState": print}
        )
        machine.bind_handlers({"AEnter": lambda event: event.machine.log("on\nmy way")})
        machine.add("A")
        lengths.append(len(lines))
        if level == LogLevel.EXTERNAL:
            assert lines == ["[m] [exter] on my way"]
        if level == LogLevel.CHANGES:
            assert lines == ["[m] [exter] on my way", "[m] [state] +A +B"]
    assert lengths[0] == 0
    assert lengths == sorted(lengths)
    assert lengths[-1] > lengths[2]


def test_log_lines_are_kept_with_their_transition() -> None:
    kept: list[tuple[list[Any], list[Any]]] = []

    class Keeper(Tracer):
        def transition_end(self, transition: Any) -> None:
            kept.append((transition.log_before, transition.log))

    machine = Machine(
        {"A": State()}, id="machine", tracers=[Keeper()], options=Options(log_level=LogLevel.EXTERNAL)
    )
    machine.bind_handlers({"AState": lambda event: machine.log("inside")})
    for _ in range(3):
        machine.log("before")
        machine.add("A")
        assert kept[-1] == ([(1, "[machi] [exter] before")], [(1, "[machi] [exter] inside")])
        machine.remove("A")


def test_changes_and_errors_can_be_listened_to_without_a_tracer() -> None:
    machine = Machine({"A": State()}, id="m")
    for _ in range(3):
        machine.add("A")
        machine.remove("A")
    seen: list[str] = []
    machine.on_change = lambda m, before, after: seen.append(f"{before} -> {after}")
    machine.on_error = lambda m, error: seen.append(str(error))
    machine.add("A")
    machine.add_err(ValueError("no"))
    assert seen == ["6 0 -> 7 0", "no", "7 0 -> 7 1"]
