"""Compaction: the history's small files are merged in the background, and what is too old is removed."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from broker.store.history import History
from processor.intake.gateway import Gateway
from processor.pipeline import Pipeline
from processor.service.guard import ERRORS, describe
from processor.service.metering import Meter

INTERVAL_S: Final = 1.0
SHARE: Final = 0.25
"""Share of the time that goes into merging, at most: judging needs the machine more."""


@dataclass
class Compaction:
    """Merges the history in the directory `data`; a failure is a trouble of the meter. `wall_ms` is the wall clock."""

    data: Path
    history: History
    pipeline: Pipeline
    meter: Meter
    wall_ms: Callable[[], int]

    async def run(self) -> None:
        """Merge small files until cancelled; then what has begun ends with the file that is just being written."""
        try:
            while True:
                began = time.monotonic()
                merged = await self._step()
                took_s = time.monotonic() - began
                await asyncio.sleep(took_s * (1 / SHARE - 1) if merged else INTERVAL_S)
        finally:
            self.history.stopped.set()

    async def _step(self) -> bool:
        try:
            merged = await asyncio.to_thread(self._merge)
        except ERRORS as error:
            known = isinstance(error, OSError | pl.exceptions.PolarsError)
            reason = error if known else describe(error)
            self.meter.trouble("merging", f"cannot merge the history in {self.data}: {reason}")
            return False
        self.meter.recovered("merging")
        return merged

    def _merge(self) -> bool:
        now = self.wall_ms()
        return self.history.merge(now, clock_ms=fleet_clock(self.pipeline.registry.gateways.order, now))


def fleet_clock(gateways: Iterable[Gateway], now: int) -> int | None:
    """Return the fleet's therapy clock (ms) at `now` (wall ms), None while no gateway with a known clock is online.

    It is the median of the gateways' clocks, the lower one of two: a minority of wrong clocks does not move it, and of
    two that differ, the one behind deletes less.
    """
    clocks = [each.therapy_ms(now) for each in gateways if each.state == "online" and each.heard_therapy]
    return statistics.median_low(clocks) if clocks else None
