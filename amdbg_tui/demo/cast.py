"""Who takes part in the demo: each peer's name, and its machines with the life that moves them.

The schemas are the files in `examples/`, which the wheel carries as `amdbg_tui/examples`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from amdbg_tui.demo import lives
from amdbg_tui.demo.settings import DemoSettings, Dice
from ampubsub.schema_files import load_machines

LIVES: dict[str, type[lives.Life]] = {
    "order": lives.OrderLife,
    "payment": lives.PaymentLife,
    "download-alpine": lives.DownloadLife,
    "download-debian": lives.DownloadLife,
    "traffic-light": lives.TrafficLightLife,
    "walk-light": lives.WalkLightLife,
    "boiler-sensor": lives.SensorLife,
    "expense": lives.ExpenseLife,
}

CHILD_PEERS: dict[str, tuple[str, ...]] = {
    "shop": ("order", "payment"),
    "downloads": ("download-alpine", "download-debian"),
    "crossing": ("traffic-light", "walk-light"),
    "boiler": ("boiler-sensor",),
}
"""The peers of the child process, the root excepted: name to machines."""

OWN_PEER = "office"
"""The person's own peer."""

OWN_MACHINES = ("expense",)

ROOT = "root"

FILES = ("shop.toml", "downloads.json", "devices.yaml", "expenses.toml")


def examples() -> Path:
    """The folder of the example schemas: inside of the package, or the repository's own."""
    package = Path(__file__).parents[1]
    shipped = package / "examples"
    return shipped if shipped.is_dir() else package.parent / "examples"


class Cast:
    """Machines that live once they have an owner: `async with own(*cast.machines): cast.begin()`."""

    def __init__(self, names: Sequence[str], settings: DemoSettings) -> None:
        files = (examples() / file for file in FILES)
        loaded = {machine.id: machine for file in files for machine in load_machines(str(file))}
        self.machines = tuple(loaded[name] for name in names)
        self._lives = {name: LIVES[name](Dice(settings, name), loaded) for name in names}
        for machine in self.machines:
            machine.bind_handlers(self._lives[machine.id])
            machine.release()

    def begin(self) -> None:
        """Set every machine going. Call it in the thread that is to own them."""
        for machine in self.machines:
            self._lives[machine.id].begin(machine)

    async def live(self) -> None:
        """Own the machines and let them live until cancelled."""
        import trio

        from ampubsub.machine.trio_adapter import own

        async with own(*self.machines):
            self.begin()
            await trio.sleep_forever()


def own_cast(settings: DemoSettings | None = None) -> Cast:
    """The machines of the person's own peer."""
    return Cast(OWN_MACHINES, settings or DemoSettings())
