"""This file notices new snapshots, reads each once for everybody, and pushes word of them to the browsers."""

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
from dash import Dash, ctx, set_props

from broker.store.snapshot import Snapshot, empty
from broker.store.snapshot_files import read, stamp
from dashboard.data.queries import summary

LOOK_S: Final = 0.1
OLD_MS: Final = 5_000
MIN_BYTES: Final = 4 * 1024 * 1024
"""With less room a snapshot may not fit."""
PUSH_S: Final = 0.5
"""No client is told more often than this; what came in between is skipped, the latest wins."""
BEAT_S: Final = 2.0
"""A word that the server is still there, for when there is nothing new to tell."""
LOG: Final = logging.getLogger("dashboard")


class Live:
    """The latest snapshot, shared by every page and client of this process."""

    def __init__(self, directory: Path, now: Callable[[], int]) -> None:
        """`directory` is where the snapshots are; `now` returns wall ms."""
        self._directory = directory
        self._now = now
        self._lock = threading.Lock()
        self._stamp: Any = None
        self._failing = False
        self._news = asyncio.Event()
        self._snapshot = empty()
        self._summary = summary(self._snapshot)
        self.count = 0

    def refresh(self) -> bool:
        """Read the snapshot if it is another one than before; keep the old one where that fails."""
        with self._lock:
            found = stamp(self._directory)
            if found == self._stamp:
                return False
            try:
                snapshot = read(self._directory)
                self._summary = summary(snapshot)
            except (OSError, ValueError, pl.exceptions.PolarsError) as error:
                if not self._failing:
                    LOG.warning("the snapshot in %s cannot be read: %s", self._directory, error)
                self._failing = True
                return False
            if self._failing:
                LOG.warning("the snapshot in %s can be read again", self._directory)
            self._failing, self._snapshot, self._stamp = False, snapshot, found
            self.count += 1
            return True

    def snapshot(self) -> Snapshot:
        """Return the latest snapshot."""
        self.refresh()
        return self._snapshot

    def payload(self) -> dict[str, Any]:
        """Return the small word of the latest snapshot that browsers get."""
        return {**self._summary, "count": self.count, "age_ms": self._age_ms()}

    def beat(self) -> dict[str, Any]:
        """Return the word that we are alive, how old the latest snapshot is, and why, as far as the disk tells."""
        age_ms = self._age_ms()
        why = disk_refuses(self._directory) if age_ms is not None and age_ms > OLD_MS else ""
        return {"age_ms": age_ms, "at": self._now(), "why": why}

    def _age_ms(self) -> int | None:
        written = self._snapshot.health.written
        return max(0, self._now() - written) if written else None

    async def watch(self) -> None:
        """Look for new snapshots until cancelled."""
        while True:
            if await asyncio.to_thread(self.refresh):
                self._news.set()
                self._news = asyncio.Event()
            await asyncio.sleep(LOOK_S)

    async def newer(self, count: int, timeout_s: float) -> bool:
        """Wait until there is a newer snapshot than number `count`; False when none came in time."""
        news = self._news
        if self.count != count:
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await news.wait()
        return self.count != count

    @contextlib.asynccontextmanager
    async def watching(self, _server: object = None) -> AsyncIterator[None]:
        """Watch as long as the server runs."""
        task = asyncio.create_task(self.watch(), name="snapshot watcher")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def disk_refuses(directory: Path) -> str:
    """Say why nothing can be written to a directory; "" where its disk does not show a reason."""
    try:
        disk = os.statvfs(directory)
    except OSError as error:
        return f"The directory of the snapshots cannot be reached: {error.strerror}."
    if disk.f_flag & os.ST_RDONLY:
        return "The disk of the processor is read-only."
    if disk.f_bavail * disk.f_frsize < MIN_BYTES:
        return "The disk of the processor is full."
    return ""


def register(app: Dash, live: Live) -> None:
    """Let every browser hold one open callback that is told of new snapshots, and else that we are alive."""

    @app.callback(websocket=True, persistent=True)
    async def push() -> None:
        told = -1
        while not ctx.websocket.is_shutdown:
            if await live.newer(told, BEAT_S):
                told = live.count
                set_props("live", {"data": live.payload()})
            set_props("beat", {"data": live.beat()})
            await asyncio.sleep(PUSH_S)
