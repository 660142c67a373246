"""The merger's service: of all nodes that may run it, the one with the merger's lease makes what spans ranges.

Every second it copies new journal entries and writes a merged snapshot, if there is anything new.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from broker.metrics.readings import Distribution, Reading, Vitals
from broker.store import snapshot_files
from broker.store.journal import JournalError
from cluster.merging import own_alarms, servers
from cluster.merging.journals import Journals
from cluster.merging.merger import DIRECTORY, Merger
from cluster.merging.own_alarms import OwnAlarms
from cluster.merging.servers import ServerWatch

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
    durations: Distribution = field(default_factory=Distribution)
    servers: ServerWatch = field(default_factory=lambda: ServerWatch(()))
    _recorded: pl.DataFrame = field(default_factory=pl.DataFrame, repr=False)
    _merger: Merger | None = field(default=None, repr=False)
    _journals: Journals | None = field(default=None, repr=False)

    def step(self, now_s: float) -> None:
        """Merge once; a failure is counted and logged once, and the next step tries again.

        `now_s` is a clock that is never set.
        """
        try:
            self._journals = self._journals or Journals(self.data, self.ranges)
            self._merger = self._merger or self._begin()
            # First the entries, so that what a snapshot shows is in the journal.
            self._journals.step()
            self.snapshots += self._merger.step(now_s, self.wall_ms(), self.mine, self.servers.down)
            self._record(self._journals, self._merger.standing)
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

    def _begin(self) -> Merger:
        """Start to merge, with the alarms that the merger before had raised."""
        self._recorded = own_alarms.among(snapshot_files.read(self.data / DIRECTORY).alarms)
        return Merger(self.data, self.ranges, started=self.wall_ms(), own=OwnAlarms(self._recorded))

    def _record(self, journals: Journals, standing: pl.DataFrame) -> None:
        """Record the merger's own alarms in the journal, from which people are notified."""
        if not self.mine():
            return
        changed = own_alarms.changes(self._recorded, standing, self.wall_ms())
        if changed.height:
            journals.append(changed)
        self._recorded = standing

    def readings(self) -> Iterator[Reading]:
        """Yield what there is to watch; it may be called while another thread merges."""
        yield Reading("pumpwatch_merger_snapshots_total", self.snapshots)
        yield Reading("pumpwatch_merger_failures_total", self.failures)
        yield Reading("pumpwatch_merger_step_duration_seconds", self.durations)
        if self._journals is not None:
            yield Reading("pumpwatch_merger_journal_entries_total", self._journals.copied)
        yield Reading("pumpwatch_merger_servers_down", len(self.servers.down))
        if self._merger is not None:
            ranges, nodes = self._merger.seen
            yield Reading("pumpwatch_merger_ranges_not_judged", sum(not one.judged for one in ranges))
            yield Reading("pumpwatch_merger_nodes_silent", sum(one.silent_s > 0 for one in nodes))
            for one in ranges:
                yield Reading("pumpwatch_merger_range_unchanged_seconds", one.shown_s, range=f"{one.number:02d}")

    def close(self) -> None:
        """Close the journal of the cluster."""
        if self._journals is not None:
            self._journals.close()


async def run_merger(
    data: Path,
    ranges: int,
    mine: Callable[[], bool],
    stop: asyncio.Event,
    *,
    monitors: Sequence[tuple[str, int]] = (),
    vitals: Vitals | None = None,
) -> None:
    """Merge until `stop`, or until `mine` says that the merger's lease is over.

    `monitors` are hosts and ports where the cluster's servers say how they are, `vitals` gets what there is to watch.
    Never raises because of a disk.
    """
    service, vitals = MergerService(data, ranges, mine, lambda: time.time_ns() // 1_000_000), vitals or Vitals("merger")
    service.servers = ServerWatch(monitors)
    vitals.read = service.readings
    watching = asyncio.create_task(_watch(service), name="watch servers")
    try:
        while not stop.is_set() and mine():
            began = time.monotonic()
            await asyncio.to_thread(service.step, began)
            service.durations.add(time.monotonic() - began)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), INTERVAL_S)
    finally:
        vitals.read = tuple
        watching.cancel()
        service.close()


async def _watch(service: MergerService) -> None:
    """Ask the servers until cancelled, in threads of their own: one that says nothing must not hold up the merger."""
    while True:
        await asyncio.to_thread(service.servers.step, time.monotonic(), service.wall_ms())
        await asyncio.sleep(servers.INTERVAL_S)
