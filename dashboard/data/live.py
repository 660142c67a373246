"""Live updates: reads each new snapshot once for all clients, and tells those who wait for one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import polars as pl

from broker.store.snapshot import Snapshot, empty
from broker.store.snapshot_files import MANIFEST, SnapshotReader, stamp
from dashboard.data import fleet_map
from dashboard.data.attention import Attention
from dashboard.data.directory_watch import DirectoryWatch
from dashboard.data.part_status import PartStatus
from dashboard.data.queries import summary, values_lag_ms

POLL_INTERVAL_S: Final = 0.04
"""Looking whether there is a new snapshot takes 0.1 ms with all that goes with it."""
WATCHED_POLL_INTERVAL_S: Final = 0.25
"""The same where the kernel reports new snapshots; what another machine writes over a network is not reported."""
STALE_MS: Final = 5_000
MIN_FREE_BYTES: Final = 4 * 1024 * 1024
"""With less free space a snapshot may not fit."""
PUSH_INTERVAL_S: Final = 0.5
"""Minimum time between updates of a client whose alarms are the same; snapshots in between are skipped."""
ALARM_PUSH_INTERVAL_S: Final = 0.15
"""The same if alarms came, went or changed their state."""
UNREADABLE: Final = "The dashboard cannot read the snapshots of the stream processor; its log says why."
LOG: Final = logging.getLogger("dashboard")


class Live:
    """The latest snapshot, shared by every page and client of this process."""

    def __init__(self, directory: Path, now: Callable[[], int]) -> None:
        """`directory` is where the snapshots are; `now` returns wall ms."""
        self._directory, self._reader = directory, SnapshotReader(directory)
        self._now = now
        self._parts = PartStatus(directory.parent, now)
        self._lock = threading.Lock()
        self._stamp: Any = None
        self._failing = False
        self._updated = asyncio.Event()
        self._snapshot = empty()
        self._summary = summary(self._snapshot)
        self._attention: Attention | None = None
        self.count = 0
        self.alarms_key = 0

    @property
    def failing(self) -> bool:
        """Whether the latest snapshot could not be read."""
        return self._failing

    def refresh(self) -> bool:
        """Read the snapshot if it changed, and return whether it did; keep the previous one if reading fails.

        While another thread reads it, the previous one stays: nobody waits.
        """
        if not self._lock.acquire(blocking=False):
            return False
        try:
            return self._read()
        finally:
            self._lock.release()

    def _read(self) -> bool:
        found = stamp(self._directory)
        if found == self._stamp:
            return False
        try:
            snapshot = self._reader.read()
            self._summary = {
                **summary(snapshot),
                "attention": self._attend(snapshot.alarms),
                "map": fleet_map.state_key(snapshot),
            }
        except (OSError, ValueError, pl.exceptions.PolarsError) as error:
            if not self._failing:
                LOG.warning("Snapshot in %s cannot be read (%s); showing the previous one", self._directory, error)
            self._failing = True
            return False
        if self._failing:
            LOG.warning("Snapshot in %s can be read again", self._directory)
        fleet_map.layout(snapshot.table.facts)  # made here, so that no viewer waits for it
        self._failing, self._snapshot, self._stamp = False, snapshot, found
        self.alarms_key = hash(tuple(snapshot.alarms.select("alarm", "state").hash_rows()))
        self.count += 1
        return True

    def _attend(self, alarms: pl.DataFrame) -> dict[str, Any]:
        self._attention = (self._attention or Attention(self._now())).after(alarms)
        return self._attention.payload()

    def snapshot(self) -> Snapshot:
        """Return the latest snapshot."""
        self.refresh()
        return self._snapshot

    def payload(self) -> dict[str, Any]:
        """Return the summary of the latest snapshot that browsers receive."""
        return {**self._summary, "count": self.count, "age_ms": self._age_ms()}

    def beat(self) -> dict[str, Any]:
        """Return the heartbeat: ages of the latest snapshot and of the pump values in it, and what is wrong.

        `why` is the problem with the disk, or with reading snapshots, if there is one and the snapshot is stale.
        `parts` are sentences about parts that keep exiting.
        """
        age_ms, lag_ms = self._age_ms(), values_lag_ms(self._snapshot)
        stale = age_ms is not None and age_ms > STALE_MS
        why = (disk_problem(self._directory) or (UNREADABLE if self._failing else "")) if stale else ""
        return {"age_ms": age_ms, "lag_ms": lag_ms, "at": self._now(), "why": why, "parts": self._parts.text()}

    def _age_ms(self) -> int | None:
        written = self._snapshot.health.written
        return max(0, self._now() - written) if written else None

    async def watch(self) -> None:
        """Check for new snapshots until cancelled."""
        woken = asyncio.Event()
        replaced = DirectoryWatch(self._directory, MANIFEST, woken.set)
        try:
            while True:
                woken.clear()
                replaced.start()
                if self._is_newer() and await asyncio.to_thread(self.refresh):
                    self._updated.set()
                    self._updated = asyncio.Event()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(WATCHED_POLL_INTERVAL_S if replaced.active else POLL_INTERVAL_S):
                        await woken.wait()
        finally:
            replaced.close()

    def _is_newer(self) -> bool:
        return bool(stamp(self._directory) != self._stamp)

    async def newer(self, count: int, timeout_s: float) -> bool:
        """Wait for a snapshot newer than number `count`; False on timeout."""
        return await self._until(lambda: self.count != count, timeout_s)

    async def pause(self, alarms_key: int) -> None:
        """Wait after an update whose alarms had this key, until a client may have the next: soon if alarms changed."""
        await asyncio.sleep(ALARM_PUSH_INTERVAL_S)
        await self._until(lambda: self.alarms_key != alarms_key, PUSH_INTERVAL_S - ALARM_PUSH_INTERVAL_S)

    async def _until(self, reached: Callable[[], bool], timeout_s: float) -> bool:
        """Ask after each new snapshot until it is so; False on timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not reached():
                    await self._updated.wait()
        return reached()

    @contextlib.asynccontextmanager
    async def watching(self, _server: object = None) -> AsyncIterator[None]:
        """Check for new snapshots while the server runs (ASGI lifespan)."""
        task = asyncio.create_task(self.watch(), name="snapshot watcher")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def disk_problem(directory: Path) -> str:
    """Return why nothing can be written to a directory, as a sentence; "" if its disk shows no problem."""
    try:
        disk = os.statvfs(directory)
    except OSError as error:
        return f"The directory of the snapshots cannot be reached: {error.strerror}."
    if disk.f_flag & os.ST_RDONLY:
        return "The disk of the processor is read-only."
    if disk.f_bavail * disk.f_frsize < MIN_FREE_BYTES:
        return "The disk of the processor is full."
    return ""
