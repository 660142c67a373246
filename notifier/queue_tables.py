"""Tables of the queue in SQLite, and what writes their rows."""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

TABLES: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE alarm (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE grp (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE message (number INTEGER PRIMARY KEY, body BLOB NOT NULL)",
    """CREATE TABLE delivery (
  key TEXT PRIMARY KEY, number INTEGER NOT NULL, route TEXT NOT NULL, kind TEXT NOT NULL, step INTEGER NOT NULL,
  service TEXT NOT NULL, state TEXT NOT NULL, decided INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
  next_at INTEGER NOT NULL, finished INTEGER, reason TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '',
  notified TEXT NOT NULL DEFAULT '[]', recorded INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX delivery_due ON delivery (state, service, next_at)",
    "CREATE INDEX delivery_number ON delivery (number)",
    "CREATE INDEX delivery_unrecorded ON delivery (recorded) WHERE recorded = 0",
)


def replace(connection: sqlite3.Connection, table: str, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Write the rows that differ, and remove those that are gone."""
    changed = [(name, msgspec.json.encode(value)) for name, value in after.items() if before.get(name) != value]
    gone = [(name,) for name in before if name not in after]
    connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", changed)  # noqa: S608
    connection.executemany(f"DELETE FROM {table} WHERE name = ?", gone)  # noqa: S608


def count(connection: sqlite3.Connection, state: str) -> None:
    """Count a delivery that ended in a state; counts outlive what is counted."""
    connection.execute(
        "INSERT INTO meta VALUES (?, '1') ON CONFLICT (name) DO UPDATE SET value = CAST(value AS INTEGER) + 1",
        (f"count {state}",),
    )
