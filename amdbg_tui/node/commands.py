"""What the screen may ask of the peer, and the answers: small values that cross between the two threads.

A command goes to `Node.call`, which answers with a future. Names in a command are those on the screen (made
harmless); the node finds the real ones. Nothing here knows of the network, so prompts can use it freely.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from amdbg_tui.history.records import MachineKey, StepRecord

Argument = bool | int | float | str | None
MUTATIONS = ("add", "remove", "set", "toggle")


class CommandError(Exception):
    """The peer cannot do it. The text says why and what to do instead."""


@dataclass(frozen=True, slots=True)
class Mutate:
    """Change an own machine. Answer: `Outcome`."""

    key: MachineKey
    kind: str
    """add, remove, set or toggle."""
    states: tuple[str, ...]
    args: tuple[tuple[str, Argument], ...] = ()


@dataclass(frozen=True, slots=True)
class Preview:
    """What relations would make of a mutation, without touching anything. Answer: `Forecast`."""

    key: MachineKey
    kind: str
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """Tell, with a notice, when all these states of any machine are active together. Answer: None."""

    key: MachineKey
    states: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Connect:
    """Dial an address that ends in /p2p/PEERID. Answer: the peer id."""

    address: str


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close all connections to a peer and do not dial it again. Answer: None."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class Mute:
    """Take no news from a peer. Answer: None."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class Unmute:
    """Take news from a peer again. Answer: None."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class CutOff:
    """Close all connections to a peer and let it in no more. Answer: None."""

    peer_id: str


@dataclass(frozen=True, slots=True)
class PickTopic:
    """Join this one of the topics that were offered. Answer: None."""

    topic: str


Command = Mutate | Preview | Watch | Connect | Disconnect | Mute | Unmute | CutOff | PickTopic


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a mutation."""

    result: str
    """executed, canceled or queued."""
    reason: str = ""
    """Why it was canceled or queued, in words."""
    transition_id: str = ""
    """Of the transition that ran; empty when queued."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a mutation would do, as far as relations decide. Handlers may still refuse."""

    accepted: bool
    activates: tuple[str, ...] = ()
    """States that would become active (a Multi state that is active already, too)."""
    deactivates: tuple[str, ...] = ()
    reason: str = ""
    """Why it would be canceled, in words; or that it would change nothing."""
    steps: tuple[StepRecord, ...] = ()


_PAIR = re.compile(r"""([^\s=]+)=("(?:[^"\\]|\\.)*"|'[^']*'|\S*)\s*""")
_WORDS = {"true": True, "false": False, "null": None, "none": None}


def parse_arguments(text: str) -> tuple[tuple[str, Argument], ...]:
    """Typed arguments out of `key=value key2="two words"`.

    A value is true, false, null, a whole number, a number with a point, a string in quotes, or else the
    text as it stands. Raises `ValueError` saying what is wrong.
    """
    found: dict[str, Argument] = {}
    rest = text.strip()
    while rest:
        match = _PAIR.match(rest)
        if match is None:
            word = rest.split()[0]
            raise ValueError(f"“{word}” is no argument: write it as key=value")
        name, value = match.groups()
        if name in found:
            raise ValueError(f"argument {name} is given twice")
        found[name] = _value(value)
        rest = rest[match.end() :]
    return tuple(found.items())


def _value(text: str) -> Argument:
    if text.startswith('"') and text.endswith('"') and len(text) > 1:
        try:
            return str(json.loads(text))
        except ValueError:
            return text[1:-1]
    if text.startswith("'") and text.endswith("'") and len(text) > 1:
        return text[1:-1]
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    for number in (int, float):
        if re.fullmatch(r"[-+]?[0-9][0-9_]*(\.[0-9]*)?([eE][-+]?[0-9]+)?", text):
            try:
                return number(text)
            except ValueError:
                continue
    return text
