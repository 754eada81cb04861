"""From words like `active bold on lit` to terminal styles: how rows name their colours.

A row is a list of spans `(text, look)`. A look is words: a role of the theme (`active`, `grey`, ...),
attributes (`bold`, `underline`, `italic`, `strike`, `reverse`) and `on ROLE` for the background. One
`Paint` belongs to one theme; a new theme makes a new `Paint`, and whoever cached by the old one sees that
it is another object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from rich.cells import cell_len, set_cell_size
from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

Span = tuple[str, str]
Row = list[Span]

ROLES: Mapping[str, str] = {
    "plain": "text-plain",
    "bright": "text-bright",
    "grey": "text-grey",
    "faint": "text-faint",
    "active": "state-active",
    "multi": "state-multi",
    "inactive": "state-inactive",
    "error": "state-error",
    "recent": "state-error-recent",
    "hearsay": "trust-hearsay",
    "stale": "trust-stale",
    "own": "own",
    "cursor": "cursor",
    "blurred": "cursor-blurred",
    "lit": "lit",
    "glow": "glow",
    "fading": "glow-fading",
    "executed": "gutter-executed",
    "queued": "gutter-queued",
    "canceled": "gutter-canceled",
    "empty": "gutter-empty",
    "bar": "bar",
    "ground": "background",
    "focus": "frame-focused",
    "frame": "frame",
}
STANDS_FOR = {"cursor": "reverse", "blurred": "bold", "lit": "underline", "glow": "reverse", "fading": "bold"}
"""What a background becomes without colours."""
_PIECES = re.compile(r"\s*\S+|\s+")
ATTRIBUTES = frozenset({"bold", "underline", "italic", "strike", "reverse"})


class Paint:
    """The styles of one theme, by look; every look is made once."""

    def __init__(self, variables: Mapping[str, str], *, attributes_only: bool = False) -> None:
        """`variables` are the theme's, as Textual gives them to its style sheets.

        With `attributes_only` backgrounds are told by reversing, underlining and bold letters: for
        terminals of sixteen colours, whose backgrounds may be anything, and for none at all.
        """
        self._attributes_only = attributes_only
        self._colours = {role: self._colour(variables.get(name, "")) for role, name in ROLES.items()}
        self._styles: dict[str, Style] = {}

    @staticmethod
    def _colour(value: str) -> RichColor | None:
        if not value or value == "ansi_default":
            return None
        return Color.parse(value).rich_color

    def style(self, look: str) -> Style:
        """The style of a look; an unknown word is a `KeyError`, because looks are written by us."""
        style = self._styles.get(look)
        if style is None:
            style = self._styles[look] = self._make(look)
        return style

    def _make(self, look: str) -> Style:
        words = look.split()
        background = None
        if "on" in words:
            at = len(words) - 1 - words[::-1].index("on")
            background = self._colours[words[at + 1]]
        colour = self._colours["plain"]
        attributes: dict[str, bool] = {}
        skip = False
        for word in words:
            if skip or word == "on":
                skip = not skip
            elif word in ATTRIBUTES:
                attributes[word] = True
            else:
                colour = self._colours[word]
        if self._attributes_only and "on" in words:
            ground, background = words[at + 1], None
            if ground in STANDS_FOR:
                attributes[STANDS_FOR[ground]] = True
            if STANDS_FOR.get(ground) == "reverse":
                colour = None
        return Style(color=colour, bgcolor=background, **attributes)  # type: ignore[arg-type]

    def segments(self, row: Iterable[Span], over: str = "") -> list[Segment]:
        """The row as terminal segments; `over` (`on cursor`, ...) wins over each span's own background."""
        if over:
            return [Segment(text, self.style(f"{look} {over}")) for text, look in row if text]
        return [Segment(text, self.style(look)) for text, look in row if text]


def width_of(row: Iterable[Span]) -> int:
    """Cells a row takes on the terminal."""
    return sum(cell_len(text) for text, _ in row)


def clip(text: str, width: int) -> str:
    """The text in at most `width` cells, its cut end marked with `…`."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)).rstrip() + "…" if width > 0 else ""


def pad(text: str, width: int) -> str:
    """The text in exactly `width` cells: cut with `…` or filled with blanks."""
    text = clip(text, width)
    return text + " " * (width - cell_len(text))


def text_of(row: Iterable[Span]) -> str:
    """A row without its looks, as it is copied."""
    return "".join(text for text, _ in row).rstrip()


def wrap(row: Iterable[Span], width: int, indent: str = "") -> list[Row]:
    """A row broken at blanks into rows of at most `width` cells; the second and later begin with `indent`."""
    rows: list[Row] = [[]]
    used = 0
    for text, look in row:
        for piece in _PIECES.findall(text):
            cells = cell_len(piece)
            if used + cell_len(piece.rstrip()) > width and used > len(indent):
                rows.append([(indent, look)] if indent else [])
                used = len(indent)
                piece = piece.lstrip()
                cells = cell_len(piece)
            while cells > width - used and width > used:
                head, piece = _split(piece, width - used)
                if not head:
                    break
                rows[-1].append((head, look))
                rows.append([(indent, look)] if indent else [])
                used = len(indent)
                cells = cell_len(piece)
            if piece:
                rows[-1].append((piece, look))
                used += cells
    return rows


def _split(text: str, width: int) -> tuple[str, str]:
    """The first `width` cells of a text, and the rest."""
    cells = 0
    for place, character in enumerate(text):
        cells += cell_len(character)
        if cells > width:
            return text[:place], text[place:]
    return text, ""
