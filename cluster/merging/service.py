"""The merger's service: of all nodes that may run it, the one with the merger's lease makes what spans ranges.

Every second it copies new journal entries and writes a merged snapshot, if there is anything new.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.store.journal import JournalError
from cluster.merging.journals import Journals
from cluster.merging.merger import Merger

log = logging.getLogger("node")

INTERVAL_S: Final = 1.0
ERRORS: Final = (OSError, ValueError, sqlite3.Error, JournalError, pl.exceptions.PolarsError)
"""What a disk, or a file that somebody is just replacing, may lead to; the next step tries again."""


@dataclass
class MergerService:
    """Merges while `mine` says that the merger's lease is held; `wall_ms` is the wall clock.

    `snapshots` counts those written, `failures` steps that failed, `failing` those in a row; `reason` is the last one.
    """

    data: Path
    ranges: int
    mine: Callable[[], bool]
    wall_ms: Callable[[], int]
    snapshots: int = 0
    failures: int = 0
    failing: int = 0
    reason: str = ""
    _merger: Merger | None = field(default=None, repr=False)
    _journals: Journals | None = field(default=None, repr=False)

    def step(self, now_s: float) -> None:
        """Merge once; a failure is counted and logged once, and the next step tries again.

        `now_s` is a clock that is never set.
        """
        try:
            self._journals = self._journals or Journals(self.data, self.ranges)
            self._merger = self._merger or Merger(self.data, self.ranges, started=self.wall_ms())
            # First the entries, so that what a snapshot shows is in the journal.
            self._journals.step()
            self.snapshots += self._merger.step(now_s, self.wall_ms(), self.mine)
        except ERRORS as error:
            self.failures += 1
            self.failing += 1
            self.reason = str(error) or type(error).__name__
            if self.failing == 1:
                log.warning("the ranges cannot be merged into %s: %s; trying again", self.data, self.reason)
        else:
            if self.failing:
                log.info("the ranges are merged again, after %s failures", f"{self.failing:,}")
            self.failing = 0

    def close(self) -> None:
        """Close the journal of the cluster."""
        if self._journals is not None:
            self._journals.close()


async def run_merger(data: Path, ranges: int, mine: Callable[[], bool], stop: asyncio.Event) -> None:
    """Merge until `stop`, or until `mine` says that the merger's lease is over.

    Never raises because of a disk.
    """
    service = MergerService(data, ranges, mine, lambda: time.time_ns() // 1_000_000)
    try:
        while not stop.is_set() and mine():
            await asyncio.to_thread(service.step, time.monotonic())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), INTERVAL_S)
    finally:
        service.close()
