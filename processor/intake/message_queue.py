"""This file keeps messages between the broker and the pipeline: those that wait, and those not yet acknowledged."""

from __future__ import annotations

import asyncio
import collections
from dataclasses import dataclass, field

from broker.mqtt.link import Message


@dataclass
class Intake:
    """Bounded by `max_messages` and `max_bytes`; what has no room stays with the broker, and all after it in its order.

    `arrived` is set when `batch_bytes` wait. A message belongs to the session that brought it: on the next one its id
    means nothing, and it is not acknowledged there.
    """

    max_messages: int
    max_bytes: int
    batch_bytes: int
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    waiting_bytes: int = 0
    overflows: int = 0
    _waiting: collections.deque[tuple[int, Message]] = field(default_factory=collections.deque)
    _unacknowledged: list[Message] = field(default_factory=list)
    _session: int = 0
    _full: bool = False

    def receive(self, message: Message) -> None:
        """Take a message to wait, if there is room."""
        full = len(self._waiting) >= self.max_messages or self.waiting_bytes + len(message.payload) > self.max_bytes
        if self._full or full:
            self.overflows += 1
            self._full = True
            return
        self._waiting.append((self._session, message))
        self.waiting_bytes += len(message.payload)
        if self.waiting_bytes >= self.batch_bytes:
            self.arrived.set()

    def end_session(self) -> None:
        """Acknowledge nothing of this session any more.

        What it brought is taken in all the same: most comes again and changes nothing, but a broker that died with
        the connection may have lost it.
        """
        self._session += 1
        self._full = False
        self._unacknowledged.clear()

    def take(self) -> list[tuple[int, Message]]:
        """Return all that waits, each with its session; `taken` must follow when it is in the state."""
        came = list(self._waiting)
        self._waiting.clear()
        self.waiting_bytes = 0
        return came

    def taken(self, came: list[tuple[int, Message]]) -> None:
        """Note that these are in the state, and so to be acknowledged once that is durable."""
        self._unacknowledged.extend(message for session, message in came if session == self._session)

    @property
    def unacknowledged(self) -> int:
        """How many messages are in the state and not yet acknowledged."""
        return len(self._unacknowledged)

    def durable(self) -> tuple[int, list[Message]]:
        """Return the session and the messages that are about to be durable; `acknowledged` must follow."""
        return self._session, list(self._unacknowledged)

    def acknowledged(self, session: int, messages: list[Message]) -> bool:
        """Forget messages that are durable; return whether their session still is, so that they can be told."""
        if session != self._session:
            return False
        del self._unacknowledged[: len(messages)]
        return True

    @property
    def must_fetch(self) -> bool:
        """Whether there is room again for what stayed with the broker, which sends it on a new connection only."""
        return self._full and not self._waiting
