"""Queue of MQTT messages between broker and pipeline: those waiting, and those not yet acknowledged."""

from __future__ import annotations

import asyncio
import bisect
import itertools
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from broker.mqtt.link import Message

CATCH_UP_BATCHES: Final = 4
"""Batches that are taken as one at most. Behind, fewer and larger ones are quicker; still larger ones take memory."""


@dataclass(frozen=True)
class Queued:
    """Messages taken out of the queue: from `own` on of the session with that number, before that of earlier ones.

    `since` is when the first of them was received, or earlier (monotonic, s); infinite without any.
    """

    messages: list[Message]
    session: int
    own: int
    since: float = math.inf


@dataclass
class MessageQueue:
    """A queue that is full with `max_messages` or `max_bytes`: then its owner stops reading, and the broker waits.

    What is read at once is taken as a whole: the queue exceeds its limits by less than that. `overflows` counts how
    often it became full. `arrived` is set when `batch_bytes` wait. A message belongs to the session that delivered it:
    its id means nothing in the next one, and it is not acknowledged there.
    """

    max_messages: int
    max_bytes: int
    batch_bytes: int
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    waiting_bytes: int = 0
    overflows: int = 0
    _waiting: list[Message] = field(default_factory=list)
    _unacknowledged: list[int] = field(default_factory=list)
    _session: int = 0
    _own: int = 0
    _since: float = math.inf

    def receive(self, messages: list[Message]) -> None:
        """Queue messages that were read at once."""
        before = self.full
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting += messages
        self.waiting_bytes += sum(len(message.payload) for message in messages)
        self.overflows += self.full and not before
        if self.waiting_bytes >= self.batch_bytes or self.full:
            self.arrived.set()

    @property
    def full(self) -> bool:
        """Whether no more messages should be read until these are taken."""
        return len(self._waiting) >= self.max_messages or self.waiting_bytes >= self.max_bytes

    def end_session(self) -> None:
        """End the session: none of its messages are acknowledged any more.

        They are processed all the same: most are redelivered and change nothing, but a broker that died with the
        connection may have lost them.
        """
        self._session += 1
        self._own = len(self._waiting)
        self._unacknowledged.clear()

    def take(self) -> Queued:
        """Return the messages that wait, but no more than fill `CATCH_UP_BATCHES`; `arrived` is set if others are left.

        Call `taken` when they are in the state.
        """
        count, size = len(self._waiting), self.waiting_bytes
        if size > CATCH_UP_BATCHES * self.batch_bytes:
            sizes = list(itertools.accumulate(len(message.payload) for message in self._waiting))
            count = bisect.bisect_left(sizes, CATCH_UP_BATCHES * self.batch_bytes) + 1
            size = sizes[count - 1]
        since = self._since if count else math.inf
        taken = Queued(self._waiting[:count], self._session, min(self._own, count), since)
        self._waiting = self._waiting[count:]
        self.waiting_bytes -= size
        self._own = max(0, self._own - count)
        if self._waiting:
            self.arrived.set()
        return taken

    def put_back(self, queued: Queued, taken: Sequence[int], held: Sequence[int]) -> Queued:
        """Return the messages at the places `taken`, in that order; those at `held` are again the first that wait."""
        back = [queued.messages[place] for place in sorted(held)]
        self._waiting = back + self._waiting
        self.waiting_bytes += sum(len(message.payload) for message in back)
        # In another order, those of earlier sessions are no longer the first: then none is acknowledged in this one,
        # and the broker delivers some once more.
        mixed = queued.own > 0 or queued.session != self._session
        self._own += len(back) if mixed or self._own else 0
        own = len(taken) if mixed else 0
        return Queued([queued.messages[place] for place in taken], queued.session, own, queued.since)

    def taken(self, taken: Queued) -> None:
        """Mark messages as being in the state: they are acknowledged once the state is durable."""
        if taken.session == self._session:
            self._unacknowledged += [message.mid for message in taken.messages[taken.own :]]

    @property
    def unacknowledged(self) -> int:
        """Number of messages in the state that are not yet acknowledged."""
        return len(self._unacknowledged)

    def durable(self) -> tuple[int, list[int]]:
        """Return the session and the ids of the messages that the next checkpoint makes durable.

        Call `acknowledged` after it.
        """
        return self._session, list(self._unacknowledged)

    def acknowledged(self, session: int, mids: list[int]) -> bool:
        """Forget durable messages; return whether their session still exists, so that they can be acknowledged."""
        if session != self._session:
            return False
        del self._unacknowledged[: len(mids)]
        return True
