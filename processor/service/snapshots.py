"""Snapshots: alarms with each one; pump values and forecasts as often as their cost allows, beside the judging."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import polars as pl

from broker.store.snapshot import Health
from broker.store.snapshot_files import SnapshotWriter, TableFiles
from processor.pipeline import Pipeline
from processor.view.fleet_view import FleetView, TableRows

ALARM_SHARE: Final = 0.1
"""Share of the time that goes into the alarms of snapshots, as long as they are not older than `MAX_PAUSE_S`."""
MIN_PAUSE_S: Final = 0.25
MAX_PAUSE_S: Final = 0.4
"""Time between two snapshots: people do not see more than four a second, and alarms must not wait on a busy machine."""
VALUES_SHARE: Final = 0.05
FORECAST_SHARE: Final = 0.05
"""Shares of the time that go into the values and the forecasts of pumps, however large the fleet."""
MAX_VALUES_PAUSE_S: Final = 10.0
MIN_FORECAST_PAUSE_S: Final = 2.0
MAX_FORECAST_PAUSE_S: Final = 60.0
MAX_INLINE_PUMPS: Final = 20_000
"""Up to this size of the fleet its table is made with the alarms, in some ms; above it, beside the judging."""
UNCHANGED_PAUSE_MS: Final = 1_000
"""How often the table of such a fleet is made if no sample has come since (wall clock): only ages change then."""


@dataclass(frozen=True)
class _Table:
    """A table of pumps that is on disk: its rows, its files, and the seconds that the parts took.

    `samples` is how many had been taken in of all pumps.
    """

    rows: TableRows
    files: TableFiles
    samples: int
    values_s: float
    forecasts_s: float = 0.0


@dataclass(frozen=True)
class Made:
    """A snapshot that is not written yet, and the seconds until the next one."""

    files: TableFiles
    small: dict[str, pl.DataFrame]
    health: Health
    pause_s: float


@dataclass
class SnapshotPublisher:
    """Makes the snapshots of a pipeline in a directory. Not to be called from two threads at once."""

    directory: Path
    pipeline: Pipeline
    _table: _Table | None = None
    _next_table: float = 0.0
    _made_at: int = 0
    _next_forecasts: float = 0.0
    _done: _Table | BaseException | None = None
    _making: threading.Thread | None = None
    _writer: SnapshotWriter = field(init=False)

    def __post_init__(self) -> None:
        self._writer = SnapshotWriter(self.directory)

    def make(self, health: Health, now: int, *, last: bool = False) -> Made:
        """Make a snapshot of the pipeline as it is; `write` may write it while the pipeline goes on.

        In a large fleet, the table of pumps is that of the last call or older; `last` waits for it and makes it anew.
        Raises what the making or writing of either raised.
        """
        began = time.monotonic()
        self._take(wait=last)
        inline = last or self._table is None or self.pipeline.state.height <= MAX_INLINE_PUMPS
        due = last or self._changed(now) if inline else began >= self._next_table
        if self._making is None and due:
            self._renew(health, now, inline=inline)
        if self._table is None:
            raise RuntimeError("there is no table of pumps")
        small = self.pipeline.alarm_tables(now, self._table.rows)
        pause_s = min(max((time.monotonic() - began) / ALARM_SHARE, MIN_PAUSE_S), MAX_PAUSE_S)
        return Made(self._table.files, small, health, pause_s)

    def write(self, made: Made) -> None:
        """Make a snapshot the current one. Raises `OSError`."""
        self._writer.publish(made.files, made.small, made.health)

    def _changed(self, now: int) -> bool:
        """Return whether the table of a small fleet would show anything but older values, or that it is time to."""
        table, registry = self._table, self.pipeline.registry
        if table is None or not 0 <= now - self._made_at < UNCHANGED_PAUSE_MS:
            return True
        return table.samples != _samples(self.pipeline.state) or not table.rows.same_as(
            TableRows(registry.facts(), registry.retired())
        )

    def _renew(self, health: Health, now: int, *, inline: bool) -> None:
        """Make the table of pumps, here or beside the judging."""
        view, before, self._made_at = self.pipeline.fleet_view(now), self._table, now
        if inline:
            self._make(view, before, health, now)
            self._take()
        else:
            making = threading.Thread(target=self._make, args=(view, before, health, now), name="pump table")
            self._making = making
            making.start()

    def _make(self, view: FleetView, before: _Table | None, health: Health, now: int) -> None:
        began = time.monotonic()
        files = TableFiles() if before is None else before.files
        names = {"at": now, "run": health.started, "version": health.version}
        try:
            files = self._writer.write_table({"values": view.values()}, files, **names)
            done = _Table(view.rows, files, _samples(view.state), values_s=time.monotonic() - began)
            facts = {} if before and view.rows.same_as(before.rows) else {"facts": view.facts()}
            if facts or began >= self._next_forecasts:
                files = self._writer.write_table({**facts, "forecasts": view.forecasts()}, files, **names)
                took_s = time.monotonic() - began - done.values_s
                done = replace(done, files=files, forecasts_s=took_s)
            self._done = done
        except BaseException as error:  # noqa: BLE001  # raised again by the next call, in its thread
            self._done = error

    def _take(self, *, wait: bool = False) -> None:
        """Take over a table that is done; raise the error if it failed."""
        if self._making is not None:
            if wait:
                self._making.join()
            if self._making.is_alive():
                return
            self._making = None
        done, self._done = self._done, None
        clock = time.monotonic()
        if isinstance(done, BaseException):
            self._next_table = clock + MIN_FORECAST_PAUSE_S
            raise done
        if done is None:
            return
        self._table = done
        self._next_table = clock + min(done.values_s / VALUES_SHARE, MAX_VALUES_PAUSE_S)
        if done.forecasts_s:
            pause_s = max(done.forecasts_s / FORECAST_SHARE, MIN_FORECAST_PAUSE_S)
            self._next_forecasts = clock + min(pause_s, MAX_FORECAST_PAUSE_S)


def _samples(state: pl.DataFrame) -> int:
    """Return how many samples were taken in of all pumps."""
    return int(state["samples"].sum())
