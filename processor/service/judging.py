"""Judging: messages through the guarded pipeline, in parts that are noted while in hand, and their results kept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from broker.contract.codec import Decoded
from broker.metrics.readings import Distribution
from processor.batch_result import BatchResult
from processor.service import checkpoint, in_hand, recovery
from processor.service.announcements import Announcements
from processor.service.commit import Committer
from processor.service.guard import GuardedPipeline
from processor.service.in_hand import InHand
from processor.service.message_log import MessageLog, Taken
from processor.service.metering import Meter
from processor.service.store import Store
from processor.watch.self_monitoring import SelfMonitor

log = logging.getLogger("processor")


@dataclass
class Judging:
    """Takes messages into the pipeline of `guarded`, and gives the results to store, committer and announcements.

    `durations` counts how long batches with messages took.
    """

    data: Path
    guarded: GuardedPipeline
    in_hand: InHand
    message_log: MessageLog
    store: Store
    meter: Meter
    committer: Committer
    announcements: Announcements
    max_rows: int
    durations: Distribution = field(default_factory=Distribution)

    async def take(
        self, taken: Taken, decoded: Sequence[Decoded | None] | None, done: Callable[[], None]
    ) -> list[BatchResult]:
        """Take in messages, and return the results.

        `done` is called when they are judged, before anything of them is committed.
        """
        began = time.monotonic()
        results, parts = [], self._parts(taken)
        for part in parts:
            with self.in_hand.holding(part.messages):
                results += await asyncio.to_thread(
                    self.guarded.take,
                    part.messages,
                    part.now,
                    listening=part.listening,
                    current=part.current,
                    readings=part.readings,
                    decoded=decoded if part is taken else None,
                )
        if taken.messages:
            self.durations.add(time.monotonic() - began)
        self.meter.messages += len(taken.messages)
        done()
        for part in parts:
            self.committer.taken(part)
        self._keep(results)
        return results

    async def replay(self, stop: asyncio.Event) -> bool:
        """Take in again what was taken in since the checkpoint; return whether that was all, before a `stop`."""
        began, samples = time.monotonic(), 0
        for taken in self.message_log.read(checkpoint.log_part(self.data)):
            if stop.is_set():
                return False
            results = []
            for part in self._parts(taken):
                with self.in_hand.holding(part.messages):
                    results += await asyncio.to_thread(recovery.replay, self.guarded, part)
            samples += sum(result.samples.height for result in results)
            self._keep(results)
            if 2 * self.store.rows >= self.max_rows:
                await self.committer.save()
        # Its counts are those of the run before, and begin again.
        self.guarded.pipeline.monitor = SelfMonitor()
        if not checkpoint.exists(self.data):
            # From here on, a journal with entries of a processor and no checkpoint is one that was tampered with.
            await self.committer.save_checkpoint()
        if samples:
            took_s = time.monotonic() - began
            log.info("took in %s samples since the checkpoint again in %.1f s", f"{samples:,}", took_s)
        self.committer.resume()
        return True

    def _parts(self, taken: Taken) -> list[Taken]:
        """Return what is taken one after the other; messages that ended earlier runs go into the quarantine instead."""
        for message in self.in_hand.guilty(taken.messages):
            self.guarded.pipeline.quarantine_message(message, taken.now, in_hand.REASON)
        return self.in_hand.parts(taken)

    def _keep(self, results: list[BatchResult]) -> None:
        for result in results:
            self.meter.count(result.samples)
            self.store.add(result)
            self.committer.outcomes += result.outcomes
        self.announcements.add(results)
