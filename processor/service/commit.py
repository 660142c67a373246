"""This file makes durable what the processor took in, and only then says so: to the broker, to gateways, to people."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from broker.contract.actions import Outcome
from broker.contract.messages import encode
from broker.contract.topics import OUTCOME
from broker.mqtt.link import Link
from processor.intake.confirmations import Confirmations
from processor.intake.message_queue import Intake
from processor.pipeline import Pipeline
from processor.service.metering import Meter
from processor.service.store import Store


@dataclass
class Keeper:
    """Saves what a run holds into the data directory `data`; a failure is a trouble of the meter, and tried again.

    `outcomes` wait to be told to people until what they did is durable. `wall_ms` is the clock.
    """

    data: Path
    pipeline: Pipeline
    store: Store
    intake: Intake
    meter: Meter
    link: Link
    wall_ms: Callable[[], int]
    outcomes: list[Outcome] = field(default_factory=list)
    _receipts: Confirmations = field(default_factory=Confirmations)

    def restored(self) -> None:
        """Take note that what the checkpoint had is durable: a run before may have ended before it could say so."""
        self._receipts.durable(self._receipts.standing(self.pipeline.registry.gateways))

    async def save(self) -> bool:
        """Make samples, entries and refusals durable; on failure keep them all and say so."""
        try:
            await asyncio.to_thread(self.store.write, self.wall_ms())
        except (OSError, sqlite3.Error) as error:
            self.meter.trouble("storage", f"cannot write to {self.data}: {error}; nothing is acknowledged")
            return False
        self.meter.recovered("storage")
        return True

    async def acknowledge(self) -> float:
        """Save the checkpoint, then tell the broker that all in it is safe; return the seconds it took."""
        began = time.monotonic()
        session, messages = self.intake.durable()
        standing = self._receipts.standing(self.pipeline.registry.gateways)
        outcomes = list(self.outcomes)
        if (messages or outcomes) and await self.save():
            try:
                await asyncio.to_thread(lambda: self.pipeline.save(self.wall_ms(), self.store.head))
            except OSError as error:
                text = f"cannot save to {self.data}: {error}; nothing is acknowledged"
                self.meter.trouble("checkpoint", text)
            else:
                self.meter.recovered("checkpoint")
                self._receipts.durable(standing)
                self._answer(outcomes)
                if self.intake.acknowledged(session, messages) and self.link.alive:
                    self.link.acknowledge(messages)
        return time.monotonic() - began

    def _answer(self, outcomes: list[Outcome]) -> None:
        """Tell people what became of what they did with alarms: not before that is durable."""
        for outcome in outcomes:
            if self.link.alive:
                self.link.publish(OUTCOME, encode(outcome))
        del self.outcomes[: len(outcomes)]

    def confirm(self) -> None:
        """Tell gateways what is durable; while there is no connection that waits."""
        for topic, payload in self._receipts.news() if self.link.alive else ():
            self.link.publish(topic, payload, retain=True)

    def confirm_anew(self) -> None:
        """At the next `confirm` tell all gateways again: what was told last may have been lost with the connection."""
        self._receipts.forget_told()

    async def merge_on(self, pause_s: float) -> None:
        """Keep the number of small history files down, beside the work, until cancelled."""
        while True:
            try:
                more = await asyncio.to_thread(self.store.history.merge, self.wall_ms())
            except (OSError, pl.exceptions.PolarsError) as error:
                self.meter.trouble("merging", f"cannot merge the history in {self.data}: {error}")
                more = False
            else:
                self.meter.recovered("merging")
            await asyncio.sleep(0 if more else pause_s)
