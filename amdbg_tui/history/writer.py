"""Writing records to SQLite, in batches, by one thread; and dropping the oldest beyond the bound.

Every record gets the next number, whatever its kind, so a number is a moment of the whole history. A
transition keeps its machine's whole clock before and after, hence a machine's clock at any moment is that
of its last transition up to then: travelling in time needs no replay. A machine with its schema is one row
of `machines` for as long as the schema stays; a new schema is a new row, so old transitions keep their
state names.

Many rows go into one statement: each step of a statement gives the interpreter's lock away, and beside a busy
screen it comes back only after a switch interval.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from amdbg_tui.history.encoding import dump, load, pack_clock
from amdbg_tui.history.filters import changed_states, flags_of, words_of
from amdbg_tui.history.live import Numbered
from amdbg_tui.history.records import (
    CommandRecord,
    ConnectionRecord,
    LossRecord,
    MachineKey,
    MachineRecord,
    MessageRecord,
    NoticeRecord,
    PeerDetailRecord,
    PeerRecord,
    Record,
    StateShape,
    TransitionRecord,
)
from amdbg_tui.settings import HistorySettings

APPLICATION_ID = 0x61_6D_64_62
"""Marks a SQLite file as a history ("amdb")."""
FORMAT = 1

TABLES = """
CREATE TABLE machines (id INTEGER PRIMARY KEY, peer TEXT, slot INTEGER, number INTEGER, body TEXT);
CREATE INDEX machines_by_key ON machines (peer, slot);
CREATE TABLE tellers (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE transitions (
    number INTEGER PRIMARY KEY, at REAL, machine INTEGER, kind TEXT, flags INTEGER, trust TEXT, teller
    INTEGER, words TEXT, before BLOB, after BLOB, body TEXT);
CREATE INDEX transitions_by_machine ON transitions (machine);
CREATE TABLE others (
    number INTEGER PRIMARY KEY, type TEXT, at REAL, peer TEXT, slot INTEGER, machine INTEGER, body TEXT);
CREATE INDEX others_by_key ON others (type, peer, slot);
CREATE INDEX others_by_type ON others (type);
"""

OTHER_TYPES: dict[type, str] = {
    PeerRecord: "peer",
    PeerDetailRecord: "detail",
    MachineRecord: "machine",
    NoticeRecord: "notice",
    CommandRecord: "command",
    ConnectionRecord: "connection",
    MessageRecord: "message",
    LossRecord: "loss",
}
DETAIL = OTHER_TYPES[PeerDetailRecord]
Row = tuple[object, ...]


class HistoryError(Exception):
    """The history cannot be opened or written. The text names the file and says what to try."""


@dataclass(slots=True)
class Generation:
    """A machine with one schema: a row of the table `machines`."""

    id: int
    record: MachineRecord
    names: tuple[str, ...]
    transitions: int = 0
    """How many were written, dropped ones included."""


class Writer:
    """Owns the connection that writes. Not safe for threads: the history holds a lock around each call."""

    def __init__(self, connection: sqlite3.Connection, settings: HistorySettings) -> None:
        self.connection = connection
        self.settings = settings
        self.generations: dict[MachineKey, Generation] = {}
        """The newest one of each machine."""
        self.next_number = 1
        self.kept_transitions = 0
        self.dropped_transitions = 0
        self._kept_others = 0
        """Peers' details not among them."""
        self._kept_details = 0
        self._tellers: dict[str, int] = {}
        self._new_tellers: list[Row] = []
        self._owed: tuple[list[Row], list[Row]] = ([], [])
        self._next_generation = 1
        self._rows_at_once = min(200, connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // 11)
        self._prepare()

    def write(self, records: Iterable[Record]) -> list[Numbered]:
        """Number the records, write them in one transaction and answer with them. Raises `sqlite3.Error`.

        After an error the transitions of the batch are not stored, but their numbers stay used: `numbered` of
        the error has them. What is known of peers and machines is written with the next batch.
        """
        transitions: list[Row] = []
        others, machines = self._owed
        self._owed = ([], [])
        numbered: list[Numbered] = []
        for record in records:
            if type(record) is TransitionRecord:
                generation = self.generations.get(record.key)
                if generation is None:
                    generation = self._other(_stranger(record), others, machines, numbered)
                changed = changed_states(record.before, record.after)
                number = self.next_number
                self.next_number = number + 1
                generation.transitions += 1
                transitions.append(self._transition_row(number, record, changed, generation))
                numbered.append(Numbered(number, record, changed, generation.names))
            else:
                self._other(record, others, machines, numbered)
        details = sum(_is_detail(row) for row in others)
        counts = self.kept_transitions, self.dropped_transitions, self._kept_others, self._kept_details
        try:
            with self.connection:
                self._insert("tellers", 2, self._new_tellers)
                self._insert("machines", 5, machines)
                self._insert("others", 7, others)
                self._insert("transitions", 11, transitions)
                self._drop_oldest(len(transitions), len(others) - details, details)
            self._new_tellers.clear()
        except sqlite3.Error as error:
            self.kept_transitions, self.dropped_transitions, self._kept_others, self._kept_details = counts
            self._owed = (self._newest(others, details), machines)
            error.numbered = numbered  # type: ignore[attr-defined]
            raise
        return numbered

    def _other(
        self, record: Record, others: list[Row], machines: list[Row], numbered: list[Numbered]
    ) -> Generation:
        number = self.next_number
        self.next_number = number + 1
        peer, slot, machine = getattr(record, "peer_id", ""), None, None
        generation: Generation | None = None
        if isinstance(record, MachineRecord):
            record, generation = self._generation(number, record, machines)
            (peer, slot), machine = record.key, generation.id
            body = dump([record.source, record.reason, record.clock])
        else:
            if isinstance(record, CommandRecord):
                peer, slot = record.key
            body = dump(record)
        others.append((number, OTHER_TYPES[type(record)], record.at_s, peer, slot, machine, body))
        numbered.append(Numbered(number, record))
        return generation or Generation(0, NO_MACHINE, ())

    def _generation(
        self, number: int, record: MachineRecord, machines: list[Row]
    ) -> tuple[MachineRecord, Generation]:
        """The row a machine record belongs to. Equal schemas are shared, so that they compare by identity."""
        known = self.generations.get(record.key)
        if known is not None and _shape(known.record) == _shape(record):
            known.record = record = replace(record, states=known.record.states, groups=known.record.groups)
            return record, known
        generation = Generation(self._next_generation, record, tuple(state.name for state in record.states))
        self._next_generation += 1
        self.generations[record.key] = generation
        body = dump(replace(record, clock=(), reason="", source=""))
        machines.append((generation.id, record.key.peer_id, record.key.slot, number, body))
        return record, generation

    def _transition_row(
        self, number: int, record: TransitionRecord, changed: tuple[int, ...], generation: Generation
    ) -> Row:
        names = generation.names
        plain = record.derived and not (
            record.called
            or record.transition_id
            or record.args
            or record.handlers
            or record.steps
            or record.log
            or record.error
        )
        return (
            number,
            record.at_s,
            generation.id,
            record.kind,
            flags_of(record, names, changed),
            record.trust,
            self._teller(record.source) if plain and record.source else None,
            words_of(record, names, changed),
            pack_clock(record.before),
            pack_clock(record.after),
            None if plain else dump(replace(record, key=MachineKey("", 0), before=(), after=())),
        )

    def _teller(self, name: str) -> int:
        known = self._tellers.get(name)
        if known is None:
            known = self._tellers[name] = len(self._tellers) + 1
            self._new_tellers.append((known, name))
        return known

    def _insert(self, table: str, columns: int, rows: Sequence[Row]) -> None:
        at = 0
        for size in (self._rows_at_once, 40, 8, 1):
            one = f"({','.join('?' * columns)})"
            statement = f"INSERT INTO {table} VALUES {','.join([one] * size)}"
            while len(rows) - at >= size:
                self.connection.execute(statement, [value for row in rows[at : at + size] for value in row])
                at += size

    def _newest(self, others: list[Row], details: int) -> list[Row]:
        """What is owed to the file while it cannot be written, each kind within its bound."""
        surplus = {
            True: details - self.settings.peer_details,
            False: len(others) - details - self.settings.others,
        }
        kept: list[Row] = []
        for row in others:
            kind = _is_detail(row)
            surplus[kind] -= 1
            if surplus[kind] < 0:
                kept.append(row)
        return kept

    def _drop_oldest(self, transitions: int, others: int, details: int) -> None:
        self.kept_transitions += transitions
        surplus = self.kept_transitions - self.settings.transitions
        if surplus > 0:
            self._drop("transitions", surplus)
            self.kept_transitions -= surplus
            self.dropped_transitions += surplus
            self.connection.execute(f"UPDATE meta SET value = {self.dropped_transitions}")
        self._kept_others += others
        surplus = self._kept_others - self.settings.others
        if surplus > self.settings.others // 10:
            self._kept_others -= self._drop_others("type != 'detail'", surplus)
            self.connection.execute(
                "DELETE FROM machines WHERE id NOT IN (SELECT machine FROM others WHERE type = 'machine')"
                " AND id NOT IN (SELECT DISTINCT machine FROM transitions)"
            )
        self._kept_details += details
        surplus = self._kept_details - self.settings.peer_details
        if surplus > self.settings.peer_details // 10:
            self._kept_details -= self._drop_others("type = 'detail'", surplus)

    def _drop(self, table: str, count: int) -> None:
        self.connection.execute(
            f"DELETE FROM {table} WHERE number IN (SELECT number FROM {table} ORDER BY number LIMIT ?)",
            (count,),
        )

    def _drop_others(self, kind: str, count: int) -> int:
        """Old news of peers and machines go, but the newest of each peer and machine stays whatever its
        age. Answers how many went.
        """
        lasting = "('peer', 'machine', 'detail')"
        done = self.connection.execute(
            f"DELETE FROM others WHERE number IN (SELECT number FROM others WHERE {kind} ORDER BY number LIMIT ?)"
            f" AND (type NOT IN {lasting} OR number NOT IN"
            f" (SELECT max(number) FROM others WHERE type IN {lasting} GROUP BY type, peer, slot))",
            (count,),
        )
        return done.rowcount

    def _prepare(self) -> None:
        execute = self.connection.execute
        (application,), (version,) = (
            execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        empty = execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if not empty and application != APPLICATION_ID:
            raise HistoryError("it is an SQLite file, but not a history of this program")
        if not empty and version != FORMAT:
            raise HistoryError(f"it was written by another version of this program (format {version})")
        execute("PRAGMA journal_mode = WAL")
        execute("PRAGMA synchronous = OFF")
        if empty:
            execute(f"PRAGMA application_id = {APPLICATION_ID}")
            execute(f"PRAGMA user_version = {FORMAT}")
            self.connection.executescript(TABLES)
            with self.connection:
                execute("CREATE TABLE meta (value INTEGER)")
                execute("INSERT INTO meta VALUES (0)")
        else:
            self._remember()

    def _remember(self) -> None:
        """Go on with an existing file where it ended."""
        execute = self.connection.execute
        counts = dict(execute("SELECT machine, count(*) FROM transitions GROUP BY machine"))
        for row, body in execute("SELECT id, body FROM machines ORDER BY id"):
            record = load(MachineRecord, body)
            key = MachineKey(*record.key)
            names = tuple(state.name for state in record.states)
            self.generations[key] = Generation(row, record, names, counts.get(row, 0))
            self._next_generation = row + 1
        self._tellers = {name: row for row, name in execute("SELECT id, name FROM tellers")}
        self.kept_transitions = sum(counts.values())
        (self._kept_details,) = execute("SELECT count(*) FROM others WHERE type = 'detail'").fetchone()
        (self._kept_others,) = execute("SELECT count(*) FROM others WHERE type != 'detail'").fetchone()
        (self.dropped_transitions,) = execute("SELECT value FROM meta").fetchone()
        last = "SELECT max(coalesce((SELECT max(number) FROM transitions), 0),"
        (newest,) = execute(last + " coalesce((SELECT max(number) FROM others), 0))").fetchone()
        self.next_number = newest + 1


NO_MACHINE = MachineRecord(0.0, MachineKey("", 0), "", (), "hearsay")


def _is_detail(row: Row) -> bool:
    return row[1] == DETAIL


def _shape(record: MachineRecord) -> Row:
    return record.machine_id, record.states, record.tags, record.parent_id, record.groups


def _stranger(record: TransitionRecord) -> MachineRecord:
    """A machine whose clock came before its schema: it is shown with numbered states until the schema
    comes.
    """
    states = tuple(StateShape(f"#{index}") for index in range(len(record.after)))
    return MachineRecord(record.at_s, record.key, "?", states, record.trust, clock=record.before)
