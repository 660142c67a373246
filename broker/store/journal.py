"""Append-only record of what happened and who did it: SQLite, one writer, many readers, each entry hash-chained.

Each entry carries the hash of the one before, so that a later change of any of them shows
(`broker.store.journal_query.verify`). Nothing is ever removed. An entry that is appended again, as after a crash, is
stored once: `once` identifies it.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

FILE: Final = "journal.sqlite"
FORMAT: Final = 3
"""1 had a table of alarms alone and no chain; 2 had no `subject`, `subject_kind` and `cause`."""
BEGINNING: Final = bytes(32)
"""What the first entry has in place of the hash of the one before."""
MAX_PUMPS: Final = 10_000
"""Pumps that an entry lists; its text says how many more there were."""
EVENTS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "at": pl.Int64(),
    "time": pl.Int64(),
    "kind": pl.String(),
    "pump": pl.String(),
    "rule": pl.String(),
    "title": pl.String(),
    "priority": pl.Int8(),
    "alarm": pl.String(),
    "who": pl.String(),
    "text": pl.String(),
    "action": pl.String(),
    "subject": pl.String(),
    "subject_kind": pl.String(),
    "cause": pl.String(),
}
"""Changes of alarms: `at` is wall ms, `time` therapy ms, `kind` one of `KINDS`, `action` the id of an operator action.

`subject` is the name of what the entry is about and `subject_kind` one of `broker.contract.subjects.SubjectKind`; both
are null for entries about none. `cause` is the rule of the alarm that suppresses this one at that moment, null if none
does. `text` is for people: no program reads it.
"""
KINDS: Final = {
    "raised": "the condition lasted for its on-delay, or is back",
    "returned": "the condition ended",
    "cleared": "the condition ended and the alarm is acknowledged, or needs no acknowledgement",
    "held": "suppressed by the alarm of its cause",
    "released": "the alarm of its cause is over; it is annunciated by itself",
    "realarmed": "acknowledged long ago and still standing: annunciated again",
    "acknowledged": "somebody acknowledged it",
    "unacknowledged": "somebody withdrew the acknowledgement",
    "note": "somebody wrote a note",
    "shelved": "somebody shelved it",
    "unshelved": "somebody unshelved it, or its time on the shelf was over",
    "out_of_service": "somebody took it out of service",
    "in_service": "somebody put it back into service",
    "reset": "somebody reset it after it had latched",
    "refused": "an operator action or a command was refused",
}
"""What can happen to an alarm."""
ENTRIES_SCHEMA: Final[dict[str, Any]] = {**EVENTS_SCHEMA, "pumps": pl.List(pl.String()), "once": pl.String()}
"""Any entry. An entry about an alarm has `alarm`; others record commands (ordered, done, refused) with the `pumps` they
are for, gateways (online, offline, left), parts (started, stopped, connected, disconnected), rejected messages, and
days that were removed from the history (removed).

`once` is the same for the same occurrence: of two entries with one `once` the first is kept. If it is missing, it is
made of alarm and kind with the action or, without one, the time: the same samples or the same action after a crash are
written once, but a person may do the same thing twice.
"""
_OF_FORMAT_2: Final = (
    *("id", "at", "time", "kind", "pump", "rule", "title", "priority", "alarm", "who", "text", "action"),
    *("pumps", "once"),
)
FIELDS: Final = ("subject", "subject_kind", "cause")
"""Columns that journals of format 2 do not have, and that are null in entries of format 2."""
CHAINED: Final[Mapping[int, tuple[str, ...]]] = {2: _OF_FORMAT_2, FORMAT: (*_OF_FORMAT_2, *FIELDS, "format")}
"""The columns of which the hash of an entry is made, in order, by the format in which it was written."""

OF_ALARMS: Final = "(alarm IS NOT NULL OR kind IN ('refused', 'out_of_service', 'in_service'))"
_INDEX: Final = f"CREATE INDEX IF NOT EXISTS entry_lately ON entry (id) WHERE {OF_ALARMS}"
"""Older journals have another index, of entries with an alarm alone."""
_TABLES: Final = (
    """CREATE TABLE entry (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, time INTEGER, kind TEXT NOT NULL, pump TEXT, rule TEXT, title TEXT,
  priority INTEGER, alarm TEXT, who TEXT, text TEXT,
  action TEXT, pumps TEXT, once TEXT UNIQUE, hash BLOB NOT NULL)""",
    "CREATE INDEX entry_at ON entry (at)",
    "CREATE INDEX entry_by ON entry (who, id) WHERE who IS NOT NULL",
    "CREATE TABLE concerns (pump TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (pump, id)) WITHOUT ROWID",
    "CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
    "CREATE TRIGGER entry_remains BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END",
)
"""The tables of format 2."""
_ADDED: Final = (
    *(f"ALTER TABLE entry ADD COLUMN {name} TEXT" for name in FIELDS),
    "ALTER TABLE entry ADD COLUMN format INTEGER NOT NULL DEFAULT 2",
)
"""What format 3 adds to them: each entry says in which format it was written, which is what its hash covers."""


class JournalError(Exception):
    """The journal cannot be written; the text says why and what to do."""


@dataclass(frozen=True)
class Head:
    """End of the chain: the number of entries, and the hash of the last."""

    entries: int = 0
    hash: bytes = BEGINNING


@dataclass
class Journal:
    """Writer of the journal; each call is durable when it returns.

    Raises `JournalError` for a journal that a newer version wrote. Journals of formats 1 and 2 are migrated; a file
    that is not SQLite is moved aside, and `moved` says where.
    """

    data: Path
    moved: Path | None = field(init=False, default=None)
    _connection: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._open()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self.moved = move_aside(self.data)
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.data / FILE, check_same_thread=False, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            with _transaction(connection):
                _migrate(connection, self._format(connection))
                connection.execute(_INDEX)
        except BaseException:
            connection.close()
            raise
        return connection

    def _format(self, connection: sqlite3.Connection) -> int:
        found = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if found > FORMAT:
            raise JournalError(
                f"{self.data / FILE} has format {found}, and this version of Pumpwatch writes {FORMAT}; "
                "use the newer version again, or give another --data"
            )
        return found

    def append(self, entries: pl.DataFrame) -> int:
        """Write entries, all or none; return how many were new. Entries that are stored already stay as they are.

        They have the columns of `ENTRIES_SCHEMA`, of which those after `text` may be missing.
        """
        with _transaction(self._connection):
            return _append(self._connection, _complete(entries))

    @property
    def head(self) -> Head:
        """The end of the chain now."""
        return _head(self._connection)

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.data.glob(f"{FILE}*"))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def move_aside(data: Path) -> Path:
    """Rename a journal that cannot be read, with all its files; return its new path."""
    aside = next(path for n in itertools.count(1) if not (path := data / f"{FILE}.unreadable-{n}").exists())
    for ending in ("", "-wal", "-shm"):
        path = data / f"{FILE}{ending}"
        if path.exists():
            path.rename(aside.with_name(aside.name + ending))
    return aside


def chain_hash(before: bytes, row: Mapping[str, Any]) -> bytes:
    """Return the hash of an entry, given the hash of the one before; `row` has the columns that its format chains."""
    return sha256(before + msgspec.json.encode([row[name] for name in CHAINED[row["format"]]])).digest()


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _migrate(connection: sqlite3.Connection, found: int) -> None:
    """Bring a journal from the format that was found to `FORMAT`; one that was just created has format 0."""
    if found == FORMAT:
        return
    for statement in (*(_TABLES if found < 2 else ()), *_ADDED):
        connection.execute(statement)
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'event'").fetchone():
        _take_over_format_1(connection)
    connection.execute(f"PRAGMA user_version = {FORMAT}")


def _take_over_format_1(connection: sqlite3.Connection) -> None:
    """Make the entries of a journal of format 1 the first of the chain."""
    found = {row[1] for row in connection.execute("PRAGMA table_info(event)")}
    columns = ", ".join(name if name in found else f"NULL AS {name}" for name in EVENTS_SCHEMA)
    old = connection.execute(f"SELECT {columns} FROM event ORDER BY id").fetchall()  # noqa: S608
    _append(connection, _complete(pl.DataFrame(old, EVENTS_SCHEMA, orient="row")), written_as=2)
    connection.execute("DROP TABLE event")


def _complete(entries: pl.DataFrame) -> pl.DataFrame:
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in ENTRIES_SCHEMA.items() if name not in entries.columns]
    once = pl.coalesce(
        "once",
        pl.format("{}/{}/by {}", "alarm", "kind", "action"),
        pl.format("{}/{}/{}", "alarm", "kind", "time"),
        pl.format("{}/{}/by {}/{}", pl.col("pump").fill_null(""), "kind", "action", pl.col("text").fill_null("")),
    )
    return entries.with_columns(missing).with_columns(once.alias("once")).select(*ENTRIES_SCHEMA)


def _append(connection: sqlite3.Connection, entries: pl.DataFrame, written_as: int = FORMAT) -> int:
    first = head = _head(connection)
    columns = (*CHAINED[FORMAT], "hash")
    places = ", ".join(f":{name}" for name in columns)
    insert = f"INSERT INTO entry ({', '.join(columns)}) VALUES ({places}) ON CONFLICT (once) DO NOTHING"  # noqa: S608
    for entry in entries.iter_rows(named=True):
        pumps = (entry["pumps"] or [])[:MAX_PUMPS]
        listed = None if entry["pumps"] is None else msgspec.json.encode(pumps).decode()
        row = {**entry, "id": head.entries + 1, "pumps": listed, "format": written_as}
        link = chain_hash(head.hash, row)
        if connection.execute(insert, {**row, "hash": link}).rowcount == 0:
            continue
        head = Head(head.entries + 1, link)
        concerned = {pump for pump in (entry["pump"], *pumps) if pump is not None}
        connection.executemany("INSERT INTO concerns VALUES (?, ?)", [(pump, head.entries) for pump in concerned])
    return head.entries - first.entries


def _head(connection: sqlite3.Connection) -> Head:
    found = connection.execute("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1").fetchone()
    return Head() if found is None else Head(*found)
