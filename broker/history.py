"""This file is the record of all samples: Parquet segments that one process appends and others read.

`history/date=2026-01-31/hour=07/LEVEL-STAMP-COUNT.parquet`, by the sample's therapy time. Level 0 is as written;
sixteen segments of one level and hour become one of the next. What was merged lingers beside the result for a while,
so that a reader that has listed it can still open it; readers and later merges drop the repeats.
"""

from __future__ import annotations

import itertools
import shutil
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from broker import durable
from broker.signals import SAMPLE_SCHEMA, empty_samples

DIRECTORY: Final = "history"
MERGED: Final = 16
HIGHEST_LEVEL: Final = 3
HOUR_MS: Final = 3_600_000
LINGER_MS: Final = 10_000
"""Longer than a reader takes from listing the segments to having opened them."""
READ_ATTEMPTS: Final = 100
DEFAULT_MAX_BYTES: Final = 2 * 1024**3


@dataclass
class History:
    """The writing end. Only one process may hold it. `max_bytes` bounds the disk; the oldest hours go first."""

    data: Path
    max_bytes: int = DEFAULT_MAX_BYTES
    bytes: int = 0
    hours_removed: int = 0
    _count: itertools.count[int] = field(default_factory=itertools.count)
    _grown: set[tuple[Path, int]] = field(default_factory=set)
    _merged: dict[Path, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.bytes = sum(path.stat().st_size for path in self._root.rglob("*.parquet"))
        hours = [path for path in self._root.glob("date=*/hour=*") if path.is_dir()]
        self._grown.update((hour, level) for hour in hours for level in range(HIGHEST_LEVEL))

    @property
    def _root(self) -> Path:
        return self.data / DIRECTORY

    def append(self, samples: pl.DataFrame, stamp: int) -> None:
        """Make samples (`SAMPLE_SCHEMA`) durable; `stamp` is wall ms and only names the files."""
        hours = samples.with_columns((pl.col("time") // HOUR_MS).alias("hour"))
        for (hour,), part in hours.partition_by("hour", as_dict=True, include_key=False).items():
            directory = self._directory(int(hour))
            self._write(directory / f"0-{stamp}-{next(self._count)}.parquet", part)
            self._grown.add((directory, 0))
        while self.bytes > self.max_bytes and self._remove_oldest_hour():
            self.hours_removed += 1

    def _directory(self, hour: int) -> Path:
        return hour_directory(self.data, hour)

    def _write(self, path: Path, samples: pl.DataFrame) -> None:
        ordered = samples.sort("pump", "time")
        size = durable.replace(path, lambda fresh: ordered.write_parquet(fresh, row_group_size=50_000))
        self._counted(size)

    def _counted(self, more: int) -> None:
        with self._lock:
            self.bytes += more

    def merge(self, stamp: int) -> bool:
        """Merge the segments of one hour and level, if any has enough; return whether there may be more to merge.

        `stamp` (wall ms) names the result; what was merged is removed by a call `LINGER_MS` later. May run in another
        thread than `append`, but only once at a time.
        """
        self._remove_merged(stamp)
        if not self._grown:
            return False
        directory, level = self._grown.pop()
        segments = sorted(path for path in directory.glob(f"{level}-*.parquet") if path not in self._merged)
        if len(segments) >= MERGED and level < HIGHEST_LEVEL:
            merged = pl.concat([pl.read_parquet(path, hive_partitioning=False) for path in segments])
            once = merged.unique(["pump", "time"], keep="first")
            self._write(directory / f"{level + 1}-{stamp}-{next(self._count)}.parquet", once)
            self._merged.update(dict.fromkeys(segments, stamp))
            self._grown.add((directory, level + 1))
        return bool(self._grown)

    def _remove_merged(self, stamp: int) -> None:
        for path in [path for path, when in self._merged.items() if abs(stamp - when) >= LINGER_MS]:
            if path.exists():
                self._counted(-path.stat().st_size)
                path.unlink()
            del self._merged[path]

    def _remove_oldest_hour(self) -> bool:
        hours = sorted(path for path in self._root.glob("date=*/hour=*") if path.is_dir())
        if len(hours) < 2:
            return False
        self._counted(-sum(path.stat().st_size for path in hours[0].glob("*.parquet")))
        shutil.rmtree(hours[0])
        if not any(hours[0].parent.iterdir()):
            hours[0].parent.rmdir()
        return True


def hour_directory(data: Path, hour: int) -> Path:
    """Return where the samples of that hour (hours since 1970, UTC) are."""
    moment = datetime.fromtimestamp(hour * 3600, tz=UTC)
    return data / DIRECTORY / f"date={moment:%Y-%m-%d}" / f"hour={moment:%H}"


def trend(data: Path, pump: str, since_ms: int, until_ms: int | None = None) -> pl.DataFrame:
    """Return one pump's samples (`SAMPLE_SCHEMA`) with `since_ms` <= time <= `until_ms`, sorted by time, each once.

    Raises `OSError` if segments go as fast as they are listed, rather than tell of samples as if there were none.
    """
    for _ in range(READ_ATTEMPTS):
        files = [path for hour in _hours(data, since_ms, until_ms) for path in sorted(hour.glob("*.parquet"))]
        if not files:
            return empty_samples()
        wanted = pl.col("pump").eq(pump) & pl.col("time").is_between(since_ms, until_ms or 2**62)
        try:
            found = pl.scan_parquet(files, hive_partitioning=False).filter(wanted).collect(engine="in-memory")
        except FileNotFoundError:
            continue
        return found.select(*SAMPLE_SCHEMA).unique("time", keep="first").sort("time")
    raise OSError(f"the history in {data} changed {READ_ATTEMPTS} times while it was read; try again")


def _hours(data: Path, since_ms: int, until_ms: int | None) -> list[Path]:
    root = data / DIRECTORY
    first = _name(since_ms)
    last = None if until_ms is None else _name(until_ms)
    found = []
    for path in root.glob("date=*/hour=*"):
        name = f"{path.parent.name}/{path.name}"
        if name >= first and (last is None or name <= last):
            found.append(path)
    return sorted(found)


def _name(time_ms: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)
    return f"date={moment:%Y-%m-%d}/hour={moment:%H}"
