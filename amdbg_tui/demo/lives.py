"""What makes the demo's machines move: async handlers that wait a while and go on.

A handler's task ends when its state does, so whoever adds or removes a state by hand changes the course of
things: cancel an order and nobody packs it; press the button at the crossing and the light turns red sooner.
"""

from __future__ import annotations

from amdbg_tui.demo.settings import Dice
from ampubsub.machine import Event, Machine


class Life:
    """Handlers of one machine, with its dice and the machines beside it."""

    first = ""
    """The state that sets it going."""

    def __init__(self, dice: Dice, machines: dict[str, Machine]) -> None:
        self.dice = dice
        self.machines = machines

    def begin(self, machine: Machine) -> None:
        """Set it going."""
        machine.add(self.first)


class OrderLife(Life):
    """From placed to delivered, with payment declined, missing stock and a late carrier now and then."""

    first = "Placed"

    async def PlacedState(self, event: Event) -> None:
        """Ask for the money and look into the stock."""
        await self.dice.pause(0.5)
        self.machines["payment"].add("Authorizing")
        await self.dice.pause()
        event.machine.add("InStock")

    async def PackingState(self, event: Event) -> None:
        """Pack."""
        await self.dice.pause()
        event.machine.add("Packed")

    async def PackedState(self, event: Event) -> None:
        """Hand over to the carrier."""
        await self.dice.pause()
        event.machine.add("Shipped")

    async def ShippedState(self, event: Event) -> None:
        """Wait for the carrier, who fails one time in four."""
        await self.dice.pause()
        if self.dice.chance(0.25):
            event.machine.add_err_state("ErrCarrier", ConnectionError("the carrier missed the pick-up"))
            await self.dice.pause()
            event.machine.remove("ErrCarrier", "Exception")
            await self.dice.pause(0.5)
        event.machine.add("Delivered")

    async def DeliveredState(self, event: Event) -> None:
        """Be done with it."""
        await self.dice.pause(1.5)
        event.machine.add("Archived")

    async def CanceledState(self, event: Event) -> None:
        """Be done with it, sadly."""
        await self.dice.pause(1.5)
        event.machine.add("Archived")

    async def ArchivedState(self, event: Event) -> None:
        """The next order comes."""
        await self.dice.pause()
        event.machine.add("Placed")


class PaymentLife(Life):
    """Says yes to most orders."""

    first = "Idle"

    async def AuthorizingState(self, event: Event) -> None:
        """Decide, and tell the order."""
        await self.dice.pause()
        event.machine.add("Declined" if self.dice.chance(0.15) else "Captured")

    async def CapturedState(self, event: Event) -> None:
        """The order is paid."""
        self.machines["order"].add("Paid")
        await self.dice.pause()
        event.machine.remove("Captured", "Audited")

    async def DeclinedState(self, event: Event) -> None:
        """The order is off."""
        self.machines["order"].add("Canceled")
        await self.dice.pause()
        event.machine.remove("Declined")


class DownloadLife(Life):
    """A download that loses its connection, tries again up to three times, and starts over at the end."""

    first = "Queued"

    def __init__(self, dice: Dice, machines: dict[str, Machine]) -> None:
        super().__init__(dice, machines)
        self.attempts = 0

    def begin(self, machine: Machine) -> None:
        """Queued is active already; being added again, it starts."""
        machine.remove(self.first)
        machine.add(self.first)

    async def QueuedState(self, event: Event) -> None:
        """Wait for a turn."""
        self.attempts = 0
        await self.dice.pause()
        event.machine.add("Connecting")

    async def ConnectingState(self, event: Event) -> None:
        """Connect, which works most of the time."""
        await self.dice.pause(0.6)
        if self.dice.chance(0.3):
            self._lost(event.machine, "connection refused")
        else:
            event.machine.add("Downloading")

    async def DownloadingState(self, event: Event) -> None:
        """Four parts; each may be the last for now."""
        for _ in range(4):
            await self.dice.pause(0.5)
            if self.dice.chance(0.1):
                self._lost(event.machine, "connection reset by peer")
                return
            event.machine.add("Progress")
        event.machine.add("Verifying")

    def _lost(self, machine: Machine, why: str) -> None:
        self.attempts += 1
        machine.add_err_state("ErrNetwork", ConnectionError(why))
        if self.attempts > 3:
            machine.add("Failed")
        else:
            machine.add("Waiting", "Retrying")

    async def WaitingState(self, event: Event) -> None:
        """Back off, longer each time, then connect again."""
        await self.dice.pause(0.5 * self.attempts)
        event.machine.remove("ErrNetwork", "Exception")
        event.machine.add("Connecting")

    async def WaitingEnd(self, event: Event) -> None:
        """A retry is over when the waiting is."""
        event.machine.remove("Retrying")

    async def VerifyingState(self, event: Event) -> None:
        """Check what came."""
        await self.dice.pause(0.6)
        event.machine.add("Done")

    async def DoneState(self, event: Event) -> None:
        """The next file comes."""
        await self.dice.pause(2)
        event.machine.add("Queued")

    async def FailedState(self, event: Event) -> None:
        """Somebody looks at it, and queues it again."""
        await self.dice.pause(2)
        event.machine.remove("ErrNetwork", "Exception")
        event.machine.add("Queued")


class TrafficLightLife(Life):
    """Red, red and amber, green, amber; flashing at night; red sooner when somebody wants to walk."""

    first = "Green"

    async def RedState(self, event: Event) -> None:
        """Let people walk, then cars."""
        walk = self.machines["walk-light"]
        if walk.is_("Requested"):
            walk.add("Walk")
        await self.dice.pause(1.5)
        walk.add("Stop")
        event.machine.add("Flashing" if event.machine.is_("Night") else "RedAmber")

    async def RedAmberState(self, event: Event) -> None:
        """Get ready."""
        await self.dice.pause(0.4)
        event.machine.add("Green")

    async def GreenState(self, event: Event) -> None:
        """Let cars go; shorter when the button is pressed."""
        await self.dice.pause()
        if not self.machines["walk-light"].is_("Requested"):
            await self.dice.pause()
        event.machine.add("Amber")

    async def AmberState(self, event: Event) -> None:
        """Stop if you can."""
        await self.dice.pause(0.4)
        event.machine.add("Red")

    async def FlashingState(self, event: Event) -> None:
        """Flash until the night is over."""
        await self.dice.pause(0.4)
        event.machine.add("Flashing" if event.machine.is_("Night") else "Red")

    async def PowerState(self, event: Event) -> None:
        """After a power cut: red first."""
        await self.dice.pause(0.4)
        if event.machine.not_("Red", "Green", "Amber", "RedAmber", "Flashing"):
            event.machine.add("Red")


class WalkLightLife(Life):
    """People come and press the button, some more than once."""

    first = "Stop"

    def begin(self, machine: Machine) -> None:
        """Stop is active already; being added again, it starts."""
        machine.remove(self.first)
        machine.add(self.first)

    async def StopState(self, event: Event) -> None:
        """Somebody presses the button after a while, and again while waiting."""
        while True:
            await self.dice.pause(2)
            event.machine.add("Pressed")


class SensorLife(Life):
    """Measures, drifts from cold to hot, fails now and then, is calibrated when it does."""

    first = "Measuring"

    async def MeasuringState(self, event: Event) -> None:
        """One reading; the next one follows."""
        await self.dice.pause(0.5)
        machine = event.machine
        if self.dice.chance(0.08):
            machine.add_err_state("ErrSensor", OSError("sensor bus: no answer within 200 ms"))
            machine.add("Calibrating")
            return
        if self.dice.chance(0.4):
            machine.add(("Cold", "Normal", "Hot")[self.dice.chance(0.6) + self.dice.chance(0.3)])
        machine.add("Measuring")

    async def AlarmState(self, event: Event) -> None:
        """Somebody comes and acknowledges."""
        await self.dice.pause(1.5)
        event.machine.add("Acknowledged")

    async def AcknowledgedState(self, event: Event) -> None:
        """The next alarm is a new one."""
        await self.dice.pause()
        event.machine.remove("Acknowledged")

    async def CalibratingState(self, event: Event) -> None:
        """Calibrate, which mends it."""
        await self.dice.pause()
        event.machine.remove("ErrSensor", "Exception", "Calibrating")
        event.machine.add("Measuring")

    async def OffState(self, event: Event) -> None:
        """Somebody switches it on again."""
        await self.dice.pause(2)
        event.machine.add("On")

    async def OnState(self, event: Event) -> None:
        """A sensor that is on measures."""
        await self.dice.pause(0.3)
        event.machine.add("Normal", "Measuring")


class ExpenseLife(Life):
    """An expense that waits for a person: add Approved or Rejected; after a while a deputy decides."""

    first = "Draft"

    def begin(self, machine: Machine) -> None:
        """Draft is active already; being added again, it starts."""
        machine.remove(self.first)
        machine.add(self.first)

    async def DraftState(self, event: Event) -> None:
        """Somebody hands it in."""
        await self.dice.pause(2)
        event.machine.add("Submitted")

    async def CheckingState(self, event: Event) -> None:
        """Compare it with the receipts."""
        await self.dice.pause()
        if self.dice.chance(0.3):
            event.machine.add("OverLimit")
        event.machine.add("Checked")

    def ApprovedEnter(self, event: Event) -> bool:
        """A large one needs a second signature first."""
        return event.machine.not_("OverLimit") or event.machine.is_("SecondSignature")

    async def CheckedState(self, event: Event) -> None:
        """Wait for the person; remind them; then the deputy decides."""
        for _ in range(3):
            await self.dice.pause(1.5)
            event.machine.add("Reminder")
        if event.machine.is_("OverLimit"):
            event.machine.add("SecondSignature")
            await self.dice.pause(0.5)
        event.machine.add("Approved" if self.dice.chance(0.8) else "Rejected")

    async def ApprovedState(self, event: Event) -> None:
        """The money goes out."""
        await self.dice.pause()
        event.machine.add("PaidOut")

    async def PaidOutState(self, event: Event) -> None:
        """The next one comes."""
        await self.dice.pause(1.5)
        self._next(event.machine)

    async def RejectedState(self, event: Event) -> None:
        """The next one comes."""
        await self.dice.pause(1.5)
        self._next(event.machine)

    def _next(self, machine: Machine) -> None:
        machine.remove(
            "Submitted", "Checked", "OverLimit", "SecondSignature", "Approved", "PaidOut", "Rejected"
        )
        machine.add("Draft")
