"""Queue of MQTT messages between broker and pipeline: those waiting, and those not yet acknowledged."""

from __future__ import annotations

import asyncio
import collections
from dataclasses import dataclass, field

from broker.mqtt.link import Message


@dataclass
class MessageQueue:
    """A queue of at most `max_messages` and `max_bytes`; a message without room stays with the broker, as do all later.

    `arrived` is set when `batch_bytes` wait. A message belongs to the session that delivered it: its id means nothing
    in the next one, and it is not acknowledged there.
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
        """Queue a message if there is room."""
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
        """End the session: none of its messages are acknowledged any more.

        They are processed all the same: most are redelivered and change nothing, but a broker that died with the
        connection may have lost them.
        """
        self._session += 1
        self._full = False
        self._unacknowledged.clear()

    def take(self) -> list[tuple[int, Message]]:
        """Return the messages that wait, each with its session; call `taken` when they are in the state."""
        messages = list(self._waiting)
        self._waiting.clear()
        self.waiting_bytes = 0
        return messages

    def taken(self, messages: list[tuple[int, Message]]) -> None:
        """Mark messages as being in the state: they are acknowledged once the state is durable."""
        self._unacknowledged.extend(message for session, message in messages if session == self._session)

    @property
    def unacknowledged(self) -> int:
        """Number of messages in the state that are not yet acknowledged."""
        return len(self._unacknowledged)

    def durable(self) -> tuple[int, list[Message]]:
        """Return the session and the messages that the next checkpoint makes durable; call `acknowledged` after it."""
        return self._session, list(self._unacknowledged)

    def acknowledged(self, session: int, messages: list[Message]) -> bool:
        """Forget durable messages; return whether their session still exists, so that they can be acknowledged."""
        if session != self._session:
            return False
        del self._unacknowledged[: len(messages)]
        return True

    @property
    def must_fetch(self) -> bool:
        """Whether there is room for messages that stayed with the broker, which delivers them on a new connection."""
        return self._full and not self._waiting
