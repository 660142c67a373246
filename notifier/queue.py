"""Queue on disk: what the notifier remembers and every delivery, in SQLite; each step is one durable transaction."""

from __future__ import annotations

import contextlib
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.store.notification_files import QUEUE
from broker.store.notification_record import FORMAT
from notifier import queue_tables
from notifier.state import Alarm, Group, Message, State

MAX_WAITING: Final = 10_000
"""Deliveries that wait; more become dead letters at once."""
MAX_FINISHED: Final = 20_000
"""Finished deliveries that are kept; the oldest are removed first, their counts stay."""
MAX_REASON: Final = 300
FULL: Final = f"the queue was full: {MAX_WAITING:,} deliveries were waiting"
_QUEUED: Final = (
    *("key", "number", "route", "kind", "step"),
    *("service", "state", "decided", "next_at", "finished", "reason"),
)
_OPEN: Final = "state IN ('waiting', 'sending')"
_REST: Final = ("cursor", "sent", "number", "limited", "ignored")


class QueueError(Exception):
    """The queue cannot be used; the text says why and what to do."""


class Waiting(msgspec.Struct, frozen=True):
    """A delivery that is due: its key, its message, and how often it was tried."""

    key: str
    message: Message
    attempts: int
    decided: int


@dataclass
class Queue:
    """The queue of a data directory; there is one writer. Raises `QueueError` or `sqlite3.Error`."""

    data: Path
    installation: str = field(init=False)
    _connection: sqlite3.Connection = field(init=False)
    _saved: State | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / QUEUE).touch(mode=0o600)
        self._connection = sqlite3.connect(
            self.data / QUEUE, timeout=30.0, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        with self._transaction() as connection:
            found = connection.execute("PRAGMA user_version").fetchone()[0]
            if found > FORMAT:
                raise QueueError(
                    f"{self.data / QUEUE} has format {found}, and this version of Pumpwatch writes {FORMAT}; use the "
                    "newer version again, or move the file away"
                )
            if found == 0:
                for statement in (*queue_tables.TABLES, f"PRAGMA user_version = {FORMAT}"):
                    connection.execute(statement)
                connection.execute("INSERT INTO meta VALUES ('installation', ?)", (uuid.uuid4().hex,))
        self.installation = self._meta("installation", "")

    def load(self) -> State | None:
        """Return what was remembered, None at the first start."""
        saved = self._meta("state", "")
        if not saved:
            return None
        rows = self._connection.execute("SELECT name, body FROM alarm").fetchall()
        groups = self._connection.execute("SELECT name, body FROM grp").fetchall()
        self._saved = msgspec.convert(
            {
                **msgspec.json.decode(saved),
                "alarms": {name: msgspec.json.decode(body, type=Alarm) for name, body in rows},
                "groups": {name: msgspec.json.decode(body, type=Group) for name, body in groups},
            },
            State,
        )
        return self._saved

    def save(self, state: State, messages: Sequence[Message], now: int) -> None:
        """Remember a state and queue its messages, all or nothing. What is the same as before is not written again."""
        before = self._saved or State()
        with self._transaction() as connection:
            queue_tables.replace(connection, "alarm", before.alarms, state.alarms)
            queue_tables.replace(connection, "grp", before.groups, state.groups)
            rest = {name: getattr(state, name) for name in _REST}
            if self._saved is None or rest != {name: getattr(before, name) for name in _REST}:
                self._set_meta(connection, "state", msgspec.json.encode(rest).decode())
            for message in messages:
                self._queue(connection, message, now)
        self._saved = state

    def _queue(self, connection: sqlite3.Connection, message: Message, now: int) -> None:
        connection.execute("INSERT INTO message VALUES (?, ?)", (message.number, msgspec.json.encode(message)))
        waiting = connection.execute(f"SELECT count(*) FROM delivery WHERE {_OPEN}").fetchone()[0]  # noqa: S608
        for service in message.services:
            waiting += 1
            full = waiting > MAX_WAITING
            connection.execute(
                f"INSERT INTO delivery ({', '.join(_QUEUED)}) VALUES ({', '.join('?' * len(_QUEUED))})",  # noqa: S608
                (
                    *(self.key(message.number, service), message.number, message.route, message.kind, message.step),
                    *(service, "dead" if full else "waiting", now, now, now if full else None, FULL if full else ""),
                ),
            )
            if full:
                queue_tables.count(connection, "dead")

    def key(self, number: int, service: str) -> str:
        """Return the idempotency key of a message to a service: the same whenever it is sent again."""
        return sha256(f"{self.installation}/{number}/{service}".encode()).hexdigest()[:32]

    def due(self, service: str, now: int) -> Waiting | None:
        """Return the oldest delivery to a service that is due at `now` (wall ms)."""
        found = self._connection.execute(
            "SELECT key, body, attempts, decided FROM delivery JOIN message USING (number) "
            "WHERE state = 'waiting' AND service = ? AND next_at <= ? ORDER BY next_at, number LIMIT 1",
            (service, now),
        ).fetchone()
        if found is None:
            return None
        return Waiting(found[0], msgspec.json.decode(found[1], type=Message), found[2], found[3])

    def begin(self, key: str, title: str, notified: Sequence[str]) -> None:
        """Note that a delivery is being sent, about which alarms."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'sending', attempts = attempts + 1, title = ?, notified = ? WHERE key = ?",
                (title, msgspec.json.encode(list(notified)).decode(), key),
            )

    def finish(self, key: str, state: str, now: int, reason: str = "") -> None:
        """Note how a delivery ended: sent, dead or cancelled; then it is not tried again."""
        with self._transaction() as connection:
            changed = connection.execute(
                f"UPDATE delivery SET state = ?, finished = ?, reason = ? WHERE key = ? AND {_OPEN}",  # noqa: S608
                (state, now, reason[:MAX_REASON], key),
            )
            if changed.rowcount:
                queue_tables.count(connection, state)

    def retry(self, key: str, at: int, reason: str) -> None:
        """Note that an attempt failed, and when the next one is (wall ms)."""
        with self._transaction() as connection:
            connection.execute(
                "UPDATE delivery SET state = 'waiting', next_at = ?, reason = ? WHERE key = ? AND state = 'sending'",
                (at, reason[:MAX_REASON], key),
            )

    def revive(self, key: str, now: int) -> bool:
        """Let a dead letter be tried again, as if it had been decided now; return whether it was one."""
        with self._transaction() as connection:
            changed = connection.execute(
                "UPDATE delivery SET state = 'waiting', attempts = 0, decided = ?, next_at = ?, finished = NULL, "
                "recorded = 0 WHERE key = ? AND state = 'dead'",
                (now, now, key),
            )
        return changed.rowcount > 0

    def discard(self, key: str, now: int, reason: str) -> bool:
        """Give up a dead letter for good; return whether it was one."""
        with self._transaction() as connection:
            changed = connection.execute(
                "UPDATE delivery SET state = 'cancelled', finished = ?, reason = ? WHERE key = ? AND state = 'dead'",
                (now, reason[:MAX_REASON], key),
            )
        return changed.rowcount > 0

    def in_doubt(self) -> list[tuple[str, str]]:
        """Return key and service of deliveries during which the notifier ended: nobody knows whether they arrived."""
        return self._connection.execute("SELECT key, service FROM delivery WHERE state = 'sending'").fetchall()

    def unrecorded(self, limit: int) -> list[tuple[Any, ...]]:
        """Return key, message, service, state, end, reason and alarms of deliveries that ended and no journal has."""
        return self._connection.execute(
            "SELECT key, body, service, state, finished, reason, notified FROM delivery JOIN message USING (number) "
            "WHERE recorded = 0 AND state IN ('sent', 'dead') ORDER BY number LIMIT ?",
            (limit,),
        ).fetchall()

    def recorded(self, keys: Sequence[str]) -> None:
        """Note that the journal has these deliveries."""
        with self._transaction() as connection:
            connection.executemany("UPDATE delivery SET recorded = 1 WHERE key = ?", [(key,) for key in keys])

    def orphans(self, services: Sequence[str]) -> list[str]:
        """Return the keys of waiting deliveries to services that are not configured any more."""
        rows = self._connection.execute("SELECT key, service FROM delivery WHERE state = 'waiting'").fetchall()
        return [key for key, service in rows if service not in services]

    def waiting(self) -> tuple[int, int | None]:
        """Return how many deliveries wait, and since when the oldest does (wall ms)."""
        row = self._connection.execute(f"SELECT count(*), min(decided) FROM delivery WHERE {_OPEN}").fetchone()  # noqa: S608
        return row[0], row[1]

    def count(self, state: str) -> int:
        """Return how many deliveries ever ended in a state."""
        return int(self._meta(f"count {state}", "0"))

    def prune(self) -> None:
        """Remove the oldest finished deliveries beyond the maximum, and messages without any."""
        with self._transaction() as connection:
            connection.execute(
                f"DELETE FROM delivery WHERE NOT {_OPEN} AND (recorded = 1 OR state = 'cancelled') AND key NOT IN "  # noqa: S608
                f"(SELECT key FROM delivery WHERE NOT {_OPEN} ORDER BY number DESC LIMIT ?)",
                (MAX_FINISHED,),
            )
            connection.execute("DELETE FROM message WHERE number NOT IN (SELECT number FROM delivery)")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _meta(self, name: str, default: str) -> str:
        found = self._connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return default if found is None else str(found[0])

    def _set_meta(self, connection: sqlite3.Connection, name: str, value: str) -> None:
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
