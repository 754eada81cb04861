"""The file of a recording: an SQLite database, its tables, and opening it to write or only to read.

| table | holds |
| --- | --- |
| meta | format, program and version, topic, own peer, when it began and ended, whether in order, what was dropped |
| generations | each machine with each of its schemas |
| blocks | the records, up to some thousand of one class a row (`blocks.py`) |
| touched | which generation touched which states in which full block: where to look |
| keyframes | everything as of a record (`keyframes.py`) |

`PRAGMA user_version` is the format. Format 1 (a row a record) is read by `format_one.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

from amdbg_tui.history.records import RecordClass

APPLICATION_ID = 0x61_6D_64_62
"""Marks a SQLite file as a history ("amdb")."""
FORMAT = 2

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE generations (id INTEGER PRIMARY KEY, peer TEXT, slot INTEGER, number INTEGER, body BLOB);
CREATE TABLE blocks (
    id INTEGER PRIMARY KEY, class TEXT, first INTEGER, last INTEGER, count INTEGER, stands_for INTEGER, full INTEGER,
    at_min REAL, at_max REAL, elapsed_first INTEGER, elapsed_last INTEGER, size INTEGER, errors BLOB, refused BLOB,
    columns BLOB, bodies BLOB, words BLOB);
CREATE INDEX blocks_by_number ON blocks (class, last);
CREATE TABLE touched (
    generation INTEGER, block INTEGER, mask INTEGER, PRIMARY KEY (generation, block)) WITHOUT ROWID;
CREATE INDEX touched_by_block ON touched (block);
CREATE TABLE keyframes (number INTEGER PRIMARY KEY, data BLOB);
"""

TRANSITION_CLASSES = (RecordClass.OWN, RecordClass.TOPIC_MACHINE, RecordClass.NETWORK, RecordClass.PROGRAM)
STATE_CLASSES = (
    *TRANSITION_CLASSES,
    RecordClass.MACHINE,
    RecordClass.PEER,
    RecordClass.DETAIL,
    RecordClass.NOTICE,
)
"""Classes of which the records make up a moment."""


class HistoryError(Exception):
    """The history cannot be opened or written. The text names the file and says what to try."""


def connect(path: Path | None) -> sqlite3.Connection:
    """A connection that may write; None is in memory. Raises `sqlite3.Error`, `OSError`."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(
        path or ":memory:", check_same_thread=False, cached_statements=64, isolation_level=None
    )
    connection.execute("PRAGMA secure_delete = OFF")
    return connection


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that cannot write, also to a file that another process writes. Raises `HistoryError`."""
    if not path.is_file():
        raise HistoryError(f"there is no recording {path}" if not path.exists() else f"{path} is no file")
    url = path.absolute().as_uri()
    writable = os.access(path.parent, os.W_OK)
    ways = ("mode=ro", "mode=ro&immutable=1") if writable else ("mode=ro&immutable=1", "mode=ro")
    if not writable and path.with_name(path.name + "-wal").exists():
        ways = ("mode=ro", "mode=ro&immutable=1")
    failure: Exception | None = None
    for way in ways:
        try:
            connection = sqlite3.connect(
                f"{url}?{way}", uri=True, check_same_thread=False, isolation_level=None
            )
        except sqlite3.Error as error:
            failure = error
            continue
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except (sqlite3.Error, ValueError) as error:
            failure = error
            connection.close()
            continue
        return connection
    raise HistoryError(f"cannot read the recording {path}: {failure}")


def format_of(connection: sqlite3.Connection) -> int:
    """The format of a file; 0 when it is empty. Raises `HistoryError` when it is no history."""
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
        return 0
    if application != APPLICATION_ID:
        raise HistoryError("it is an SQLite file, but not a history of this program")
    return int(version)


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty file. Raises `sqlite3.Error`."""
    connection.executescript(
        f"BEGIN; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};{TABLES} COMMIT;"
    )


def prepare_to_write(connection: sqlite3.Connection) -> None:
    """What holds for a connection that writes. Raises `sqlite3.Error`."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")


def read_meta(connection: sqlite3.Connection) -> dict[str, Any]:
    """All of the table `meta`."""
    values: dict[str, Any] = {}
    for key, value in connection.execute("SELECT key, value FROM meta"):
        with contextlib.suppress(ValueError):
            values[key] = json.loads(value)
    return values


def write_meta(connection: sqlite3.Connection, **values: object) -> None:
    """Set some of the table `meta`."""
    connection.executemany(
        "INSERT OR REPLACE INTO meta VALUES (?, ?)",
        [(key, json.dumps(value)) for key, value in values.items()],
    )


def dropped_key(kind: RecordClass) -> str:
    """The key in `meta` of [count, last number] of what was dropped of a class."""
    return f"dropped.{kind.value}"
