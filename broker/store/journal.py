"""Append-only record of what happened and who did it: SQLite, several writers, many readers, each entry hash-chained.

Each entry carries the hash of the one before, made with a key, so that a later change of any of them shows
(`broker.store.journal_verification`). Nothing is ever removed. An entry that is appended again, as after a crash, is
stored once: `once` identifies it.
"""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from broker.store import journal_anchor, journal_chain, journal_seal, journal_tables
from broker.store.journal_chain import CHAINED, FORMAT, KEYED, Head
from broker.store.journal_file import FILE, move_aside, opened, transaction

CHECKED: Final = 8
"""Last entries of which one must fit the key: a single one may have been tampered with."""
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
    "notified": "a service was notified, by a notification",
    "not_notified": "a notification could not be delivered",
}
"""What can happen to an alarm."""
ENTRIES_SCHEMA: Final[dict[str, Any]] = {
    **EVENTS_SCHEMA,
    "pumps": pl.List(pl.String()),
    "once": pl.String(),
    "origin": pl.String(),
}
"""Any entry. An entry about an alarm has `alarm`; others record commands (ordered, done, refused) with the `pumps` they
are for, gateways (online, offline, left), parts (started, stopped, connected, disconnected), rejected messages, and
days that were removed from the history (removed). `origin` is the address or program that an action came from.

`once` is the same for the same occurrence: of two entries with one `once` the first is kept. If it is missing, it is
made of alarm and kind with the action or, without one, the time: the same samples or the same action after a crash are
written once, but a person may do the same thing twice.
"""


class JournalError(Exception):
    """The journal cannot be written; the text says why and what to do."""


@dataclass
class Journal:
    """Writer of the journal, beside writers in other processes; each call is durable when it returns.

    Raises `JournalError` for a journal that a newer version wrote, and if its key is missing or is another's. Journals
    of older formats are migrated; with `move_unreadable` a file that is not SQLite is moved aside, and `moved` says
    where. Only the processor may do that, because others may be writing to the file.
    """

    data: Path
    move_unreadable: bool = True
    moved: Path | None = field(init=False, default=None)
    _connection: sqlite3.Connection = field(init=False)
    _inode: int = field(init=False)
    _key: bytes = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._open()
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:
            if not self.move_unreadable:
                raise
            self.moved = move_aside(self.data)
            # The new one begins at its first entry; the old one has its anchor in the file that was moved.
            journal_anchor.write(self.data, Head())
            self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        connection = opened(self.data)
        try:
            with transaction(connection):
                if journal_tables.complete(connection, self._format(connection)):
                    _take_over_format_1(connection)
                self._key = self._checked_key(connection)
            self._inode = (self.data / FILE).stat().st_ino
        except BaseException:
            connection.close()
            raise
        return connection

    def _format(self, connection: sqlite3.Connection) -> int:
        found = journal_tables.format_of(connection)
        if found > FORMAT:
            raise JournalError(
                f"{self.data / FILE} has format {found}, and this version of Pumpwatch writes {FORMAT}; "
                "use the newer version again, or give another --data"
            )
        return found

    def _checked_key(self, connection: sqlite3.Connection) -> bytes:
        """Return the key of the journal, which is made with its first entry; the transaction lets one writer do so."""
        try:
            key = journal_chain.read_key(self.data)
            last = _last(connection)
            sealed = 0 if key is None else journal_seal.entries(self.data)
            keyed = [(before, row) for before, row in last if row["format"] >= KEYED and row["id"] > sealed]
            if key is None and not keyed:
                journal_anchor.write(self.data, _head(connection))
                return journal_chain.make_key(self.data)
        except OSError as error:
            raise JournalError(f"the key of the journal cannot be used: {error}") from error
        path = journal_chain.key_path(self.data)
        advice = (
            "restore it, or name the directory of the secrets with --secrets; to begin a new journal, move "
            f"{self.data / FILE} and the key away"
        )
        if key is None:
            raise JournalError(f"{path}, the key of the journal, is missing; {advice}")
        if keyed and not any(journal_chain.is_intact(before, row, key) for before, row in keyed):
            raise JournalError(f"{path} is another key, or the journal was rewritten; run pumpwatch doctor; {advice}")
        return key

    def append(self, entries: pl.DataFrame) -> int:
        """Write entries (`ENTRIES_SCHEMA`; those after `text` may be missing), all or none; return how many are new."""
        with self._lock, transaction(self._connection):
            return _append(self._connection, _complete(entries), self._key)

    @property
    def head(self) -> Head:
        """The end of the chain now, which is durable: a thread that appends is waited for."""
        with self._lock:
            return _head(self._connection)

    def hash_of(self, number: int) -> bytes | None:
        """Return the hash of an entry, None if there is no such entry; 0 stands for the beginning of the chain."""
        with self._lock:
            found = self._connection.execute("SELECT hash FROM entry WHERE id = ?", (number,)).fetchone()
        return (Head().hash if number == 0 else None) if found is None else bytes(found[0])

    @property
    def in_place(self) -> bool:
        """Whether the file that is written is still the one of its name: nobody removed or replaced it."""
        try:
            return (self.data / FILE).stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    @property
    def bytes(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.data.glob(f"{FILE}*"))

    def close(self) -> None:
        """Close the file."""
        self._connection.close()


def _take_over_format_1(connection: sqlite3.Connection) -> None:
    """Make the entries of a journal of format 1 the first of the chain."""
    found = {row[1] for row in connection.execute("PRAGMA table_info(event)")}
    columns = ", ".join(name if name in found else f"NULL AS {name}" for name in EVENTS_SCHEMA)
    old = connection.execute(f"SELECT {columns} FROM event ORDER BY id").fetchall()  # noqa: S608
    _append(connection, _complete(pl.DataFrame(old, EVENTS_SCHEMA, orient="row")), b"", written_as=2)
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


def _append(connection: sqlite3.Connection, entries: pl.DataFrame, key: bytes, written_as: int = FORMAT) -> int:
    first = head = _head(connection)
    columns = (*CHAINED[FORMAT], "hash")
    places = ", ".join(f":{name}" for name in columns)
    insert = f"INSERT INTO entry ({', '.join(columns)}) VALUES ({places}) ON CONFLICT (once) DO NOTHING"  # noqa: S608
    for entry in entries.iter_rows(named=True):
        pumps = (entry["pumps"] or [])[:MAX_PUMPS]
        listed = None if entry["pumps"] is None else msgspec.json.encode(pumps).decode()
        row = {**entry, "id": head.entries + 1, "pumps": listed, "format": written_as}
        link = journal_chain.chain_hash(head.hash, row, key)
        if connection.execute(insert, {**row, "hash": link}).rowcount == 0:
            continue
        head = Head(head.entries + 1, link)
        concerned = {pump for pump in (entry["pump"], *pumps) if pump is not None}
        connection.executemany("INSERT INTO concerns VALUES (?, ?)", [(pump, head.entries) for pump in concerned])
    return head.entries - first.entries


def _head(connection: sqlite3.Connection) -> Head:
    found = connection.execute("SELECT id, hash FROM entry ORDER BY id DESC LIMIT 1").fetchone()
    return Head() if found is None else Head(*found)


def _last(connection: sqlite3.Connection) -> list[tuple[bytes, dict[str, Any]]]:
    """Return the last entries with the columns of the chain, each with the hash of the one before."""
    columns = (*CHAINED[FORMAT], "hash")
    rows = connection.execute(
        f"SELECT {', '.join(columns)} FROM entry ORDER BY id DESC LIMIT ?",  # noqa: S608
        (CHECKED + 1,),
    ).fetchall()
    found = [dict(zip(columns, row, strict=True)) for row in reversed(rows)]
    befores = [Head().hash if found and found[0]["id"] == 1 else b"", *(row["hash"] for row in found)]
    return list(zip(befores, found, strict=False))
