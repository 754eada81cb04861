"""Watches as they are kept between runs: `watches.toml` beside the settings, one table `[[watch]]` each.

```toml
[[watch]]
expression = "lamp.On && !door.Locked"
actions = ["mark", "run"]
command = "notify-send 'the lamp'"
on = true
```
"""

from __future__ import annotations

import dataclasses
import json
import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from amdbg_tui.answers.watches import MOST_WATCHES, WatchError, WatchSettings

NAME = "watches.toml"
_KINDS: dict[str, type[Any]] = {"expression": str, "actions": list, "command": str, "on": bool}


def load_watches(path: Path) -> list[WatchSettings]:
    """The watches in a file; none when there is no such file. Raises `WatchError`, which names the watch."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise WatchError(f"cannot read the watches {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise WatchError(f"cannot read the watches {path}: it is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise WatchError(f"{path} is not TOML: {error}") from error
    listed = table.get("watch", [])
    if set(table) - {"watch"} or not isinstance(listed, list) or len(listed) > MOST_WATCHES:
        raise WatchError(f"{path} must hold tables [[watch]] only, at most {MOST_WATCHES:,}")
    return [_read(path, place, item) for place, item in enumerate(listed, 1)]


def save_watches(path: Path, watches: Iterable[WatchSettings]) -> None:
    """Write the file as a whole: it is either the old one or the new one. Raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = []
    for watch in watches:
        lines.append("[[watch]]")
        for name, value in dataclasses.asdict(watch).items():
            lines.append(f"{name} = {_written(value)}")
        lines.append("")
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.write_text("\n".join(lines), "utf-8")
    fresh.replace(path)


def _read(path: Path, place: int, item: Any) -> WatchSettings:
    where = f"{path}, watch {place}"
    if not isinstance(item, dict) or not isinstance(item.get("expression"), str):
        raise WatchError(f"{where}: an expression is missing")
    for name, value in item.items():
        if name not in _KINDS:
            raise WatchError(f"{where}: there is no {name}; known are {', '.join(_KINDS)}")
        if type(value) is not _KINDS[name] or (
            name == "actions" and not all(isinstance(each, str) for each in value)
        ):
            raise WatchError(f"{where}: {name} cannot be {value!r}")
    values = dict(item)
    if "actions" in values:
        values["actions"] = tuple(values["actions"])
    try:
        return WatchSettings(**values)
    except WatchError as error:
        raise WatchError(f"{where}: {error}") from error


def _written(value: bool | str | tuple[str, ...]) -> str:
    """A value as TOML; JSON's texts are TOML's when nothing is escaped as two halves, and DEL is escaped."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):  # a tuple is all that is left then
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return f"[{', '.join(_written(item) for item in value)}]"
