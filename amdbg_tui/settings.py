"""What a person may set (TOML), and where everything lives: one owner of every path.

A settings file holds any part of this; whatever is left out has the default of the dataclass:

    theme = "dark"
    mouse = true
    [keys]              # the name of an action in amdbg_tui/keymap.py, and the keys for it
    "app.quit" = "ctrl+q,f10"
    [history]
    network_mb = 200
    [peer]
    name = "anna"
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

PROGRAM = "ampubsub-tui"
Table = TypeVar("Table")


class SettingsError(Exception):
    """A settings file that cannot be used. The text names the file, the key, and what is allowed."""


def _at_least(least: float, default: Any) -> Any:
    """A number with a lower bound."""
    return field(default=default, metadata={"least": least})


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """How much of what happened is kept, and how it is written. Table `[history]`."""

    in_memory: bool = False
    """Keep the history in memory only, not in a file of the state folder."""
    own_mb: float = _at_least(0, 96.0)
    """Megabytes kept of what our own machines did, with steps and log; the oldest goes first. Each class of records
    has a bound of its own, so that none pushes out another."""
    topic_machine_mb: float = _at_least(0, 16.0)
    """... of what the peers' own topic machines did."""
    network_mb: float = _at_least(0, 96.0)
    """... of clock changes of others' machines, about 30 bytes each."""
    program_mb: float = _at_least(0, 64.0)
    """... of what programs told by am-dbg's telemetry."""
    message_mb: float = _at_least(0, 16.0)
    """... of messages with their bytes."""
    detail_mb: float = _at_least(0, 16.0)
    """... of peers' figures, which come once a second."""
    others_mb: float = _at_least(0, 8.0)
    """... of each other class: machines and their schemas, peers, notices and commands, losses."""
    files: int = _at_least(0, 5)
    """Recordings of earlier runs kept in the state folder; pinned ones and runs of a few seconds do not count."""
    files_mb: float = _at_least(0, 2_000.0)
    """Megabytes that they may take together."""
    waiting: int = _at_least(1, 50_000)
    """Records that may wait to be written (large ones count as several). Beyond it, clock changes of one machine are
    merged into one."""
    behind: int = _at_least(1, 50_000)
    """Records the screen may be behind. Beyond it, clock changes of one machine are merged into one for it."""
    batch: int = _at_least(1, 2_000)
    """Most records written at once."""
    interval_s: float = field(default=0.02, metadata={"most": 10.0})
    """Least time between two writes, in seconds."""

    def bytes_of(self, kind: str) -> int:
        """The bound in bytes of a class of records (`RecordClass`)."""
        return int(getattr(self, f"{kind}_mb", self.others_mb) * 1_000_000)


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """Our own peer, for what the command line leaves open. Table `[peer]`."""

    name: str = ""
    """How others may call us."""
    listen: tuple[str, ...] = ()
    """Addresses to listen at, such as `/ip4/0.0.0.0/udp/41007/quic-v1`."""
    silent: bool = False
    """Only listen, say nothing: for networks whose peers must not be disturbed."""
    detail_interval_s: float = 1.0
    """How often the figures of peers (round trip, counters) are looked at."""
    topics_patience_s: float = 5.0
    """How long to wait for a dialled peer to say which topics it takes part in."""
    leave_timeout_s: float = 3.0
    """How long saying bye and closing connections may take."""


@dataclass(frozen=True, slots=True)
class DiscoverySettings:
    """How others are found without an address. Table `[discovery]`."""

    mdns: bool = False
    """`join` and `peer` announce themselves on this network and look for others, as if `--mdns` was given."""
    interfaces: tuple[str, ...] = ()
    """IPv4 addresses of the interfaces on which mDNS is spoken; none: all. `127.0.0.1` stays on this machine."""
    service: str = "_p2p._udp.local."
    """The mDNS service: that of libp2p. Another one finds only peers that use it, too."""
    bootstrap: tuple[str, ...] = ()
    """Addresses, or files of addresses, that are tried each time."""
    book: bool = True
    """Keep an address book of each topic: those who were met, for the next time."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    theme: str = "dark"
    """A file name in the themes folder, without `.toml`."""
    mouse: bool = True
    keys: Mapping[str, str] = field(default_factory=dict)
    """Table `[keys]`: action to keys, separated by commas."""
    history: HistorySettings = HistorySettings()
    peer: PeerSettings = PeerSettings()
    discovery: DiscoverySettings = DiscoverySettings()


@dataclass(frozen=True)
class Locations:
    """Where files live. `Locations()` follows the system's customs (on Linux the XDG folders)."""

    config: Path = field(default_factory=lambda: _folder("user_config_dir"))
    state: Path = field(default_factory=lambda: _folder("user_state_dir"))

    @property
    def settings_file(self) -> Path:
        """The person's settings; need not exist."""
        return self.config / "settings.toml"

    @property
    def themes(self) -> Path:
        """The person's own themes, `NAME.toml` each; need not exist."""
        return self.config / "themes"

    @cached_property
    def bundled_themes(self) -> Path:
        """Themes that come with the program: inside the installed package, or beside it in a checkout."""
        inside = Path(__file__).parent / "themes"
        return inside if inside.is_dir() else Path(__file__).parent.parent / "themes"

    @property
    def history(self) -> Path:
        """Folder of history files, one for each run."""
        return self.state / "history"

    @property
    def books(self) -> Path:
        """Folder of address books, one for each topic."""
        return self.state / "peers"

    @property
    def crashes(self) -> Path:
        """Folder of crash reports."""
        return self.state / "crashes"

    def theme_names(self) -> list[str]:
        """Names of all themes, bundled and own, whether they are sound or not."""
        folders = (self.bundled_themes, self.themes)
        return sorted({path.stem for folder in folders if folder.is_dir() for path in folder.glob("*.toml")})


def _folder(kind: str) -> Path:
    import platformdirs

    return Path(getattr(platformdirs, kind)(PROGRAM, appauthor=False))


def load_settings(path: Path) -> Settings:
    """The settings in a file; the defaults when there is no such file. Raises `SettingsError`."""
    try:
        text = path.read_text("utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Settings()  # a folder that cannot be there (HOME=/dev/null) holds no settings
    except OSError as error:
        raise SettingsError(f"cannot read the settings {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"cannot read the settings {path}: it is not UTF-8 text") from error
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not TOML: {error}") from error
    try:
        return _read(Settings, table, "")
    except ValueError as error:
        raise SettingsError(f"{path}: {error}") from error


def _read(kind: type[Table], table: Mapping[str, Any], prefix: str) -> Table:
    """A dataclass out of a TOML table. Raises `ValueError` naming the key."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name not in hints:
            near = difflib.get_close_matches(name, hints, 1)
            known = f"did you mean {prefix}{near[0]}?" if near else f"known are {', '.join(hints)}"
            raise ValueError(f"there is no setting {prefix}{name}; {known}")
        values[name] = _checked(hints[name], value, prefix + name)
        _within(kind, name, values[name], prefix + name)
    return kind(**values)


def _within(kind: type[Any], name: str, value: Any, key: str) -> None:
    """Bounds that a field names in its metadata."""
    bounds: Mapping[str, Any] = next(
        (one.metadata for one in dataclasses.fields(kind) if one.name == name), {}
    )
    if "least" in bounds and value < bounds["least"]:
        raise ValueError(f"{key} must be at least {bounds['least']}, not {value}")
    if "most" in bounds and value > bounds["most"]:
        raise ValueError(f"{key} must be at most {bounds['most']}, not {value}")


def _checked(hint: Any, value: Any, key: str) -> Any:
    if dataclasses.is_dataclass(hint) or hint == Mapping[str, str]:
        if not isinstance(value, dict):
            raise ValueError(f"{key} must be a table, [{key}], not {value!r}")
        if isinstance(hint, type):
            return _read(hint, value, key + ".")
        return {name: _checked(str, keys, f"{key}.{name}") for name, keys in value.items()}
    if hint == tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f'{key} must be a list of texts, ["...", "..."], not {value!r}')
        return tuple(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not hint:
        words = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}
        raise ValueError(f"{key} must be {words[hint]}, not {value!r}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key} must be a number one can wait for, not {value}")
    if isinstance(value, int | float) and not isinstance(value, bool) and value < 0:
        raise ValueError(f"{key} must not be less than 0, as {value} is")
    return value
