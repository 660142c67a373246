"""Publication: samples go to the cluster's history table in the background, some seconds after they are durable."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.store.delta_log import ConflictError, Log
from broker.store.table_writer import SupersededError, TableWriter
from broker.store.unpublished import MIN_BYTES, SHARE, Unpublished
from processor.pipeline import Pipeline
from processor.rules.history_table import HISTORY_TABLE
from processor.service.compaction import fleet_clock
from processor.service.guard import ERRORS, describe
from processor.service.metering import Meter
from processor.service.settings import Settings
from processor.service.store import Store
from processor.service.system_journal import SystemJournal

INTERVAL_S: Final = 10.0
"""How often samples are published; less often the table has fewer commits and files."""
ATTEMPTS: Final = 5
"""Of one commit at which other commits for the same range come first."""
VACUUM_INTERVAL_S: Final = 6 * 3600.0
VACUUM_HOURS: Final = 24
"""Files that were merged or removed stay so long, for readers that began before."""


def waiting(settings: Settings) -> Unpublished | None:
    """Return what waits to be published in a data directory, None if there is no history table."""
    if settings.part is None or not settings.history_table:
        return None
    limit = max(MIN_BYTES, settings.history_bytes // SHARE)
    return Unpublished(settings.data, limit)


def publication_of(
    settings: Settings,
    store: Store,
    pipeline: Pipeline,
    *,
    meter: Meter,
    journal: SystemJournal,
    wall_ms: Callable[[], int],
) -> Publication | None:
    """Return the publication of a range's samples, None if there is no history table."""
    part, unpublished = settings.part, store.unpublished
    if part is None or unpublished is None:
        return None
    writer = TableWriter(Log(settings.history_table), part.number, part.epoch, unpublished)
    return Publication(writer, part.still_mine, settings.history_days, pipeline, meter, journal, wall_ms)


@dataclass
class Publication:
    """Publishes the samples of one range; a failure is a trouble of the meter, and is retried.

    Nothing is published once `still_mine` says no, and nothing waits for the table: samples wait on disk, and the
    oldest of too many are dropped from what waits and recorded in the journal.
    """

    writer: TableWriter
    still_mine: Callable[[], bool]
    max_days: int
    pipeline: Pipeline
    meter: Meter
    journal: SystemJournal
    wall_ms: Callable[[], int]
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _vacuum_at: float = field(default_factory=lambda: time.monotonic() + VACUUM_INTERVAL_S)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            await self.advance()

    async def advance(self) -> None:
        """Publish what may be published now, merge a few small files, and remove what is too old."""
        try:
            await asyncio.to_thread(self._locked)
        except (*ERRORS, SupersededError, ConflictError) as error:
            known = isinstance(error, OSError | SupersededError | ConflictError | pl.exceptions.PolarsError)
            reason = error if known else describe(error)
            waits = f"{self.writer.unpublished.bytes / 1e6:,.0f} MB wait"
            self.meter.trouble(HISTORY_TABLE, f"cannot write the history table: {reason}; {waits} on disk")
            self._limit()
            return
        self.meter.recovered(HISTORY_TABLE)

    def _locked(self) -> None:
        # What was cancelled goes on in its thread.
        with self._lock:
            self._work()

    def _work(self) -> None:
        while self.still_mine() and self._publish():
            pass
        if not self.still_mine():
            return
        stamp = self.wall_ms()
        self.writer.merge(stamp)
        clock = fleet_clock(self.pipeline.registry.gateways.order, stamp)
        self.writer.expire(stamp, clock, self.max_days)
        # One range does it for all.
        if self.writer.number == 0 and time.monotonic() >= self._vacuum_at:
            self._vacuum_at = time.monotonic() + VACUUM_INTERVAL_S
            self.writer.log.vacuum(VACUUM_HOURS)

    def _publish(self) -> int:
        for _ in range(ATTEMPTS - 1):
            try:
                return self.writer.publish(self.wall_ms())
            except ConflictError:
                continue
        return self.writer.publish(self.wall_ms())

    def _limit(self) -> None:
        dropped = self.writer.unpublished.limit()
        if dropped:
            limit = self.writer.unpublished.max_bytes
            text = f"{dropped:,} samples will not be in the history table: more than {limit:,} bytes waited for it"
            self.journal.record("removed", "history table", text)
