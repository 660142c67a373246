"""The notifier's record: which message went to whom, when and how it ended; read by pages and commands."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.store.notification_files import QUEUE

FORMAT: Final = 1
STATES: Final = {
    "waiting": "waits for its delivery, or for the next attempt",
    "sending": "is being sent",
    "sent": "was accepted by the service",
    "dead": "could not be delivered and is not tried again",
    "cancelled": "was no longer wanted when it was to be sent: acknowledged, returned to normal or silenced",
}
"""States of a delivery."""
_COLUMNS: Final = (
    "key, route, kind, step, service, state, decided, attempts, next_at, finished, reason, title, notified AS alarms"
)
MAX_LISTED: Final = 1_000


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A message to one service. Times are wall ms; `key` is its idempotency key, `reason` why it failed or ended.

    `kind` is raised, returned, escalated or repeated; `step` the step of escalation, 0 for none; `alarms` the ids of
    those that were notified, once it is sent.
    """

    key: str
    route: str
    kind: str
    step: int
    service: str
    state: str
    decided: int
    attempts: int
    next_at: int
    finished: int | None
    reason: str
    title: str
    alarms: tuple[str, ...] = ()


def deliveries(data: Path, *, state: str | None = None, alarm: str | None = None, limit: int = 100) -> list[Delivery]:
    """Return the newest deliveries, in a state or about an alarm alone; raises `sqlite3.Error`."""
    conditions = {
        "state = ?": state,
        "instr(notified, ?)": None if alarm is None else msgspec.json.encode(alarm).decode(),
    }
    given = {condition: value for condition, value in conditions.items() if value is not None}
    where = " AND ".join(given) or "1"
    with _reading(data) as connection:
        if connection is None:
            return []
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM delivery WHERE {where} ORDER BY number DESC, service LIMIT ?",  # noqa: S608
            (*given.values(), min(limit, MAX_LISTED)),
        ).fetchall()
    names = Delivery.__struct_fields__
    return [
        msgspec.convert({**dict(zip(names, row, strict=True)), "alarms": msgspec.json.decode(row[-1])}, Delivery)
        for row in rows
    ]


def counts(data: Path) -> dict[str, int]:
    """Return how many deliveries there are in each state; raises `sqlite3.Error`."""
    found: dict[str, Any] = dict.fromkeys(STATES, 0)
    with _reading(data) as connection:
        if connection is not None:
            found |= dict(connection.execute("SELECT state, count(*) FROM delivery GROUP BY state").fetchall())
    return found


@contextlib.contextmanager
def _reading(data: Path) -> Iterator[sqlite3.Connection | None]:
    """Open the record for reading; None if there is none of a format that this version knows."""
    path = data / QUEUE
    if not path.exists():
        yield None
        return
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        known = connection.execute("PRAGMA user_version").fetchone()[0] == FORMAT
        yield connection if known else None
    finally:
        connection.close()
