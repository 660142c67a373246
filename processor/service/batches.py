"""Batches: what is judged next, decoded beside the judging of the one before when the processor has no time to lose."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.contract.codec import Decoded
from broker.mqtt.link import Message
from processor.intake.message_queue import MessageQueue, Queued
from processor.service.guard import ERRORS
from processor.service.in_hand import InHand

Frames = Sequence[Decoded | None]
"""For each message of a batch, its Arrow payload, None if it has none (`processor.intake.inbox.Inbox.decode`)."""


@dataclass
class Batches:
    """Takes batches out of the queue. `decode` may run in another thread while an earlier batch is judged.

    What is decoded is noted in `in_hand`. Beside suspects nothing is decoded, and they are not decoded ahead.
    """

    queue: MessageQueue
    decode: Callable[[Sequence[Message]], Frames]
    in_hand: InHand
    _ahead: tuple[Queued, asyncio.Task[Frames | None]] | None = None

    async def next(self) -> tuple[Queued, Frames | None]:
        """Return the messages of the next batch; their frames are None if they are still to be decoded.

        While more than a batch waits, the one after is decoded from now on.
        """
        busy = self.queue.waiting_bytes >= 2 * self.queue.batch_bytes
        if self._ahead is None and not busy:
            return self.queue.take(), None
        queued, decoding = self._ahead or self._begin()
        frames = await decoding
        more = self.queue.waiting_bytes >= self.queue.batch_bytes and not self.in_hand.suspicious(queued.messages)
        self._ahead = self._begin() if more else None
        return queued, frames

    def _begin(self) -> tuple[Queued, asyncio.Task[Frames | None]]:
        queued = self.queue.take()
        if self.in_hand.suspicious(queued.messages):
            return queued, asyncio.create_task(_later(), name="decode later")
        self.in_hand.hold(queued.messages)
        return queued, asyncio.create_task(asyncio.to_thread(self._decoded, queued.messages), name="decode")

    def _decoded(self, messages: list[Message]) -> Frames | None:
        try:
            return self.decode(messages)
        except ERRORS:
            # The guard meets it again when the batch is taken in, and isolates the message.
            return None


async def _later() -> None:
    """Return no frames."""
