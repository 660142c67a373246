"""This file is the book of what happened to alarms and who did what: SQLite, one writer, many readers."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

FILE: Final = "journal.sqlite"
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
"""`at` is wall ms, `time` therapy ms; `kind` is one of `KINDS`; `action` is the id of what a person did."""
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

_TABLE = """
CREATE TABLE IF NOT EXISTS event (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, time INTEGER, kind TEXT NOT NULL, pump TEXT, rule TEXT, title TEXT,
  priority INTEGER, alarm TEXT, who TEXT, text TEXT, action TEXT);
CREATE INDEX IF NOT EXISTS event_of_pump ON event (pump, id);
"""
_ONCE = """
DROP INDEX IF EXISTS event_once;
CREATE UNIQUE INDEX IF NOT EXISTS change_once ON event (alarm, kind, time) WHERE action IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS action_once ON event (action, alarm, kind) WHERE action IS NOT NULL;
"""
"""The same samples or the same action after a crash are written once; a person may do the same thing twice."""


@dataclass
class Journal:
    """The writing end; each call is durable when it returns."""

    data: Path
    _book: sqlite3.Connection = field(init=False)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        self._book = sqlite3.connect(self.data / FILE, check_same_thread=False)
        self._book.execute("PRAGMA journal_mode=WAL")
        self._book.execute("PRAGMA synchronous=FULL")
        self._book.executescript(_TABLE)
        if not any(row[1] == "action" for row in self._book.execute("PRAGMA table_info(event)")):
            self._book.execute("ALTER TABLE event ADD COLUMN action TEXT")
        self._book.executescript(_ONCE)

    def append(self, events: pl.DataFrame) -> None:
        """Write events (`EVENTS_SCHEMA`), all or none; what is written already, as after a crash, stays as it is."""
        columns = ", ".join(EVENTS_SCHEMA)
        places = ", ".join("?" for _ in EVENTS_SCHEMA)
        with self._book:
            self._book.executemany(
                f"INSERT INTO event ({columns}) VALUES ({places}) "  # noqa: S608 - the names are our own
                "ON CONFLICT DO NOTHING",
                events.select(*EVENTS_SCHEMA).rows(),
            )

    def close(self) -> None:
        """Let go of the file."""
        self._book.close()


def events(data: Path, *, pump: str | None = None, limit: int = 200) -> pl.DataFrame:
    """Return the newest events (`EVENTS_SCHEMA`), newest first, of one pump or of all."""
    path = data / FILE
    if not path.exists():
        return pl.DataFrame(schema=EVENTS_SCHEMA)
    book = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        rows = book.execute(
            f"SELECT {', '.join(EVENTS_SCHEMA)} FROM event "  # noqa: S608 - the names are our own
            "WHERE ?1 IS NULL OR pump = ?1 ORDER BY id DESC LIMIT ?2",
            (pump, limit),
        ).fetchall()
    finally:
        book.close()
    return pl.DataFrame(rows, schema=EVENTS_SCHEMA, orient="row")
