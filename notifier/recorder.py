"""Writes who was notified when to the journal, so that it is part of an alarm's story and of the audit trail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import polars as pl

from broker.store.journal import ENTRIES_SCHEMA, Journal, JournalError
from notifier.queue import Queue
from notifier.state import CODES, ITSELF, Alarm, Message

WHO: Final = "notifier"
KINDS: Final = {"sent": "notified", "dead": "not_notified"}
"""Kind of the journal's entry by the state of a delivery."""
MAX_DELIVERIES: Final = 50
"""Deliveries that are recorded in one transaction."""
MAX_RECORDED: Final = 50
"""Alarms of one delivery that get an entry each; the text counts the rest, and `pumps` names theirs."""


def record(data: Path, queue: Queue, alarms: Mapping[str, Alarm], speed: float = 1.0) -> int:
    """Record deliveries that ended; return how many. The same delivery is recorded once, however often this is called.

    `speed` is the therapy seconds per wall second of the fleet: pages sort an alarm's story by therapy time.

    Raises `JournalError`, `sqlite3.Error` or `OSError`; then they are recorded later.
    """
    found = queue.unrecorded(MAX_DELIVERIES)
    if not found:
        return 0
    rows = [entry for row in found for entry in _entries(row, alarms, speed)]
    if not (data / "journal.sqlite").exists():
        raise JournalError(f"there is no journal in {data} yet")
    journal = Journal(data, move_unreadable=False)
    try:
        journal.append(pl.DataFrame(rows, schema={**ENTRIES_SCHEMA}, orient="row"))
    finally:
        journal.close()
    queue.recorded([row[0] for row in found])
    return len(found)


def _entries(row: tuple[Any, ...], alarms: Mapping[str, Alarm], speed: float) -> Iterator[dict[str, Any]]:
    """Yield an entry for each alarm of a delivery."""
    key, body, service, state, finished, reason, notified = row
    message = msgspec.json.decode(body, type=Message)
    listed = msgspec.json.decode(notified, type=list[str]) or [name for name, _ in (*message.raised, *message.returned)]
    text = _text(message, service, reason if state == "dead" else "")
    rest = listed[MAX_RECORDED:]
    for place, name in enumerate(listed[:MAX_RECORDED]):
        last = place == MAX_RECORDED - 1 and rest
        entry: dict[str, Any] = dict.fromkeys(ENTRIES_SCHEMA)
        yield {
            **entry,
            **_about(name, alarms.get(name)),
            "at": finished,
            "time": _therapy_ms(alarms.get(name), finished, speed),
            "kind": KINDS[state],
            "who": WHO,
            "origin": service,
            "text": f"{text}; with {len(rest):,} more alarms" if last else text,
            "pumps": [name.rsplit("/", 2)[0] for name in rest] if last else None,
            "once": f"{key}/{finished}/{name}",  # a dead letter that is tried again ends once more
        }


def _text(message: Message, service: str, reason: str) -> str:
    what = f"escalation step {message.step}" if message.kind == "escalated" else message.kind
    done = f"{service} could not be notified" if reason else f"{service} was notified"
    return f"{done}: {what}, route {message.route}{f'; {reason}' if reason else ''}"


def _therapy_ms(alarm: Alarm | None, at: int, speed: float) -> int | None:
    """Return the therapy time at a wall time, counted on from when an alarm was annunciated; None if unknown."""
    if alarm is None or alarm.time is None:
        return None
    return alarm.time + round(max(0, at - alarm.raised_at) * speed)


def _about(name: str, alarm: Alarm | None) -> dict[str, Any]:
    """Return what an entry says about its alarm; one that is over has only its id."""
    if name.startswith(ITSELF):
        part = name.removeprefix(ITSELF).partition("/")[0]
        return {"subject": f"system: {part}", "subject_kind": "system", "title": alarm.title if alarm else None}
    if alarm is None:
        return {"alarm": name, "subject": name.rsplit("/", 2)[0]}
    fields = ("alarm", "subject", "subject_kind", "pump", "rule", "title")
    return {**{field: getattr(alarm, field) for field in fields}, "priority": CODES[alarm.priority]}


ERRORS: Final = (JournalError, sqlite3.Error, OSError)
"""What keeps deliveries from being recorded now."""
