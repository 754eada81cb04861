"""The grammar of expressions: text in, a tree out; errors point at the place.

```
expression  = all { "||" all }
all         = part { "&&" part }
part        = "!" part | "(" expression ")" | comparison | fact
comparison  = number ( "==" | "!=" | ">=" | "<=" | ">" | "<" ) NUMBER
number      = "tick" "(" machine "." STATE ")"        the state's tick
            | "sum" "(" machine ")"                   the sum of a machine's ticks
            | "age" "(" target ")"                    seconds since the last change
            | "count" "(" machine [ "." STATE ] ")"   machines, or those in which the state is active
fact        = machine "." STATE                       the state is active in any such machine
            | "any" "(" machine ")" "." STATE         the same
            | "all" "(" machine ")" "." STATE         in all such machines, of which there is at least one
            | "stale" "(" target ")" | "gone" "(" target ")" | "error" "(" machine ")"
            | "changed" "(" machine [ "." STATE ] "," "within" "=" DURATION ")"
target      = "peer:" NAME | machine
machine     = [ PEER "/" ] ID | "#" TAG | "*"
```
Names are letters, digits, `_`, `-`, `:` and `*` as the rest of a name; anything else stands in double quotes. A peer is
named by its name or by the end of its id. Durations: `500ms`, `5s`, `2m`, `1h`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

LONGEST = 2_000
"""Characters of an expression."""
DEEPEST = 32
"""Brackets and negations within each other."""

NUMBERS = ("tick", "sum", "age", "count")
FACTS = ("any", "all", "stale", "gone", "error", "changed")


class ExpressionError(ValueError):
    """An expression that cannot be read. `str` is one line; `pointed` shows the place below the text."""

    def __init__(self, text: str, position: int, problem: str) -> None:
        super().__init__(f"{problem}, at character {position + 1} of {text!r}")
        self.text, self.position, self.problem = text, position, problem

    @property
    def pointed(self) -> str:
        """The text, and below it a caret and the problem."""
        return f"{self.text}\n{' ' * self.position}^ {self.problem}"


@dataclass(frozen=True, slots=True)
class Target:
    """Which machines, or which peer, are meant."""

    peer: str = ""
    """A peer's name or the end of its id; empty for any."""
    machine: str = ""
    """A machine's id; empty when the peer itself is meant; a `*` at its end stands for the rest."""
    tag: str = ""
    state: str = ""
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that is so or not: `kind` is `active`, `all`, `stale`, `gone`, `error` or `changed`."""

    kind: str
    target: Target
    within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """A number compared with another."""

    number: str
    target: Target
    operator: str
    value: float


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    inner: Node


@dataclass(frozen=True, slots=True)
class Both:
    """All of several."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of several."""

    parts: tuple[Node, ...]


Node = Fact | Comparison | Not | Both | Either

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<quoted>"(?:[^"\\]|\\.)*")
      | (?P<duration>\d+(?:\.\d+)?(?:ms|s|m|h)\b)
      | (?P<operator>\|\||&&|[=!<>]=|[!<>().,=/\#])
      | (?P<name>[\w:*-]+)
    )""",
    re.VERBOSE,
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_COMPARISONS = ("==", "!=", ">=", "<=", ">", "<")
_END = "the end"


def parse(text: str) -> Node:
    """The tree of an expression. Raises `ExpressionError`."""
    if len(text) > LONGEST:
        raise ExpressionError(text[:60], 0, f"an expression of {len(text)} characters; at most {LONGEST}")
    parser = _Parser(text)
    node = parser.expression()
    if parser.kind != _END:
        parser.fail(f"{parser.shown} is one too many: write && or || between two facts")
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.kind, self.value, self.position = "", "", 0
        self._next = 0
        self._depth = 0
        self.advance()

    # -- tokens

    def advance(self) -> None:
        """Go on to the next token."""
        text, start = self.text, self._next
        while start < len(text) and text[start].isspace():
            start += 1
        self.position = start
        if start == len(text):
            self.kind, self.value, self._next = _END, "", start
            return
        match = _TOKEN.match(text, start)
        if match is None:
            if text[start] == '"':
                self.fail("a quotation mark without its partner")
            if text[start] in "&|":
                self.fail(f"write {text[start] * 2}, not {text[start]}")
            self.fail(f"{text[start]!r} means nothing here; names with such characters stand in quotes")
        self.kind = match.lastgroup or ""
        self.value = match[self.kind]
        if self.kind == "quoted":
            self.value = re.sub(r"\\(.)", r"\1", self.value[1:-1])
        self._next = match.end()

    @property
    def shown(self) -> str:
        """The token at hand, as a person calls it."""
        return _END if self.kind == _END else repr(self.value)

    def fail(self, problem: str, position: int | None = None) -> NoReturn:
        """Give up at the token at hand."""
        raise ExpressionError(self.text, self.position if position is None else position, problem)

    def at(self, *operators: str) -> bool:
        """Whether one of these operators is at hand."""
        return self.kind == "operator" and self.value in operators

    def take(self, operator: str, where: str) -> None:
        """There must be this operator."""
        if not self.at(operator):
            self.fail(f"{operator!r} is missing {where}; found {self.shown}")
        self.advance()

    def name(self, what: str) -> str:
        """There must be a name."""
        if self.kind not in ("name", "quoted", "duration"):
            self.fail(f"{what} is missing; found {self.shown}")
        value = self.value
        if not value:
            self.fail(f"{what} is empty")
        self.advance()
        return value

    # -- rules

    def expression(self) -> Node:
        """`all { "||" all }`"""
        parts = [self._all()]
        while self.at("||"):
            self.advance()
            parts.append(self._all())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _all(self) -> Node:
        parts = [self._part()]
        while self.at("&&"):
            self.advance()
            parts.append(self._part())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _part(self) -> Node:
        self._depth += 1
        if self._depth > DEEPEST:
            self.fail(f"more than {DEEPEST} brackets and negations within each other")
        try:
            if self.at("!"):
                self.advance()
                return Not(self._part())
            if self.at("("):
                self.advance()
                inner = self.expression()
                self.take(")", "to close the bracket")
                return inner
            return self._word()
        finally:
            self._depth -= 1

    def _word(self) -> Node:
        if self.kind == _END:
            self.fail("a fact is missing, such as lamp.On")
        word, start, plain = self.value, self.position, self.kind == "name"
        if plain and word in (*NUMBERS, *FACTS) and self._bracket_follows():
            self.advance()
            self.advance()
            return self._comparison(word) if word in NUMBERS else self._fact(word)
        if plain and self._bracket_follows():
            known = ", ".join((*NUMBERS, *FACTS))
            self.fail(f"there is no {word}(...); there are {known}", start)
        return Fact("active", self._with_state(self._machine()))

    def _bracket_follows(self) -> bool:
        return self.text[self._next :].lstrip().startswith("(")

    def _comparison(self, number: str) -> Comparison:
        target = self._machine_or_peer() if number == "age" else self._machine()
        if number == "tick" or (number in ("count", "age") and self.at(".")):
            target = self._with_state(target)
        self.take(")", f"after what {number} is of")
        if not self.at(*_COMPARISONS):
            self.fail(f"{number}(...) is a number: compare it, as in {number}(...) > 3")
        operator = self.value
        self.advance()
        return Comparison(number, target, operator, self._number())

    def _number(self) -> float:
        if self.kind == "duration":
            return self._duration()
        text = self.value
        if self.kind != "name" or not text.isdigit():
            self.fail(f"a number is missing; found {self.shown}")
        self.advance()
        return float(text)

    def _fact(self, word: str) -> Fact:
        if word in ("any", "all"):
            target = self._machine()
            self.take(")", "after the machines")
            return Fact("active" if word == "any" else "all", self._with_state(target))
        if word in ("stale", "gone"):
            target = self._machine_or_peer()
            self.take(")", f"after who is {word}")
            return Fact(word, target)
        target = self._machine()
        if word == "error":
            self.take(")", "after the machine")
            return Fact("error", target)
        if self.at("."):
            target = self._with_state(target)
        self.take(",", "before within=5s")
        start = self.position
        if self.name("within=") != "within":
            self.fail("write within=, as in changed(lamp.On, within=5s)", start)
        self.take("=", "after within")
        if self.kind != "duration":
            self.fail(f"a duration is missing, such as 500ms, 5s, 2m or 1h; found {self.shown}")
        within_s = self._duration()
        self.take(")", "after the duration")
        return Fact("changed", target, within_s)

    def _duration(self) -> float:
        unit = "ms" if self.value.endswith("ms") else self.value[-1]
        value = float(self.value[: -len(unit)]) * _UNITS[unit]
        self.advance()
        return value

    def _machine_or_peer(self) -> Target:
        if self.kind == "name" and self.value.startswith("peer:"):
            start, name = self.position, self.value.removeprefix("peer:")
            self.advance()
            return Target(peer=name or self.name("the peer's name"), position=start)
        return self._machine()

    def _machine(self) -> Target:
        start = self.position
        if self.at("#"):
            self.advance()
            return Target(tag=self.name("the tag"), position=start)
        name = self.name("a machine's id")
        if not self.at("/"):
            return Target(machine=name, position=start)
        self.advance()
        return Target(peer=name, machine=self.name("a machine's id"), position=start)

    def _with_state(self, target: Target) -> Target:
        if not self.at("."):
            self.fail(
                f"a state is missing: write {target.machine or '#' + target.tag}.STATE; found {self.shown}"
            )
        self.advance()
        state = self.name("the state's name")
        return Target(target.peer, target.machine, target.tag, state, target.position)
