"""Colour themes: the bundled ones and a person's own, read from `*.toml` and checked colour by colour.

A theme file is Textual's theme (`primary`, `background`, `dark`, ...) with our roles under `[variables]`;
the name is the file's. A role that is left out takes the dark theme's colour. Textual itself does not look
at the colours before they are applied, where a bad one ends the program: so a file is either wholly good or
named with its fault.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from textual.color import Color, ColorParseError
from textual.theme import BUILTIN_THEMES, Theme

DEFAULT_THEME = "dark"
COLOUR_FIELDS = frozenset(
    [
        "primary",
        "secondary",
        "warning",
        "error",
        "success",
        "accent",
        "foreground",
        "background",
        "surface",
        "panel",
        "boost",
    ]
)
THEME_FIELDS = frozenset(field.name for field in dataclasses.fields(Theme)) - {"name"}


@dataclass(frozen=True, slots=True)
class BrokenTheme:
    """A theme file that is not used, and why."""

    path: Path
    reason: str

    def __str__(self) -> str:
        return f"theme {self.path.name} is not used: {self.reason} ({self.path})"


def bundled_folder() -> Path:
    """Where the themes are that come with the program: in the wheel inside the package, else beside it."""
    inside = Path(__file__).parent / "themes"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "themes"


def check_colour(where: str, value: object) -> None:
    """Raise `ValueError` naming `where` when `value` is not a colour Textual can apply."""
    if not isinstance(value, str):
        raise ValueError(f"{where} must be a colour in quotes, not {value!r}")
    try:
        Color.parse(value)
    except ColorParseError:
        raise ValueError(f"{where} = {value!r} is not a colour; write it like #ffd700 or gold") from None


def read_theme(path: Path) -> Theme:
    """The theme in one TOML file; raises `ValueError` or `OSError` with a text for the person who wrote
    it."""
    with path.open("rb") as file:
        table = tomllib.load(file)
    if unknown := sorted(set(table) - THEME_FIELDS):
        raise ValueError(
            f"it has no use for {', '.join(unknown)}; known are {', '.join(sorted(THEME_FIELDS))}"
        )
    if "primary" not in table:
        raise ValueError("primary is missing")
    for name in sorted(COLOUR_FIELDS & set(table)):
        check_colour(name, table[name])
    variables = table.get("variables", {})
    if not isinstance(variables, dict):
        raise ValueError("variables must be a table: [variables]")
    for name, value in variables.items():
        check_colour(f"variables.{name}", value)
    for name in ("dark", "ansi"):
        if not isinstance(table.get(name, False), bool):
            raise ValueError(f"{name} must be true or false")
    for name in ("luminosity_spread", "text_alpha"):
        if not isinstance(table.get(name, 0.5), float):
            raise ValueError(f"{name} must be a number such as 0.15")
    if table.get("ansi"):  # Textual's own style sheets name variables that only its own such themes have
        table["variables"] = {**BUILTIN_THEMES["ansi-dark"].variables, **variables}
    theme = Theme(name=path.stem, **table)
    theme.to_color_system().generate()
    return theme


def load_themes(folders: Iterable[Path]) -> tuple[dict[str, Theme], list[BrokenTheme]]:
    """All themes of the folders, later folders winning over earlier ones by name, and the files left out."""
    themes: dict[str, Theme] = {}
    broken: list[BrokenTheme] = []
    for folder in folders:
        for path in sorted(folder.glob("*.toml")) if folder.is_dir() else ():
            try:
                themes[path.stem] = read_theme(path)
            except (ValueError, OSError, TypeError) as error:
                broken.append(BrokenTheme(path, str(error) or type(error).__name__))
    return themes, broken
