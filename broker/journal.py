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
}
"""`at` is wall ms, `time` therapy ms; `kind` is raised, acknowledged, returned or cleared."""

_TABLE = """
CREATE TABLE IF NOT EXISTS event (
  id INTEGER PRIMARY KEY, at INTEGER NOT NULL, time INTEGER, kind TEXT NOT NULL, pump TEXT, rule TEXT, title TEXT,
  priority INTEGER, alarm TEXT, who TEXT, text TEXT);
CREATE INDEX IF NOT EXISTS event_of_pump ON event (pump, id);
CREATE UNIQUE INDEX IF NOT EXISTS event_once ON event (alarm, kind, time);
"""


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

    def append(self, events: pl.DataFrame) -> None:
        """Write events (`EVENTS_SCHEMA`), all or none; what is written already, as after a crash, stays as it is."""
        columns = ", ".join(EVENTS_SCHEMA)
        places = ", ".join("?" for _ in EVENTS_SCHEMA)
        with self._book:
            self._book.executemany(
                f"INSERT INTO event ({columns}) VALUES ({places}) "  # noqa: S608 - the names are our own
                "ON CONFLICT (alarm, kind, time) DO NOTHING",
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
