"""Commit: make durable what was processed, and only then acknowledge it to the broker, to gateways and to people."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from broker.contract.actions import Outcome
from broker.contract.messages import encode
from broker.contract.topics import OUTCOME
from broker.mqtt.link import Link
from processor.intake.confirmations import Confirmations
from processor.intake.gateway import Gateway
from processor.intake.message_queue import MessageQueue
from processor.pipeline import Pipeline
from processor.service import recovery
from processor.service.guard import ERRORS, describe
from processor.service.metering import Meter
from processor.service.store import Store


@dataclass
class Committer:
    """Saves the state of a run into the data directory `data`; a failure is a trouble of the meter, and is retried.

    `outcomes` are published when the actions they answer are durable. `wall_ms` is the wall clock.
    """

    data: Path
    pipeline: Pipeline
    store: Store
    queue: MessageQueue
    meter: Meter
    link: Link
    wall_ms: Callable[[], int]
    outcomes: list[Outcome] = field(default_factory=list)
    _confirmations: Confirmations = field(default_factory=Confirmations)

    def __post_init__(self) -> None:
        # The content of the checkpoint is durable: the last run may have ended before it could confirm it.
        self._confirmations.durable(self._progress())

    async def save(self) -> bool:
        """Write samples, journal entries and rejections; return whether that worked. What was not written is kept."""
        try:
            await asyncio.to_thread(self.store.write, self.wall_ms())
        except (OSError, sqlite3.Error) as error:
            self.meter.trouble("storage", f"cannot write to {self.data}: {error}; nothing is acknowledged")
            return False
        except ERRORS as error:
            self.meter.trouble("storage", f"cannot write to {self.data}: {describe(error)}; nothing is acknowledged")
            return False
        self.meter.recovered("storage")
        return True

    async def acknowledge(self) -> float:
        """Write the checkpoint, then acknowledge to the broker all messages in it; return the seconds it took."""
        began = time.monotonic()
        session, mids = self.queue.durable()
        progress = self._progress()
        outcomes = list(self.outcomes)
        if (mids or outcomes) and await self.save():
            try:
                await asyncio.to_thread(
                    lambda: recovery.save(self.data, self.pipeline, self.wall_ms(), self.store.head)
                )
            except ERRORS as error:
                reason = error if isinstance(error, OSError) else describe(error)
                text = f"cannot write the checkpoint to {self.data}: {reason}; nothing is acknowledged"
                self.meter.trouble("checkpoint", text)
            else:
                self.meter.recovered("checkpoint")
                self._confirmations.durable(progress)
                self._publish(outcomes)
                if self.queue.acknowledged(session, mids) and self.link.alive:
                    self.link.acknowledge(mids)
        return time.monotonic() - began

    def _progress(self) -> dict[str, tuple[int, int]]:
        return self._confirmations.progress(self.pipeline.registry.gateways.order)

    def _publish(self, outcomes: list[Outcome]) -> None:
        """Publish the outcomes of operator actions, which are durable now."""
        for outcome in outcomes:
            if self.link.alive:
                self.link.publish(OUTCOME, encode(outcome))
        del self.outcomes[: len(outcomes)]

    def confirm(self) -> None:
        """Confirm to gateways what is durable; without a connection, the confirmations stay due."""
        for topic, payload in self._confirmations.due() if self.link.alive else ():
            self.link.publish(topic, payload, retain=True)

    def reconfirm(self) -> None:
        """Make the next `confirm` repeat all confirmations: the last may have been lost with the connection."""
        self._confirmations.republish()

    async def compact(self, pause_s: float) -> None:
        """Merge small history files in the background until cancelled."""
        while True:
            try:
                merged = await asyncio.to_thread(self._merge)
            except ERRORS as error:
                known = isinstance(error, OSError | pl.exceptions.PolarsError)
                self.meter.trouble(
                    "merging", f"cannot merge the history in {self.data}: {error if known else describe(error)}"
                )
                merged = False
            else:
                self.meter.recovered("merging")
            await asyncio.sleep(0 if merged else pause_s)

    def _merge(self) -> bool:
        now = self.wall_ms()
        return self.store.history.merge(now, clock_ms=fleet_clock(self.pipeline.registry.gateways.order, now))


def fleet_clock(gateways: Iterable[Gateway], now: int) -> int | None:
    """Return the fleet's therapy clock (ms) at `now` (wall ms), None while no gateway with a known clock is online.

    It is the median of the gateways' clocks, the lower one of two: a minority of wrong clocks does not move it, and of
    two that differ, the one behind deletes less.
    """
    clocks = [each.therapy_ms(now) for each in gateways if each.state == "online" and each.heard_therapy]
    return statistics.median_low(clocks) if clocks else None
