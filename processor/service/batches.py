"""Batches: what is judged next, decoded beside the judging of the one before when the processor has no time to lose."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from broker.contract.codec import Decoded
from broker.mqtt.link import Message
from processor.intake import delivery_order
from processor.intake.message_queue import MessageQueue, Queued
from processor.service.guard import ERRORS
from processor.service.in_hand import InHand
from processor.service.redelivery import Redelivery

log = logging.getLogger("processor")

Frames = Sequence[Decoded | None]
"""For each message of a batch, its Arrow payload, None if it has none (`processor.intake.inbox.Inbox.decode`)."""


@dataclass
class Batches:
    """Takes batches out of the queue. `decode` may run in another thread while an earlier batch is judged.

    What is decoded is noted in `in_hand`. Beside suspects nothing is decoded, and they are not decoded ahead. While
    `redelivery` says that the broker may deliver out of order, messages wait for earlier ones of their gateway, as long
    as they are no more than a batch; `newest` returns what was taken of each pump (`delivery_order.NEWEST_SCHEMA`).
    """

    queue: MessageQueue
    decode: Callable[[Sequence[Message]], Frames]
    in_hand: InHand
    redelivery: Redelivery | None = None
    newest: Callable[[], pl.DataFrame] = lambda: pl.DataFrame(schema=delivery_order.NEWEST_SCHEMA)
    _ahead: tuple[Queued, asyncio.Task[Frames | None]] | None = None

    async def next(self) -> tuple[Queued, Frames | None]:
        """Return the messages of the next batch; their frames are None if they are still to be decoded.

        While more than a batch waits, the one after is decoded from now on.
        """
        busy = self.queue.waiting_bytes >= 2 * self.queue.batch_bytes
        if self._ahead is None and self.redelivery is not None and self.redelivery.unordered():
            return await self._in_order(self.redelivery), None
        if self._ahead is None and not busy:
            return self.queue.take(), None
        queued, decoding = self._ahead or self._begin()
        frames = await decoding
        more = self.queue.waiting_bytes >= self.queue.batch_bytes and not self.in_hand.suspicious(queued.messages)
        self._ahead = self._begin() if more else None
        return queued, frames

    async def end(self) -> None:
        """Give up what was decoded ahead, which nobody will judge: its messages were in hand, and nothing is wrong."""
        if self._ahead is not None:
            (queued, decoding), self._ahead = self._ahead, None
            await decoding
            self.in_hand.release(queued.messages)

    async def _in_order(self, redelivery: Redelivery) -> Queued:
        """Return the messages of the next batch without those that are ahead of earlier ones, which go on waiting."""
        queued = self.queue.take()
        if not queued.messages:
            return queued
        frames, newest = await self._frames(queued.messages), self.newest()
        if frames is None:
            return queued
        self.in_hand.hold(queued.messages)
        found = await asyncio.to_thread(delivery_order.arrange, queued.messages, frames, newest)
        self.in_hand.release(queued.messages)
        if sum(len(queued.messages[place].payload) for place in found.ahead) > self.queue.batch_bytes:
            log.warning("%s messages do not wait for earlier ones of their gateways: too many", f"{len(found.ahead):,}")
            return queued
        if found.ahead:
            redelivery.missed()
        return self.queue.put_back(queued, found.taken, found.ahead)

    async def _frames(self, messages: list[Message]) -> Frames | None:
        """Return the frames of messages, those of suspects decoded alone; None if some are not to be looked at.

        After a crash it is the suspects that the broker delivers late.
        """
        suspects = {at for at, each in enumerate(messages) if self.in_hand.suspicious([each])}
        if self.in_hand.guilty(messages):
            return None
        innocent = [at for at in range(len(messages)) if at not in suspects]
        frames: list[Decoded | None] = [None] * len(messages)
        for places in (innocent, *([at] for at in sorted(suspects))):
            group = [messages[at] for at in places]
            # Not `holding`: a suspect is one until it has been judged.
            self.in_hand.hold(group)
            found = await asyncio.to_thread(self._decoded, group)
            self.in_hand.release(group)
            if found is None:
                return None
            for at, frame in zip(places, found, strict=True):
                frames[at] = frame
        # JSON would be decoded together with others.
        unseen = (at for at in suspects if messages[at].topic.endswith("/telemetry") and frames[at] is None)
        return frames if next(unseen, None) is None else None

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
