"""Async handlers: tasks with an owner, over when their state's tick changes; and awaiting a machine under trio."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from ampubsub.machine import Context, Event, HandlerError, Machine, MachineError, MachineGoneError, State
from ampubsub.machine.trio_adapter import own

SCHEMA = {"Up": State(), "Poll": State(multi=True), "Done": State()}


class Service:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.fail = False

    async def UpState(self, event: Event) -> None:
        self.said.append("up")
        try:
            if self.fail:
                raise ValueError("no route")
            await trio.sleep(60)
            event.machine.add("Done", event=event)
        except trio.Cancelled:
            self.said.append("stopped")
            raise

    async def PollState(self, event: Event) -> None:
        number = event.args["number"]
        try:
            await trio.sleep(10)
            self.said.append(f"polled {number}")
        except trio.Cancelled:
            self.said.append(f"gave up {number}")
            raise

    async def UpEnd(self, event: Event) -> None:
        await trio.sleep(1)
        self.said.append("cleaned up")


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def machine(service: Service) -> Machine:
    return Machine(SCHEMA, id="service", handlers=service)


@pytest.mark.trio
async def test_an_async_handler_runs_beside_the_machine_and_mutates_it(
    machine: Machine, autojump_clock: trio.testing.MockClock
) -> None:
    async with own(machine):
        machine.add("Up")
        assert not machine.is_("Done")
        await machine.when("Done")
        assert machine.is_("Up", "Done")
        assert trio.current_time() == pytest.approx(60)


@pytest.mark.trio
async def test_a_task_ends_with_the_activation_it_came_with(
    machine: Machine, service: Service, autojump_clock: trio.testing.MockClock
) -> None:
    async with own(machine):
        machine.add("Up")
        await trio.testing.wait_all_tasks_blocked()
        machine.remove("Up")
        await trio.sleep(2)
    assert service.said == ["up", "stopped", "cleaned up"]
    assert not machine.is_("Done")


@pytest.mark.trio
async def test_entering_a_multi_state_again_replaces_its_task(
    machine: Machine, service: Service, autojump_clock: trio.testing.MockClock
) -> None:
    async with own(machine):
        machine.add("Poll", args={"number": 1})
        await trio.sleep(5)
        machine.add("Poll", args={"number": 2})
        await trio.sleep(20)
    assert service.said == ["gave up 1", "polled 2"]


@pytest.mark.trio
async def test_an_exception_in_a_task_becomes_the_machines(machine: Machine, service: Service) -> None:
    service.fail = True
    async with own(machine):
        machine.add("Up")
        await machine.when_err()
    assert str(machine.err) == "no route"


@pytest.mark.trio
async def test_the_end_of_the_owners_block_ends_its_tasks(
    machine: Machine, service: Service, autojump_clock: trio.testing.MockClock
) -> None:
    async with own(machine):
        machine.add("Up")
        await trio.testing.wait_all_tasks_blocked()
    assert service.said == ["up", "stopped"]
    assert trio.current_time() == pytest.approx(0)


@pytest.mark.trio
async def test_a_machine_has_one_owner_at_a_time(machine: Machine) -> None:
    async with own(machine):
        with pytest.raises(MachineError, match="service has an owner already"):
            async with own(machine):
                pass
    async with own(machine):
        pass


def test_without_an_owner_the_machine_says_what_to_do(machine: Machine) -> None:
    machine.add("Up")
    assert machine.is_err()
    assert "Service.UpState of service is async and needs an owner" in str(machine.err)
    assert "trio_adapter.own(machine)" in str(machine.err)


def test_a_handler_that_may_refuse_cannot_be_async() -> None:
    async def enter(event: Event) -> bool:
        return True

    with pytest.raises(HandlerError, match="only final handlers"):
        Machine({"A": State()}, id="m", handlers={"AEnter": enter})


@pytest.mark.trio
async def test_awaiting_a_machine_that_goes_raises_with_its_name() -> None:
    machine = Machine(SCHEMA, id="service")
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def _() -> None:
            await trio.testing.wait_all_tasks_blocked()
            machine.dispose()

        with pytest.raises(MachineGoneError, match="service"):
            await machine.when("Done")


@pytest.mark.trio
async def test_a_cancelled_await_leaves_the_wait_for_others() -> None:
    machine = Machine(SCHEMA, id="service")
    waiter = machine.when("Up")
    with trio.move_on_after(0) as scope:
        await waiter
    assert scope.cancelled_caught
    machine.add("Up")
    await waiter
    assert waiter.done


@pytest.mark.trio
async def test_a_context_can_end_with_a_trio_scope() -> None:
    machine = Machine(SCHEMA, id="service")
    context = Context()
    with trio.CancelScope() as scope:
        context.on_done(scope.cancel)
        machine.when("Up").on_done(lambda _: context.cancel())
        machine.add("Up")
        await trio.sleep_forever()
    assert scope.cancelled_caught


@pytest.mark.trio
async def test_another_thread_may_finish_what_trio_waits_for() -> None:
    machine = Machine(SCHEMA, id="service")
    waiter = machine.when("Up")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.to_thread.run_sync, lambda: machine.add("Up"))
        with trio.fail_after(30):
            await waiter
    assert machine.is_("Up")
