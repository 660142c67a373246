"""Tables of the journal in SQLite, as each format added to them, and the migration from older formats."""

from __future__ import annotations

import sqlite3
from typing import Final

from broker.store.journal_chain import ADDED, FORMAT

OF_ALARMS: Final = "(alarm IS NOT NULL OR kind IN ('refused', 'out_of_service', 'in_service'))"
OF_PEOPLE: Final = "who IS NOT NULL"
_INDICES: Final = (
    f"CREATE INDEX IF NOT EXISTS entry_lately ON entry (id) WHERE {OF_ALARMS}",
    f"CREATE INDEX IF NOT EXISTS entry_people ON entry (id) WHERE {OF_PEOPLE}",
)
"""Older journals have other indices: of entries with an alarm alone, and of people by name."""
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
_STEPS: Final = {
    3: (
        *(f"ALTER TABLE entry ADD COLUMN {name} TEXT" for name in ADDED[3]),
        "ALTER TABLE entry ADD COLUMN format INTEGER NOT NULL DEFAULT 2",
    ),
    4: tuple(f"ALTER TABLE entry ADD COLUMN {name} TEXT" for name in ADDED[4]),
}
"""What each later format adds: each entry says in which format it was written, which is what its hash covers."""


def format_of(connection: sqlite3.Connection) -> int:
    """Return the format of a journal; one that was just created has format 0."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def complete(connection: sqlite3.Connection, found: int) -> bool:
    """Bring the tables from the format that was found to `FORMAT`; return whether entries of format 1 are waiting."""
    if found != FORMAT:
        later = [statement for number, step in _STEPS.items() if number > found for statement in step]
        for statement in (*(_TABLES if found < 2 else ()), *later, f"PRAGMA user_version = {FORMAT}"):
            connection.execute(statement)
    for statement in _INDICES:
        connection.execute(statement)
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'event'").fetchone() is not None
