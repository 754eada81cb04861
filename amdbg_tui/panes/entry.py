"""What is typed into the prompt: state names, then arguments; and how a name is completed. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from amdbg_tui.node.commands import Argument, parse_arguments

_ARGUMENT = re.compile(r"(?:^|\s)[^\s=]+=")
_MOST_CANDIDATES = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """A line, understood as far as it goes."""

    states: tuple[str, ...]
    args: tuple[tuple[str, Argument], ...]
    error: str
    """What is wrong with it, in words; empty when it can be sent."""
    word: str
    """The state name that is being typed: what completion is about."""
    word_at: int
    """Where that word begins in the text."""


def understand(text: str, names: Sequence[str]) -> Entry:
    """State names (blanks or commas between), then `key=value` arguments."""
    argument = _ARGUMENT.search(text)
    head = text[: argument.start()] if argument else text
    words = re.findall(r"[^\s,]+", head)
    word = re.search(r"[^\s,]*$", head)
    at = word.start() if word is not None and not argument else len(head)
    error = ""
    args: tuple[tuple[str, Argument], ...] = ()
    if argument:
        try:
            args = parse_arguments(text[argument.start() :])
        except ValueError as problem:
            error = str(problem)
    known = set(names)
    for name in words:
        if name not in known:
            near = difflib.get_close_matches(name, names, 1, 0.5)
            error = f"there is no state {name}" + (f"; did you mean {near[0]}?" if near else "")
            break
    if not words and not error:
        error = "type the name of a state"
    return Entry(tuple(dict.fromkeys(words)), args, error, head[at:], at)


def candidates(entry: Entry, names: Sequence[str]) -> list[str]:
    """Names that the word may become: those that begin with it, then those that contain it."""
    given = set(entry.states) - {entry.word}
    word = entry.word.casefold()
    free = [name for name in names if name not in given]
    begins = [name for name in free if name.casefold().startswith(word)]
    contains = [name for name in free if word in name.casefold() and name not in begins]
    return (begins + contains)[:_MOST_CANDIDATES]


def complete(text: str, entry: Entry, name: str) -> str:
    """The text with the word completed to `name`, ready for the next one."""
    return text[: entry.word_at] + name + " "
