"""The filter as it is typed: words and fields, understood once, then asked of every record.

    paid                     the text, in a state, handler, argument, error or log line
    !paid  -paid             records without it
    state:PaidOut            touched or called this state (a part of its name is enough)
    kind:add  by:hand        what was asked, and by whom
    is:refused  is:error     also executed, auto, check, empty, derived
    machine:lamp  peer:shop  whose record it is
    "two words"              one text

Fields and texts are combined with *and*; a field given twice means either. `✗` is short for `is:refused`, `!` alone for `is:error`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field

from amdbg_tui.history.filters import texts_of
from amdbg_tui.history.live import Moment

FIELDS = ("state", "kind", "by", "is", "machine", "peer", "arg", "handler")
IS_WORDS = ("refused", "canceled", "executed", "error", "auto", "check", "empty", "derived")
_FIELD = re.compile(r"^(!|-)?(" + "|".join(FIELDS) + r"):(.*)$")

NameOf = Callable[[Moment], tuple[str, str]]
"""(machine id, peer's name and id) of a record."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word of a filter."""

    field: str
    """Empty: a text."""
    text: str
    """Folded to lower case."""
    negated: bool = False


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """A filter, understood."""

    typed: str = ""
    terms: tuple[Term, ...] = ()
    wrong: str = ""
    """What was not understood, in words; the rest of the filter holds."""
    plain: str = field(default="", compare=False)
    """A text that every matching record contains: the history searches for it."""

    def __bool__(self) -> bool:
        return bool(self.terms)

    @property
    def lit(self) -> tuple[str, ...]:
        """Texts to show lit where they stand in a row."""
        return tuple(
            term.text for term in self.terms if term.field in ("", "state", "handler") and not term.negated
        )

    def matches(self, moment: Moment, name_of: NameOf) -> bool:
        """Whether a record passes."""
        if not self.terms:
            return True
        words = ""
        fields: dict[str, bool] = {}
        for term in self.terms:
            if not term.field:
                words = words or _words(moment)
                if (term.text in words) is term.negated:
                    return False
                continue
            found = _has(term, moment, name_of)
            if term.negated:
                if found:
                    return False
            else:
                fields[term.field] = fields.get(term.field, False) or found
        return all(fields.values())


def understand_filter(typed: str) -> RecordFilter:
    """A filter out of what was typed; never fails, but says what it did not understand."""
    try:
        parts = shlex.split(typed.replace("'", "\\'"), posix=True)
    except ValueError:  # a quote that is still open
        parts = typed.replace('"', " ").split()
    terms: list[Term] = []
    wrong = ""
    for part in parts:
        if part == "✗":
            terms.append(Term("is", "refused"))
            continue
        if part == "!":
            terms.append(Term("is", "error"))
            continue
        matched = _FIELD.match(part)
        if matched:
            negated, name, text = matched.groups()
            text = fold(text)
            if name == "is" and text and text not in IS_WORDS:
                near = [word for word in IS_WORDS if word.startswith(text)]
                if near:
                    text = near[0]
                else:
                    wrong = f"is: knows {', '.join(IS_WORDS)}"
                    continue
            if text:
                terms.append(Term(name, text, bool(negated)))
            continue
        if ":" in part and part.partition(":")[0].isalpha() and not part.partition(":")[0].startswith("http"):
            wrong = f"there is no field {part.partition(':')[0]}; known are {', '.join(FIELDS)}"
        negated = part[0] in "!-" and len(part) > 1
        terms.append(Term("", fold(part[1:] if negated else part), negated))
    plain = max((term.text for term in terms if not term.field and not term.negated), key=len, default="")
    return RecordFilter(typed.strip(), tuple(terms), wrong, plain)


def fold(text: str) -> str:
    """Upper and lower case are alike."""
    return text.lower()


def _words(moment: Moment) -> str:
    """All of a record that can be searched."""
    touched = [moment.names[at] for at in moment.changed if at < len(moment.names)]
    return fold("\n".join((*touched, *moment.record.called, *texts_of(moment.record))))


def _has(term: Term, moment: Moment, name_of: NameOf) -> bool:
    record, text = moment.record, term.text
    if term.field == "state":
        touched = [moment.names[at] for at in moment.changed if at < len(moment.names)]
        return any(text in fold(name) for name in (*touched, *record.called))
    if term.field == "kind":
        return fold(record.kind).startswith(text)
    if term.field == "by":
        by = "hand you" if record.by_hand else "auto itself" if record.auto else record.source or "program"
        return text in fold(by)
    if term.field == "machine":
        return text in fold(name_of(moment)[0])
    if term.field == "peer":
        return text in fold(name_of(moment)[1])
    if term.field == "arg":
        return any(text in fold(f"{name}={value}") for name, value in record.args)
    if term.field == "handler":
        return any(text in fold(name) for name in record.handlers)
    return _is(text, moment)


def _is(word: str, moment: Moment) -> bool:
    record = moment.record
    return {
        "refused": not record.accepted,
        "canceled": not record.accepted,
        "executed": record.accepted and not record.check,
        "auto": record.auto,
        "check": record.check,
        "derived": record.derived,
        "empty": not moment.changed,
    }.get(word, False) or (word == "error" and moment.error)
