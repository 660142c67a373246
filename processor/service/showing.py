"""Showing: makes a snapshot when it is due, and writes it while the next batch is judged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.store.snapshot import Health
from processor.service.guard import ERRORS, describe
from processor.service.metering import Meter
from processor.service.snapshots import Made, SnapshotPublisher

RETRY_S: Final = 1.0
"""Time until a snapshot that could not be made or written is tried again."""
UNCHANGED_S: Final = 1.0
"""Time until the next snapshot if nothing has arrived and no alarm has changed."""
PART: Final = "snapshot"
"""Name of the trouble."""


@dataclass
class Showing:
    """Shows a pipeline to dashboards; a failure is a trouble of the meter, and is retried.

    `health` returns the processor's health at a wall time (ms), `wall_ms` is the wall clock. `on_shown` is called after
    a snapshot, named by its version, is complete with what had been taken in when it was `marked`.
    """

    snapshots: SnapshotPublisher
    meter: Meter
    health: Callable[[int], Health]
    wall_ms: Callable[[], int]
    marked: Callable[[], int] = lambda: 0
    on_shown: Callable[[int, int], None] = lambda _mark, _version: None
    _due_at: float = 0.0
    _writing: asyncio.Task[bool] | None = None
    _counted: tuple[int, dict[str, str]] | None = None
    _alarms: pl.DataFrame | None = None

    async def advance(self, clock: float, *, last: bool = False) -> None:
        """Make a snapshot and begin to write it, if it is time at `clock` (monotonic, s); the `last` is waited for."""
        pipeline, counted = self.snapshots.pipeline, (self.meter.messages, dict(self.meter.troubles))
        unchanged = counted == self._counted and pipeline.alarms is self._alarms
        if not last and clock < self._due_at + (UNCHANGED_S if unchanged else 0.0):
            return
        written = await self._writing if self._writing else True
        now, mark = self.wall_ms(), self.marked()
        try:
            made = await asyncio.to_thread(self.snapshots.make, self.health(now), now, last=last)
        except ERRORS as error:
            self._fails(error)
            self._due_at = clock + RETRY_S
            return
        self._counted, self._alarms = counted, pipeline.alarms
        self._writing = asyncio.create_task(self._write(made, self.meter.take_unseen(), mark), name="snapshot")
        if last:
            await self._writing
        self._due_at = clock + (made.pause_s if written else RETRY_S)

    async def _write(self, made: Made, sent: list[npt.NDArray[np.int64]], mark: int) -> bool:
        try:
            await asyncio.to_thread(self.snapshots.write, made)
        except ERRORS as error:
            self._fails(error)
            self.meter.still_unseen(sent)
            return False
        self.meter.recovered(PART)
        self.meter.alarms = made.small["alarms"]
        self.meter.shown(self.wall_ms(), sent)
        self.on_shown(mark, made.health.version)
        return True

    def _fails(self, error: BaseException) -> None:
        self._counted = None
        where = f"cannot write to {self.snapshots.directory}: {error}"
        reason = where if isinstance(error, OSError) else f"cannot make the snapshot: {describe(error)}"
        self.meter.trouble(PART, f"{reason}; dashboards are not updated")
