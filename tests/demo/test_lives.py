"""The demo's machines live on their own, at a human pace, and react to what is done by hand."""

from __future__ import annotations

import pytest
import trio

from amdbg_tui.demo.cast import CHILD_PEERS, LIVES, OWN_MACHINES, Cast, examples
from amdbg_tui.demo.settings import DemoSettings
from ampubsub.machine import Machine, Result


def named(cast: Cast, machine_id: str) -> Machine:
    return next(machine for machine in cast.machines if machine.id == machine_id)


def test_everybody_of_the_cast_has_a_life_and_a_schema() -> None:
    playing = [name for names in CHILD_PEERS.values() for name in names] + list(OWN_MACHINES)
    assert sorted(playing) == sorted(LIVES)
    assert {path.name for path in examples().iterdir()} >= {"shop.toml", "devices.yaml", "downloads.json"}


@pytest.mark.trio
async def test_all_machines_keep_moving_for_an_hour_and_visit_all_that_happens_by_itself(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cast = Cast(list(LIVES), DemoSettings())
    before: dict[str, int] = {}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cast.live)
        for _ in range(12):
            await trio.sleep(300)
            for machine in cast.machines:
                total = machine.time().sum()
                assert total > before.get(machine.id, 0), f"{machine.id} stands still"
                before[machine.id] = total
        nursery.cancel_scope.cancel()
    by_hand = {"Paused", "Off", "Flashing", "Night"}
    for machine in cast.machines:
        never = {state for state in machine.state_names if not machine.tick(state)} - by_hand - {"Exception"}
        assert not never, f"{machine.id} never gets to {never}"


@pytest.mark.trio
async def test_the_pace_is_human(autojump_clock: trio.testing.MockClock) -> None:
    cast = Cast(list(LIVES), DemoSettings())
    with trio.move_on_after(60):
        await cast.live()
    for machine in cast.machines:
        assert machine.queue_tick < 2 * 60 * 4, f"{machine.id} is too quick to follow"


@pytest.mark.trio
async def test_an_expense_over_the_limit_is_not_approved_without_a_second_signature(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cast = Cast(OWN_MACHINES, DemoSettings())
    expense = named(cast, "expense")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cast.live)
        with trio.fail_after(600):
            await expense.when("OverLimit", "Checked")
        assert expense.add("Approved") == Result.CANCELED
        assert expense.add("SecondSignature", "Approved") == Result.CANCELED, "the signature comes first"
        assert expense.add("SecondSignature") == Result.EXECUTED
        assert expense.add("Approved") == Result.EXECUTED
        with trio.fail_after(60):
            await expense.when("PaidOut")
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_an_order_canceled_by_hand_is_not_packed(autojump_clock: trio.testing.MockClock) -> None:
    cast = Cast(CHILD_PEERS["shop"], DemoSettings())
    order = named(cast, "order")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(cast.live)
        with trio.fail_after(600):
            await order.when("Packing")
        packed = order.tick("Packed")
        order.add("Canceled")
        with trio.fail_after(60):
            await order.when("Archived")
        assert order.tick("Packed") == packed
        with trio.fail_after(60):
            await order.when("Placed")
        nursery.cancel_scope.cancel()
