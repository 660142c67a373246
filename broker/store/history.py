"""Writer of the history: appends samples, merges segments, rolls up days, removes the oldest data.

Sixteen segments of one level and hour are merged into one of the next level. When a day is over, it is merged into a
few files and rolled up; when a week is over, its hourly roll-ups are merged into a few files. The layout of the files
and reading them is in `broker.store.segments`, what is removed in `broker.store.retention`.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import polars as pl

from broker.store import arrivals, durable_write, retention, rollup, segments
from broker.store.segments import BLOCK_ROWS, DIRECTORY

MERGED: Final = 16
MAX_LEVEL: Final = 3
WHOLE_HOUR: Final = 9
"""The level of segments that hold a whole hour, merged first because the day would not fit into memory."""
LINGER_MS: Final = 10_000
"""Longer than a reader needs from listing the segments to opening them."""
SETTLED_MS: Final = 30_000
"""A day that is over is merged when nothing was added to it for this long."""
DEFAULT_MAX_BYTES: Final = 2 * 1024**3
ROLLUP_SHARE: Final = 4
"""Roll-ups may take up to a quarter of the limit for samples."""
ROW_GROUP: Final = 50_000
SMALL: Final = "0"
LARGE: Final = "large"
"""Names of segments as they arrived: small ones, of level 0, and those that stay as they are until the day is over."""
_AS_ARRIVED: Final = (SMALL, LARGE)
LARGE_ROWS: Final = BLOCK_ROWS // MERGED
ROLLUP_ROW_GROUP: Final = 2_400
"""The hours of 100 pumps and a day: the rows that are read to find one pump."""
WEEK_ROW_GROUP: Final = 8_400
"""The hours of 50 pumps and a week."""


class _StoppedError(Exception):
    """The background work is to end."""


@dataclass
class History:
    """Writer of the history. Only one process may use it.

    `max_bytes` limits the disk space of samples and `max_days`, if not 0, how many days with samples are kept before
    the current one; the oldest are removed first, and the newest hour is kept however large. `removed` counts what
    went for its size, `expired` the days that went for their age; `record` says which. Truncated segments are moved
    aside; `unreadable` lists them. Setting `stopped` ends background work at the next file; it may be repeated.
    """

    data: Path
    max_bytes: int = DEFAULT_MAX_BYTES
    max_days: int = 0
    bytes: int = 0
    rollup_bytes: int = 0
    removed: int = 0
    rollups_removed: int = 0
    expired: int = 0
    record: retention.Record = field(default_factory=retention.Record)
    unreadable: list[Path] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)
    _count: itertools.count[int] = field(default_factory=itertools.count)
    _grown: set[tuple[Path, int]] = field(default_factory=set)
    _touched: dict[Path, int] = field(default_factory=dict)
    _weeks: list[str] | None = None
    _merged: dict[Path, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _clock_ms: int | None = None
    _size_pace: retention.Pace = field(default_factory=retention.Pace)
    _rollup_pace: retention.Pace = field(default_factory=retention.Pace)
    _age_pace: retention.Pace = field(default_factory=retention.Pace)

    def __post_init__(self) -> None:
        for root in (self._root, self.data / rollup.DIRECTORY):
            durable_write.sweep(root)
            self.unreadable += segments.set_aside(root)
        self.bytes = retention.size([self._root])
        self.rollup_bytes = retention.size([self.data / rollup.DIRECTORY])
        hours = [path for path in self._root.glob("date=*/hour=*") if path.is_dir()]
        self._grown.update((hour, level) for hour in hours for level in range(MAX_LEVEL))
        self._touched.update((hour.parent, -SETTLED_MS) for hour in hours)
        if self.rollup_bytes < self.max_bytes // ROLLUP_SHARE // 2:
            rolled = rollup.rolled_days(self.data, rollup.HOUR)
            self._touched.update((day, -SETTLED_MS) for day in self._root.glob("date=*") if day.name not in rolled)

    @property
    def _root(self) -> Path:
        return self.data / DIRECTORY

    def append(self, samples: pl.DataFrame, stamp: int, written: Callable[[Path], None] | None = None) -> None:
        """Make samples (`SAMPLE_SCHEMA`) durable; `stamp` is wall ms, for file names and the pace of removal only.

        `written` is called with each new file, before anything is removed.
        """
        for hour, part in arrivals.by_hour(samples):
            directory = segments.hour_directory(self.data, hour)
            name = SMALL if part.height < LARGE_ROWS else LARGE
            path = self._free(directory, name, stamp)
            self._counted(_fill(path, name, arrivals.gathered(part)))
            if written is not None:
                written(path)
            if name == SMALL:
                self._grown.add((directory, 0))
            self._touched[directory.parent] = stamp
        self._remove_oldest(stamp)

    def _write(self, directory: Path, name: str, rows: pl.DataFrame, stamp: int, row_group: int = ROW_GROUP) -> int:
        """Write a new file and return its bytes."""
        return _fill(self._free(directory, name, stamp), name, rows, row_group)

    def _free(self, directory: Path, name: str, stamp: int) -> Path:
        """Return a path for a new file; a name is never used twice, whatever the clock does."""
        return next(path for n in self._count if not (path := directory / f"{name}-{stamp}-{n}.parquet").exists())

    def _counted(self, delta: int) -> None:
        with self._lock:
            self.bytes += delta

    def _rollups_counted(self, delta: int) -> None:
        self.rollup_bytes += delta

    def merge(self, stamp: int, clock_ms: int | None = None) -> bool:
        """Do one step of the background work; return whether there may be more.

        `stamp` (wall ms) is used in file names; merged files are removed by a call `LINGER_MS` later. `clock_ms` is
        the fleet's therapy clock, None while no gateway is known. May run in another thread than `append`, but only
        one call at a time.
        """
        self._clock_ms = clock_ms
        try:
            return self._merge(stamp)
        except _StoppedError:
            return False

    def _merge(self, stamp: int) -> bool:
        self._remove_merged(stamp)
        self._remove_old(stamp)
        if self._grown:
            self._merge_level(*self._grown.pop(), stamp)
            return True
        due = self._due(stamp)
        if due is not None:
            self._close_day(due, stamp)
            self._weeks = None
            return True
        return self._gather_week(stamp)

    def _merge_level(self, directory: Path, level: int, stamp: int) -> None:
        found = sorted(path for path in directory.glob(f"{level}-*.parquet") if path not in self._merged)
        if len(found) < MERGED or level >= MAX_LEVEL or segments.count(found) > BLOCK_ROWS:
            return
        merged = segments.once(segments.scan(found).collect(engine="in-memory"))
        self._counted(self._write(directory, str(level + 1), merged, stamp))
        self._merged.update(dict.fromkeys(found, stamp))
        self._grown.add((directory, level + 1))

    def _gather_week(self, stamp: int) -> bool:
        """Merge the roll-ups of a week that is over; return whether there was one."""
        if self._weeks is None:
            unfinished = [day.name for day in self._touched]
            self._weeks = rollup.weeks_to_gather(self.data, rollup.HOUR, self._current_day(), unfinished)
        if not self._weeks:
            return False
        self.rollup_bytes += rollup.gather_week(
            self.data,
            rollup.HOUR,
            self._weeks.pop(0),
            lambda place, rows: self._write_week(place, rows, stamp),
            BLOCK_ROWS // 4,
        )
        return True

    def _write_week(self, place: Path, rows: pl.DataFrame, stamp: int) -> int:
        self._check()
        return self._write(place, "all", rows, stamp, WEEK_ROW_GROUP)

    def _check(self) -> None:
        if self.stopped.is_set():
            raise _StoppedError

    def _current_day(self) -> str:
        day = retention.current(retention.days_of(self._root), self._clock_ms)
        return "" if day is None else day.name

    def _due(self, stamp: int) -> Path | None:
        """Return a day that is over and settled, and not merged yet."""
        current = self._current_day()
        for day, touched in sorted(self._touched.items()):
            if day.name != current and abs(stamp - touched) >= SETTLED_MS:
                del self._touched[day]
                return day
        return None

    def _close_day(self, day: Path, stamp: int) -> None:
        """Merge a day and roll it up; late samples cause it to be done again."""
        for hour in sorted(day.glob("hour=*")):
            files = self._present(hour.glob("*.parquet"))
            if segments.count(files) > BLOCK_ROWS and len(files) > 1:
                for part in self._parts(files):
                    self._counted(self._write(hour, str(WHOLE_HOUR), part, stamp))
                self._merged.update(dict.fromkeys(files, stamp))
        files = self._present(segments.of_day(day))
        steps = [rollup.HOUR] if files else []
        for number, part in enumerate(self._parts(files)):
            self._counted(self._write(day, "day", part, stamp))
            if number == 0 and rollup.is_worth(part, rollup.MINUTE):
                steps.append(rollup.MINUTE)
            for step in steps:
                staged = rollup.staged(self.data, step, day.name)
                self._write(staged, "all", rollup.roll_up(part, step), stamp, ROLLUP_ROW_GROUP)
        for step in steps:
            self.rollup_bytes += rollup.put_in_place(self.data, step, day.name)
        self._merged.update(dict.fromkeys(files, stamp))

    def _present(self, paths: Iterator[Path] | list[Path]) -> list[Path]:
        return sorted(path for path in paths if path not in self._merged)

    def _parts(self, files: list[Path]) -> Iterator[pl.DataFrame]:
        """Yield the samples of these files, each once, in groups of pumps that fit into memory."""
        for part in list(segments.ranges(lambda: files, pl.lit(value=True), BLOCK_ROWS)):
            self._check()
            found = segments.read(lambda: files, lambda frame, part=part: frame.filter(part))  # type: ignore[misc]
            if found is not None:
                yield segments.once(found)

    def _remove_merged(self, stamp: int) -> None:
        for path in [path for path, when in self._merged.items() if abs(stamp - when) >= LINGER_MS]:
            if path.exists():
                self._counted(-path.stat().st_size)
                path.unlink()
            del self._merged[path]
            retention.remove_empty(path.parent)

    def _remove_old(self, stamp: int) -> None:
        """Remove days that expired, once a minute, and the oldest roll-ups above their share of the disk."""
        if self.max_days and self._age_pace.is_over(stamp):
            for day in retention.expired(retention.days_of(self._root), self._clock_ms, self.max_days):
                reason = f"{self.max_days:,} days with samples are kept before the current day (--history-days)"
                self.record.remove(day, reason, self._counted)
                self.expired += 1
        limit = max(self.max_bytes // ROLLUP_SHARE, self._rollup_pace.floor(self.rollup_bytes, stamp))
        for place in rollup.oldest_first(self.data) if self.rollup_bytes > limit else ():
            if self.rollup_bytes <= limit:
                break
            reason = f"roll-ups above {self.max_bytes // ROLLUP_SHARE:,} bytes (a quarter of --history-size)"
            self.record.remove(place, reason, self._rollups_counted)
            self.rollups_removed += 1

    def _remove_oldest(self, stamp: int) -> None:
        """Remove the oldest hours and days until the samples are within their limit, or as many as may go at once."""
        limit = max(self.max_bytes, self._size_pace.floor(self.bytes, stamp))
        ahead_bytes = self.max_bytes // retention.AHEAD_SHARE
        while self.bytes > limit:
            place = retention.oldest(retention.days_of(self._root), self._clock_ms, ahead_bytes)
            if place is None:
                return
            reason = f"samples above {self.max_bytes:,} bytes (--history-size)"
            self.record.remove(place, reason, self._counted)
            self.removed += 1


def _fill(path: Path, name: str, rows: pl.DataFrame, row_group: int = ROW_GROUP) -> int:
    """Write samples or roll-ups into a new file and return its bytes."""
    # What is merged soon is compressed with the least effort.
    kind: Literal["lz4", "zstd"] = "lz4" if name in _AS_ARRIVED else "zstd"
    return durable_write.replace(
        path, lambda fresh: rows.write_parquet(fresh, row_group_size=row_group, compression=kind)
    )
