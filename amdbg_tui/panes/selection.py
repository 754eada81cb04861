"""What the person looks at: one machine, state, record, peer and moment for all panes, and its address.

The address can be copied, sent to somebody else, pasted and given on the command line:

    mach://PEER/MACHINE[/RECORD[/STEP]][?at=NUMBER&group=GROUP&ht=TIME&state=STATE]

`PEER` is a peer id, its end, or a name; `RECORD` a number of the recording. `at` is the moment when it is not that of the
record, `ht` its wall-clock time (ISO 8601, UTC): what counts in another recording of the same network.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, quote, unquote

from amdbg_tui.history.live import Live
from amdbg_tui.history.records import MachineKey

SCHEME = "mach://"
LEAST_PEER_END = 4
"""Letters of a peer id's end that are enough to name it."""


class AddressError(Exception):
    """A `mach://` address that leads nowhere; the text says why."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Values only: equal ones are equal, and can be gone back to."""

    machine: MachineKey | None = None
    peer_id: str = ""
    """Of the machine, or of the peer that is looked at as a whole."""
    state: str = ""
    record: int = 0
    """Number of the record that *why* speaks of; 0: none was chosen."""
    step: int = 0
    """A step inside that record, from 1 on; 0: the record as a whole."""
    moment: int | None = None
    """Everything is shown as of this record; None: now."""


@dataclass(frozen=True, slots=True)
class Address:
    """A parsed `mach://` address: names as they were written, not yet looked for."""

    peer: str
    machine: str = ""
    record: int = 0
    step: int = 0
    moment: int | None = None
    wall_s: float | None = None
    state: str = ""
    group: str = ""


def address_of(chosen: Selection, now: Live, *, group: str = "", wall_s: float | None = None) -> str:
    """The whole address of a selection."""
    text = SCHEME + quote(chosen.peer_id, safe="")
    machine = now.machines.get(chosen.machine) if chosen.machine is not None else None
    if machine is not None:
        text += "/" + quote(machine.record.machine_id, safe="")
        if chosen.record and chosen.moment is not None:
            text += f"/{chosen.record}" + (f"/{chosen.step}" if chosen.step else "")
    query = []
    if chosen.moment is not None and chosen.moment != chosen.record:
        query.append(f"at={chosen.moment}")
    if group:
        query.append(f"group={quote(group, safe='')}")
    if wall_s is not None and chosen.moment is not None:
        query.append(
            "ht=" + datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")[:-6] + "Z"
        )
    if chosen.state:
        query.append(f"state={quote(chosen.state, safe='')}")
    return text + ("?" + "&".join(query) if query else "")


def parse_address(text: str) -> Address:
    """An address as it was written. Raises `AddressError`."""
    text = text.strip()
    if not text.startswith(SCHEME):
        raise AddressError(f"an address begins with {SCHEME}PEER/MACHINE")
    path, _, query = text.removeprefix(SCHEME).partition("?")
    parts = [unquote(part) for part in path.split("/")]
    values = {name: found[-1] for name, found in parse_qs(query).items()}
    if not parts[0]:
        raise AddressError("the address names no peer")
    return Address(
        parts[0],
        parts[1] if len(parts) > 1 else "",
        _whole("record", parts[2]) if len(parts) > 2 and parts[2] else 0,
        _whole("step", parts[3]) if len(parts) > 3 and parts[3] else 0,
        _whole("at", values["at"]) if "at" in values else None,
        _wall(values["ht"]) if "ht" in values else None,
        values.get("state", ""),
        values.get("group", ""),
    )


def find(address: Address, now: Live) -> Selection:
    """What an address means among the peers and machines there are. Raises `AddressError`."""
    wanted = address.peer
    found = [
        peer_id
        for peer_id, peer in now.peers.items()
        if peer_id == wanted
        or peer.record.name == wanted
        or (len(wanted.lstrip("…")) >= LEAST_PEER_END and peer_id.endswith(wanted.lstrip("…")))
    ]
    if not found:
        raise AddressError(f"there is no peer {wanted} here")
    if wanted in found:
        found = [wanted]
    keys = [
        machine.key
        for peer_id in found
        for machine in now.machines_of(peer_id)
        if machine.record.machine_id == address.machine
    ]
    if address.machine and not keys:
        raise AddressError(f"peer {wanted} has no machine {address.machine} here")
    if len(keys) > 1 or (not keys and len(found) > 1):
        raise AddressError(f"several peers are called {wanted}: write the end of the peer's id")
    key = keys[0] if keys else None
    moment = address.moment if address.moment is not None else address.record or None
    return Selection(
        key, key.peer_id if key is not None else found[0], address.state, address.record, address.step, moment
    )


def _whole(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > 18:
        raise AddressError(f"{name} must be a whole number, not {text}")
    return int(text)


def _wall(text: str) -> float:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise AddressError(f"{text} is no time such as 2026-01-31T16:58:28.174Z") from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
