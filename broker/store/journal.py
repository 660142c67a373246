"""This file is the book of what happened and who did what: SQLite, one writer, many readers, append-only.

Each entry carries the hash of the one before, so that a later change of any of them shows (`verify`). Nothing is ever
removed. What is appended again, as after a crash, is one entry: `once` names it.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

FILE: Final = "journal.sqlite"
FORMAT: Final = 2
BEGINNING: Final = bytes(32)
"""What the first entry has in place of the hash of the one before."""
MAX_PUMPS: Final = 10_000
"""An entry names no more pumps; how many more there were is for its text to say."""
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
}
"""What became of alarms: `at` is wall ms, `time` therapy ms, `kind` of `KINDS`; `action` the id of a person's deed."""
KINDS: Final = {
    "raised": "the condition lasted, or is back",
    "returned": "the condition ended",
    "cleared": "the condition ended and somebody had seen it, or nobody needs to",
    "held": "another alarm explains it and holds it under it",
    "released": "what held it is over; it calls by itself",
    "realarmed": "acknowledged long ago and it stands on: it calls again",
    "acknowledged": "somebody has seen it",
    "unacknowledged": "somebody took an acknowledgement back",
    "note": "somebody wrote something beside it",
    "shelved": "somebody silenced it for a time",
    "unshelved": "somebody ended that, or the time was over",
    "out_of_service": "somebody took it out of service",
    "in_service": "somebody put it back into service",
    "reset": "somebody reset it, which was latched",
    "refused": "somebody wanted something that is not allowed",
}
"""What can happen to an alarm."""
ENTRIES_SCHEMA: Final[dict[str, Any]] = {**EVENTS_SCHEMA, "pumps": pl.List(pl.String()), "once": pl.String()}
"""Any entry. One of an alarm has `alarm`; others tell of orders (ordered, done, refused) with the `pumps` they are for,
of gateways (online, offline, left), of parts (started, stopped, connected, disconnected) and of refused messages.

`once` is the same for the same happening: of two entries the first is kept. Where it lacks it is made of alarm and kind
with the action or, where there is none, the time: the same samples or the same action after a crash are written once,
but a person may do the same thing twice.
"""
_CHAINED: Final = ("id", *EVENTS_SCHEMA, "pumps", "once")

_OF_ALARMS: Final = "(alarm IS NOT NULL OR kind IN ('refused', 'out_of_service', 'in_service'))"
_INDEX: Final = f"CREATE INDEX IF NOT EXISTS entry_lately ON entry (id) WHERE {_OF_ALARMS}"
"""Books of before have another index, of entries with an alarm alone."""
_TABLES: Final = """
CREATE TABLE entry (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, time INTEGER, kind TEXT NOT NULL, pump TEXT, rule TEXT, title TEXT,
  priority INTEGER, alarm TEXT, who TEXT, text TEXT,
  action TEXT, pumps TEXT, once TEXT UNIQUE, hash BLOB NOT NULL);
CREATE INDEX entry_at ON entry (at);
CREATE INDEX entry_by ON entry (who, id) WHERE who IS NOT NULL;
CREATE TABLE concerns (pump TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (pump, id)) WITHOUT ROWID;
CREATE TRIGGER entry_stays BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER entry_remains BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
"""


class JournalError(Exception):
    """The journal cannot be written; the text says why and what to do."""


@dataclass(frozen=True)
class Head:
    """Where the chain ends: how many entries, and the hash of the last."""

    entries: int = 0
    hash: bytes = BEGINNING


@dataclass
class Journal:
    """The writing end; each call is durable when it returns.

    Raises `JournalError` for a book that a newer version wrote. One of format 1 is taken over; one that is no
    SQLite file is moved aside, and `moved` says where.
    """

    data: Path
    moved: Path | None = field(init=False, default=None)
    _book: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        try:
            self._book = self._open()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            self.moved = move_aside(self.data)
            self._book = self._open()

    def _open(self) -> sqlite3.Connection:
        book = sqlite3.connect(self.data / FILE, check_same_thread=False, isolation_level=None)
        try:
            book.execute("PRAGMA journal_mode=WAL")
            book.execute("PRAGMA synchronous=FULL")
            with _transaction(book):
                if self._format(book) < FORMAT:
                    _begin(book)
                book.execute(_INDEX)
        except BaseException:
            book.close()
            raise
        return book

    def _format(self, book: sqlite3.Connection) -> int:
        found = int(book.execute("PRAGMA user_version").fetchone()[0])
        if found > FORMAT:
            raise JournalError(
                f"{self.data / FILE} has format {found}, and this version of Pumpwatch writes {FORMAT}; "
                "use the newer version again, or give another --data"
            )
        return found

    def append(self, entries: pl.DataFrame) -> int:
        """Write entries, all or none; return how many were new. What is written already stays as it is.

        They have `ENTRIES_SCHEMA`, of which `pumps` and `once` may lack.
        """
        with _transaction(self._book):
            return _append(self._book, _complete(entries).iter_rows())

    @property
    def head(self) -> Head:
        """Where the chain ends now."""
        return _head(self._book)

    @property
    def bytes(self) -> int:
        """How much of the disk it takes."""
        return sum(path.stat().st_size for path in self.data.glob(f"{FILE}*"))

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()


@dataclass(frozen=True)
class Query:
    """Which entries: of a pump, by a person, between two wall times (ms), of alarms alone; the newest `limit`.

    Of alarms are also those that say what was refused, and what was put out of service or back before it alarmed.
    """

    pump: str | None = None
    who: str | None = None
    since: int | None = None
    until: int | None = None
    alarms_only: bool = False
    limit: int = 200


def entries(data: Path, query: Query) -> pl.DataFrame:
    """Return entries (`ENTRIES_SCHEMA`), newest first."""
    conditions = {
        "id IN (SELECT id FROM concerns WHERE pump = ?)": query.pump,
        "who = ?": query.who,
        "at >= ?": query.since,
        "at <= ?": query.until,
    }
    asked = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join([*asked, *([_OF_ALARMS] if query.alarms_only else [])]) or "1"
    text = f"SELECT {', '.join(ENTRIES_SCHEMA)} FROM entry WHERE {where} ORDER BY id DESC LIMIT ?"  # noqa: S608
    with _reading(data) as book:
        rows = [] if book is None else book.execute(text, (*asked.values(), query.limit)).fetchall()
    read = [(*row[:-2], None if row[-2] is None else msgspec.json.decode(row[-2]), row[-1]) for row in rows]
    return pl.DataFrame(read, schema=ENTRIES_SCHEMA, orient="row")


def events(data: Path, *, pump: str | None = None, limit: int = 200) -> pl.DataFrame:
    """Return the newest entries of alarms, refusals and what is out of service (`EVENTS_SCHEMA`), newest first."""
    return entries(data, Query(pump=pump, limit=limit, alarms_only=True)).select(*EVENTS_SCHEMA)


def verify(data: Path, expected: Head | None = None) -> tuple[int, str | None]:
    """Go along the whole chain; return how many entries there are and, where it breaks, a sentence that says where.

    `expected` is where it is known to have been once: a book that ends before was cut off.
    """
    last, passed = Head(), expected is None or expected.entries == 0
    with _reading(data) as book:
        for *row, said in () if book is None else book.execute(f"SELECT {', '.join(_CHAINED)}, hash FROM entry "  # noqa: S608
                                                              "ORDER BY id"):  # fmt: skip
            if row[0] != last.entries + 1:
                return last.entries, f"entry {last.entries + 1} is missing; the next is {row[0]}"
            last = Head(row[0], _hash(last.hash, row))
            if last.hash != said:
                return last.entries, f"entry {row[0]} ({row[3]}) is not what was written, or the one before is not"
            if expected is not None and last.entries == expected.entries:
                if last.hash != expected.hash:
                    return last.entries, f"entry {row[0]} is not the one that the processor wrote: all was written anew"
                passed = True
    if not passed and expected is not None:
        return last.entries, f"it ends at entry {last.entries}, but there were {expected.entries}: its end was cut off"
    return last.entries, None


def move_aside(data: Path) -> Path:
    """Put a book that cannot be read out of the way, with all its files; return its new path."""
    aside = next(path for n in itertools.count(1) if not (path := data / f"{FILE}.unreadable-{n}").exists())
    for ending in ("", "-wal", "-shm"):
        path = data / f"{FILE}{ending}"
        if path.exists():
            path.rename(aside.with_name(aside.name + ending))
    return aside


@contextlib.contextmanager
def _transaction(book: sqlite3.Connection) -> Iterator[None]:
    book.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        book.execute("ROLLBACK")
        raise
    book.execute("COMMIT")


@contextlib.contextmanager
def _reading(data: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the book for reading; None where nobody has begun one of this format."""
    path = data / FILE
    if not path.exists():
        yield None
        return
    book = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        yield book if book.execute("PRAGMA user_version").fetchone()[0] == FORMAT else None
    finally:
        book.close()


def _begin(book: sqlite3.Connection) -> None:
    """Make the tables; entries of a book of format 1 become the first of the chain."""
    for statement in _TABLES.split(";\n"):
        book.execute(statement)
    if book.execute("SELECT 1 FROM sqlite_master WHERE name = 'event'").fetchone():
        found = {row[1] for row in book.execute("PRAGMA table_info(event)")}
        columns = ", ".join(name if name in found else f"NULL AS {name}" for name in EVENTS_SCHEMA)
        old = book.execute(f"SELECT {columns} FROM event ORDER BY id").fetchall()  # noqa: S608
        _append(book, _complete(pl.DataFrame(old, EVENTS_SCHEMA, orient="row")).iter_rows())
        book.execute("DROP TABLE event")
    book.execute(f"PRAGMA user_version = {FORMAT}")


def _complete(entries: pl.DataFrame) -> pl.DataFrame:
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in ENTRIES_SCHEMA.items() if name not in entries.columns]
    once = pl.coalesce(
        "once",
        pl.format("{}/{}/by {}", "alarm", "kind", "action"),
        pl.format("{}/{}/{}", "alarm", "kind", "time"),
        pl.format("{}/{}/by {}/{}", pl.col("pump").fill_null(""), "kind", "action", pl.col("text").fill_null("")),
    )
    return entries.with_columns(lacking).with_columns(once.alias("once")).select(*ENTRIES_SCHEMA)


def _append(book: sqlite3.Connection, rows: Any) -> int:
    first = head = _head(book)
    places = ", ".join("?" for _ in (*_CHAINED, "hash"))
    insert = f"INSERT INTO entry ({', '.join(_CHAINED)}, hash) VALUES ({places}) ON CONFLICT (once) DO NOTHING"  # noqa: S608
    for *facts, pumps, once in rows:
        named = None if pumps is None else msgspec.json.encode(pumps[:MAX_PUMPS]).decode()
        row = [head.entries + 1, *facts, named, once]
        link = _hash(head.hash, row)
        if book.execute(insert, (*row, link)).rowcount == 0:
            continue
        head = Head(head.entries + 1, link)
        concerned = {pump for pump in (facts[3], *(pumps or ())[:MAX_PUMPS]) if pump is not None}
        book.executemany("INSERT INTO concerns VALUES (?, ?)", [(pump, head.entries) for pump in concerned])
    return head.entries - first.entries


def _head(book: sqlite3.Connection) -> Head:
    found = book.execute("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1").fetchone()
    return Head() if found is None else Head(*found)


def _hash(before: bytes, row: Any) -> bytes:
    return sha256(before + msgspec.json.encode(row)).digest()
