"""Changes of alarms in the journal since the last one that was taken in."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from broker.store.journal_query import reading, selected
from broker.store.journal_tables import OF_ALARMS
from notifier.lifecycle import CHANGES
from notifier.state import Event

MAX_READ: Final = 20_000
"""Entries that are taken in at a time."""
LOOKED_BACK: Final = 100_000
"""Entries of alarms, from the newest on, from which open alarms are found at the first start."""
_FIELDS: Final = (
    *("id", "kind", "alarm", "at", "subject", "subject_kind", "pump", "rule", "title", "priority", "cause", "time"),
)


def start(data: Path) -> int:
    """Return the number of the entry after which a notifier that starts for the first time reads."""
    with reading(data) as (connection, _):
        if connection is None:
            return 0
        row = connection.execute(
            f"SELECT id FROM entry INDEXED BY entry_lately WHERE {OF_ALARMS} ORDER BY id DESC LIMIT 1 OFFSET ?",  # noqa: S608
            (LOOKED_BACK,),
        ).fetchone()
        return 0 if row is None else int(row[0])


def read(data: Path, after: int) -> tuple[list[Event], int]:
    """Return changes of alarms after the entry of a number, oldest first, and the number of the last that was read.

    At most `MAX_READ` are read; the number is smaller than `after` if the journal was replaced by a shorter one.
    Raises `sqlite3.Error`.
    """
    kinds = tuple(CHANGES)
    with reading(data) as (connection, found):
        if connection is None:
            return [], 0
        end = connection.execute("SELECT coalesce(max(id), 0) FROM entry").fetchone()[0]
        if end <= after:
            return [], int(end)
        rows = connection.execute(
            f"SELECT {selected(_FIELDS, found)} FROM entry INDEXED BY entry_lately WHERE {OF_ALARMS} "  # noqa: S608
            f"AND alarm IS NOT NULL AND id > ? AND id <= ? AND kind IN ({', '.join('?' * len(kinds))}) "
            "ORDER BY id LIMIT ?",
            (after, end, *kinds, MAX_READ),
        ).fetchall()
    events = [_event(row) for row in rows]
    return events, int(rows[-1]["id"] if len(rows) == MAX_READ else end)


def _event(row: sqlite3.Row) -> Event:
    given: dict[str, Any] = {name: row[name] for name in _FIELDS if name != "id" and row[name] is not None}
    given.setdefault("subject", str(row["alarm"]).partition("/")[0])
    return Event(**given)


def pumps_of(events: Sequence[Event]) -> set[str]:
    """Return the pumps that events are about."""
    return {event.pump for event in events if event.pump is not None}
