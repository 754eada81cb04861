"""Text that came from others, made harmless before the screen's side sees it.

A peer chooses its own name, its machines' ids, state names, tags and log lines, so any of them may hold
escape sequences, bidirectional overrides, invisible characters or a megabyte of accents. Everything that
enters a record passes through here. What could move the cursor, reorder or hide text becomes one visible
glyph of one cell; lengths are bounded in terminal cells and end in an ellipsis. Markup such as `[red]` is
*not* touched, since it is honest text: widgets must be given `Text` objects, or `markup=False`.

Widths are those of `rich.cells`, which the screen draws with.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from rich.cells import get_character_cell_size

NAME_CELLS = 200
"""Longest name (peer, machine, state, tag, handler, argument name) kept, in cells."""
TEXT_CELLS = 2_000
"""Longest line of free text (log line, argument value, reason) kept, in cells."""
BLOCK_LINES = 60
"""Most lines kept of a text with several, such as a traceback."""
MARKS_PER_LETTER = 2
"""Accents shown above one another; real writing systems need no more."""

ELLIPSIS = "…"
UNSHOWABLE = "�"
"""Stands for a character that has no harmless look: invisible, unassigned, private, bidirectional."""

_CONTROL_PICTURES = {code: chr(0x2400 + code) for code in range(0x20)} | {0x7F: "\u2421"}
_BLANK_LETTERS = frozenset("\u115f\u1160\u2800\u3164\uffa0\u17b4\u17b5\u034f\u180b\u180c\u180d\u180f")
_PRESENTATION_SELECTORS = frozenset("\ufe0e\ufe0f")
_UNSHOWABLE_CATEGORIES = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def safe_text(text: object, cells: int = NAME_CELLS) -> str:
    """One harmless line of at most `cells` terminal cells; `str()` is taken of anything but a string.

    Line breaks and tabs become visible control pictures (`␊`, `␉`), so the answer never has a second line.
    """
    if not isinstance(text, str):
        text = _text_of(text)
    if len(text) <= cells and text.isascii() and text.isprintable():
        return text
    if len(text) <= NAME_CELLS:
        return _cleaned(text, cells)
    return _clean(text, cells)


def safe_block(text: object, cells: int = TEXT_CELLS, lines: int = BLOCK_LINES) -> str:
    """Like `safe_text`, but line breaks stay and tabs become blanks: for tracebacks. At most `lines` lines.

    When there are more, the middle is left out and says how many lines are missing.
    """
    if not isinstance(text, str):
        text = _text_of(text)
    text = text.replace("\r\n", "\n").rstrip()
    count = text.count("\n") + 1
    if count <= lines:
        rows = text.split("\n")
    else:
        head = max(1, lines // 3)
        tail = lines - head - 1
        rows = [*text.split("\n", head)[:head], f"{ELLIPSIS} {count - head - tail:,} lines"]
        if tail > 0:
            rows += text.rsplit("\n", tail)[-tail:]
    return "\n".join(safe_text(row[: cells * 4].expandtabs(4), cells) for row in rows)


def fit(text: str, cells: int, *, pad: bool = False) -> str:
    """A harmless line cut to `cells` terminal cells, with an ellipsis when cut; `pad` fills up."""
    wide = width(text)
    if wide > cells:
        text, wide = _cut(text, cells)
    return text + " " * (cells - wide) if pad else text


def width(text: str) -> int:
    """How many terminal cells a harmless line takes."""
    return len(text) if text.isascii() else sum(map(get_character_cell_size, text))


def short_id(peer_id: str) -> str:
    """A peer id as people tell them apart: its last 8 characters, since all begin alike: `…ab12CD34`."""
    return peer_id if len(peer_id) <= 9 else ELLIPSIS + peer_id[-8:]


def _text_of(value: object) -> str:
    try:
        return str(value)
    except Exception as error:
        return f"<{type(value).__name__} that cannot be shown: {type(error).__name__}>"


@lru_cache(maxsize=16_384)
def _cleaned(text: str, cells: int) -> str:
    return _clean(text, cells)


def _clean(text: str, cells: int) -> str:
    """Walk as far into `text` as fits; the work is bounded by `cells`, not by the length of `text`."""
    out: list[str] = []
    used = marks = 0
    has_letter = flooded = False
    budget = cells * (MARKS_PER_LETTER + 2) + 16
    for at, char in enumerate(text):
        if at >= budget:
            return _cut("".join(out) + ELLIPSIS, cells)[0] if used < cells else _ellipsed(out, cells)
        if char in _PRESENTATION_SELECTORS:
            continue
        shown = _glyph(char)
        size = get_character_cell_size(shown)
        if size == 0:
            if has_letter and marks < MARKS_PER_LETTER:
                marks += 1
                out.append(shown)
                continue
            if flooded:
                continue
            shown, size, flooded = UNSHOWABLE, 1, True
        else:
            has_letter, marks, flooded = shown != " ", 0, False
        if used + size > cells:
            return _ellipsed(out, cells)
        used += size
        out.append(shown)
    return "".join(out)


def _glyph(char: str) -> str:
    code = ord(char)
    picture = _CONTROL_PICTURES.get(code)
    if picture is not None:
        return picture
    if 0x20 <= code < 0x7F:
        return char
    category = unicodedata.category(char)
    if category == "Zs":
        return " "
    if category in _UNSHOWABLE_CATEGORIES or char in _BLANK_LETTERS or 0xE0100 <= code <= 0xE01EF:
        return UNSHOWABLE
    return char


def _ellipsed(out: list[str], cells: int) -> str:
    return _cut("".join(out) + ELLIPSIS * 2, cells)[0]


def _cut(text: str, cells: int) -> tuple[str, int]:
    """`text` cut to `cells` with an ellipsis, and its width. `text` must be wider than `cells` to be cut."""
    if cells <= 0:
        return "", 0
    used = 0
    end_keep, end_used = 0, 0
    for keep, char in enumerate(text, 1):
        size = get_character_cell_size(char)
        if used + size > cells:
            return text[:end_keep] + ELLIPSIS, end_used + 1
        used += size
        if used <= cells - 1:
            end_keep, end_used = keep, used
    return text, used
