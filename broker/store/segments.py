"""Segments of the history: the layout of samples on disk, and reading them while a writer merges them.

`history/date=2026-01-31/hour=07/LEVEL-STAMP-COUNT.parquet` holds samples of that therapy hour as they arrived; when the
day is over they are merged into `history/date=2026-01-31/day-STAMP-COUNT.parquet`, each file with some of the pumps.
Merged segments stay beside the result for a while, so that a reader that has listed them can still open them. All files
are plain Parquet; the pumps of a row group are neighbours, and in merged files it is sorted by pump and time. A sample
that is in two files is one sample. The history of a cluster is in the directories of its ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES, empty_samples
from broker.store import archived
from broker.store.range_directories import sources

Schema = dict[str, pl.DataType]

DIRECTORY: Final = "history"
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
KEY: Final = ("pump", "time", "boot", "seq")
"""Identity of a sample: a pump whose clock was reset may send the same time twice."""
READ_ATTEMPTS: Final = 100
MAGIC: Final = b"PAR1"
BLOCK_ROWS: Final = 1_000_000
"""Maximum number of samples in memory while many are streamed; about 100 MB."""
END_MS: Final = 253_402_300_799_999
"""Last millisecond of year 9999."""


@dataclass(frozen=True)
class Block:
    """Samples of one day, sorted by pump and time, and the fraction done when they are processed (0 to 1)."""

    samples: pl.DataFrame
    done: float


def day_name(time_ms: int) -> str:
    """Return the directory of the day that contains that time; before 1970 the first, after year 9999 the last."""
    known = min(max(time_ms, 0), END_MS)
    return f"date={datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=known):%Y-%m-%d}"


def hour_directory(data: Path, hour: int) -> Path:
    """Return the directory of the samples of that hour (hours since 1970, UTC) until its day is merged."""
    return data / DIRECTORY / day_name(hour * HOUR_MS) / f"hour={hour % 24:02d}"


def days(root: Path, since_ms: int, until_ms: int | None) -> list[Path]:
    """Return the directories of the days between two times, oldest first."""
    first, last = day_name(since_ms), None if until_ms is None else day_name(until_ms)
    found = (path for path in root.glob("date=*") if path.name >= first and (last is None or path.name <= last))
    return sorted(found)


def of_day(day: Path, since_ms: int = 0, until_ms: int | None = None) -> list[Path]:
    """Return the files that may hold samples of that day between two times."""
    hours = [path for path in day.glob("hour=*") if _overlaps(path, since_ms, until_ms)]
    return sorted([*day.glob("day-*.parquet"), *(file for hour in hours for file in hour.glob("*.parquet"))])


def kept(data: Path) -> tuple[int, int, int]:
    """Return the numbers of samples (counted twice if in two files), files and bytes of the history on disk."""
    listed = [file for day in _days(data, 0, None) for file in of_day(day)]
    counted = read(lambda: [file for file in listed if file.exists()], lambda frame: frame.select(pl.len()))
    return 0 if counted is None else int(counted.item()), len(listed), sum(file.stat().st_size for file in listed)


def is_whole(path: Path) -> bool:
    """Return whether a file ends as Parquet does; a truncated one does not."""
    with path.open("rb") as file:
        if file.seek(0, 2) < 3 * len(MAGIC):
            return False
        file.seek(-len(MAGIC), 2)
        return file.read() == MAGIC


def set_aside(root: Path) -> list[Path]:
    """Move truncated files aside, as left by a disk that lost synced data; return where they are now.

    No reader could read past them.
    """
    moved = []
    for path in sorted(path for path in root.rglob("*.parquet") if not is_whole(path)):
        aside = root.with_name(f"{root.name}.unreadable-1") / path.relative_to(root)
        aside.parent.mkdir(parents=True, exist_ok=True)
        moved.append(path.replace(aside))
    return moved


def scan(files: Sequence[Path | str], schema: Schema = SAMPLE_SCHEMA) -> pl.LazyFrame:
    """Return a lazy frame of files, by path or as URLs of an object store.

    A column that a file lacks, from before its signal was added, is null.
    """
    paths, urls = [each for each in files if isinstance(each, Path)], [each for each in files if isinstance(each, str)]
    if paths and urls:
        return pl.concat([scan(paths, schema), scan(urls, schema)])
    return pl.scan_parquet(
        paths or urls,
        schema=schema,
        glob=False,
        hive_partitioning=False,
        missing_columns="insert",
        extra_columns="ignore",
    )


def read(
    files: Callable[[], Sequence[Path | str]],
    ask: Callable[[pl.LazyFrame], pl.LazyFrame],
    schema: Schema = SAMPLE_SCHEMA,
) -> pl.DataFrame | None:
    """Run a query on the files that exist now, however they change meanwhile; None if there are none.

    Raises `OSError` if files disappear as fast as they are listed, instead of returning as if there were no samples.
    """
    for _ in range(READ_ATTEMPTS):
        listed = files()
        if not listed:
            return None
        try:
            return ask(scan(listed, schema)).collect(engine="in-memory")
        except FileNotFoundError:
            continue
    raise OSError(f"the history changed {READ_ATTEMPTS} times while it was being read; try again")


def count(files: Sequence[Path | str]) -> int:
    """Return the number of samples in these files."""
    if not files:
        return 0
    return int(scan(files).select(pl.len()).collect(engine="in-memory").item())


def once(samples: pl.DataFrame) -> pl.DataFrame:
    """Return each sample once, sorted by pump and time."""
    return samples.unique(KEY, keep="first").sort("pump", "time", "boot", "seq")


def trend(data: Path, pump: str, since_ms: int, until_ms: int | None = None) -> pl.DataFrame:
    """Return one pump's samples (`SAMPLE_SCHEMA`) with `since_ms` <= time <= `until_ms`, sorted by time, each once.

    Raises `OSError` like `read`.
    """
    condition = _of_pump(pump, since_ms, until_ms)
    found = read(lambda: files(data, since_ms, until_ms), lambda frame: frame.filter(condition).select(*SAMPLE_SCHEMA))
    return empty_samples() if found is None else once(found)


def height(data: Path, pump: str, since_ms: int, until_ms: int | None = None) -> int:
    """Return how many rows `trend` has, without reading the values. Raises `OSError` like `read`."""
    condition = _of_pump(pump, since_ms, until_ms)
    found = read(lambda: files(data, since_ms, until_ms), lambda frame: frame.filter(condition).select(*KEY).unique())
    return 0 if found is None else found.height


def files(data: Path, since_ms: int, until_ms: int | None = None) -> list[Path | str]:
    """Return the files that may hold samples between two times: paths, and URLs of the history table of a cluster."""
    on_disk = [file for day in _days(data, since_ms, until_ms) for file in of_day(day, since_ms, until_ms)]
    return [*on_disk, *(file for listed in _archived(data, since_ms, until_ms).values() for file in listed)]


def _archived(data: Path, since_ms: int, until_ms: int | None) -> dict[str, list[Path | str]]:
    """Return the files of the history table to read beside those on disk, by day."""
    return archived.files(data, day_name(since_ms), None if until_ms is None else day_name(until_ms))


def _days(data: Path, since_ms: int, until_ms: int | None) -> list[Path]:
    """Return the directories of the days between two times, oldest first; in a cluster, one in each range."""
    found = [day for source in sources(data) for day in days(source / DIRECTORY, since_ms, until_ms)]
    return sorted(found, key=lambda day: day.name)


def _of_pump(pump: str, since_ms: int, until_ms: int | None) -> pl.Expr:
    return pl.col("pump").eq(pump) & pl.col("time").is_between(since_ms, until_ms or 2**62)


def of_pumps(pump: str | Collection[str]) -> pl.Expr:
    """Return the condition that a sample is of this pump, or of one of these."""
    return pl.col("pump").eq(pump) if isinstance(pump, str) else pl.col("pump").is_in(sorted(pump))


def means(data: Path, pumps: Collection[str], since_ms: int, until_ms: int, step_ms: int) -> pl.DataFrame:
    """Return the mean of each signal (`pump`, `time` at the start of the step, signals) of some pumps in each step.

    Raises `OSError` like `read`.
    """
    condition = of_pumps(pumps) & pl.col("time").is_between(since_ms, until_ms)
    step = (pl.col("time") // step_ms * step_ms).alias("time")

    def ask(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.filter(condition).group_by("pump", step).agg(pl.col(SIGNAL_NAMES).mean())

    found = read(lambda: files(data, since_ms, until_ms), ask)
    return empty_samples().select("pump", "time", *SIGNAL_NAMES) if found is None else found.sort("pump", "time")


def blocks(
    data: Path, pumps: Collection[str] | None, since_ms: int, until_ms: int | None, rows: int = BLOCK_ROWS
) -> Iterator[Block]:
    """Yield the samples of some pumps (None: all) between two times, day by day, at most about `rows` at once."""
    days_of: dict[str, list[Path]] = {}
    for day in _days(data, since_ms, until_ms):
        days_of.setdefault(day.name, []).append(day)
    gone = _archived(data, since_ms, until_ms)
    names = sorted({*days_of, *gone})
    condition = pl.col("time").is_between(since_ms, until_ms or 2**62)
    if pumps is not None:
        condition &= pl.col("pump").is_in(sorted(pumps))
    for number, name in enumerate(names):

        def of_days(name: str = name) -> list[Path | str]:
            on_disk = [file for day in days_of.get(name, []) for file in of_day(day, since_ms, until_ms)]
            return [*on_disk, *(archived.files(data, name, name).get(name, []) if name in gone else [])]

        parts = list(ranges(of_days, condition, rows))
        for at, part in enumerate(parts, start=1):
            found = read(of_days, lambda frame, part=part: frame.filter(condition & part))  # type: ignore[misc]
            if found is not None and found.height:
                yield Block(once(found.select(*SAMPLE_SCHEMA)), (number + at / len(parts)) / len(names))


def ranges(
    files: Callable[[], Sequence[Path | str]], condition: pl.Expr, rows: int, schema: Schema = SAMPLE_SCHEMA
) -> Iterator[pl.Expr]:
    """Yield conditions that split the pumps of these files so that each selects about `rows` samples."""
    counts = read(files, lambda frame: frame.filter(condition).group_by("pump").len().sort("pump"), schema)
    if counts is None or counts.is_empty():
        return
    turn = (pl.col("len").cum_sum() - pl.col("len")) // rows
    bounds = counts.group_by(turn.alias("turn"), maintain_order=True).agg(
        pl.col("pump").first().alias("first"), pl.col("pump").last().alias("last")
    )
    for first, last in bounds.select("first", "last").iter_rows():
        yield pl.col("pump").is_between(pl.lit(first), pl.lit(last))


def _overlaps(hour: Path, since_ms: int, until_ms: int | None) -> bool:
    day = datetime.strptime(hour.parent.name, "date=%Y-%m-%d").replace(tzinfo=UTC)
    begin_ms = round(day.timestamp() * 1000) + int(hour.name.removeprefix("hour=")) * HOUR_MS
    return begin_ms + HOUR_MS > since_ms and (until_ms is None or begin_ms <= until_ms)
