"""The elected merger: of all nodes that run this, the one that holds the merger's lease makes what spans ranges.

A node starts `run_merger` once, beside its processors. Every second the elected one copies new journal entries and
writes a merged snapshot; one that loses its lease stops, and another takes over after the time of a lease.
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

import polars as pl

from broker.store.journal import JournalError
from cluster.leases import MERGER, RENEW_S, Lease, Leases, Store
from cluster.merging.journals import Journals
from cluster.merging.merger import Merger

log = logging.getLogger("cluster")

ERRORS = (OSError, ValueError, sqlite3.Error, JournalError, pl.exceptions.PolarsError)
"""What a disk, or a file that somebody is just replacing, may lead to; the next second tries again."""


@dataclass
class Counts:
    """What a merger did since its start: snapshots written, steps that failed in a row, and why the last one did."""

    elections: int = 0
    snapshots: int = 0
    failures: int = 0
    failing: int = 0
    reason: str = ""


@dataclass
class MergerService:
    """Takes part in the election of the merger and merges while elected.

    `clock` must run while the process is stopped (seconds), `wall_ms` is the wall clock.
    """

    data: Path
    ranges: int
    leases: Leases
    wall_ms: Callable[[], int]
    counts: Counts = field(default_factory=Counts)
    _merger: Merger | None = None
    _journals: Journals | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Take part until `stop`; then give the lease back."""
        stopping = asyncio.create_task(stop.wait(), name="merger stop")
        work: asyncio.Task[None] | None = None
        try:
            while not stop.is_set():
                lease = await self._elected()
                if work is None or work.done():
                    # A lease is renewed while a step that takes long goes on.
                    work = asyncio.create_task(asyncio.to_thread(self.step, lease), name="merger step")
                await asyncio.wait({stopping}, timeout=RENEW_S)
        finally:
            if work is not None:
                await work
            self._end()
            stopping.cancel()
            if MERGER in self.leases.held:
                with contextlib.suppress(OSError):
                    await self.leases.release(MERGER)

    async def _elected(self) -> Lease | None:
        """Renew the lease or try to get it; None while another node has it or no server answers."""
        try:
            if MERGER in self.leases.held:
                await self.leases.renew(MERGER)
            elif await self.leases.acquire(MERGER) is not None:
                self.counts.elections += 1
                log.info("this node merges what all ranges show")
        except OSError as error:
            log.debug("%s", error)
        return self.leases.held.get(MERGER)

    def step(self, lease: Lease | None) -> None:
        """Merge once if the lease is held; a failure is counted and logged once, and the next step tries again."""
        if lease is None:
            self._end()
            return
        clock = self.leases.clock
        try:
            if self._merger is None or self._journals is None:
                self._merger = Merger(self.data, self.ranges, started=self.wall_ms())
                self._journals = Journals(self.data, self.ranges)
            # First the entries, so that what a snapshot shows is in the journal.
            self._journals.step()
            self.counts.snapshots += self._merger.step(clock(), self.wall_ms(), lambda: lease.mine(clock()))
        except ERRORS as error:
            self.counts.failures += 1
            self.counts.failing += 1
            self.counts.reason = str(error) or type(error).__name__
            if self.counts.failing == 1:
                log.warning("the ranges cannot be merged into %s: %s; trying again", self.data, self.counts.reason)
        else:
            if self.counts.failing:
                log.info("the ranges are merged again, after %s failures", f"{self.counts.failing:,}")
            self.counts.failing = 0

    def _end(self) -> None:
        if self._journals is not None:
            self._journals.close()
        self._merger = self._journals = None


async def run_merger(data: Path, ranges: int, store: Store, node: str, stop: asyncio.Event) -> None:
    """Take part in the election of the merger of a cluster until `stop`, and merge while elected.

    `store` holds the leases, `node` is this node's name. Never raises because of a disk or an unreachable server.
    """
    leases = Leases(store, node, _clock)
    await MergerService(data, ranges, leases, lambda: time.time_ns() // 1_000_000).run(stop)


def _clock() -> float:
    """Return seconds since the machine started; they run while the process is stopped."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
