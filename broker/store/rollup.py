"""This file is the history in short: of each pump and hour (or minute) the least, greatest, mean and last of a signal.

`rollup/hour/date=2026-01-31/all-STAMP-COUNT.parquet` is written once the day is over; of other days it is made of the
samples when it is asked for, so that a reader need not know. Minutes are rolled up where samples come more often. Once
a week is over its hours are gathered in `rollup/hour/week=2026-01-26`, named after its Monday, because a long past in
few files is sooner read. What stands in two places is one hour: the one that tells of more samples.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import polars as pl

from broker.contract.signals import SIGNAL_NAMES
from broker.store import durable_write, segments
from broker.store.segments import HOUR_MS

DIRECTORY: Final = "rollup"
KINDS: Final = ("min", "max", "mean", "last")
MIN_SAMPLES: Final = 4
"""Minutes with fewer samples on average are not rolled up: that would take more room than the samples."""
WEEK_DAYS: Final = 7


@dataclass(frozen=True)
class Step:
    """How long the time is of which one row tells."""

    name: str
    ms: int


HOUR: Final = Step("hour", HOUR_MS)
MINUTE: Final = Step("minute", 60_000)
STEPS: Final = (HOUR, MINUTE)
SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "time": pl.Int64(),
    "samples": pl.UInt32(),
    **{f"{name}.{kind}": pl.Float32() for name in SIGNAL_NAMES for kind in KINDS},
}
"""`time` is when the hour or minute began, therapy ms; `samples` how many there were. Null is never known in it."""


def roll_up(samples: pl.DataFrame, step: Step) -> pl.DataFrame:
    """Return samples (sorted by pump and time) in short: `SCHEMA`, sorted likewise."""
    shorter = {"min": pl.Expr.min, "max": pl.Expr.max, "mean": pl.Expr.mean}
    said = [
        (shorter[kind](pl.col(name)) if kind in shorter else pl.col(name).drop_nulls().last()).alias(f"{name}.{kind}")
        for name in SIGNAL_NAMES
        for kind in KINDS
    ]
    began = (pl.col("time") // step.ms * step.ms).alias("time")
    rows = (
        samples.with_columns(began).group_by("pump", "time", maintain_order=True).agg(pl.len().alias("samples"), *said)
    )
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def directory(data: Path, step: Step) -> Path:
    """Return where the roll-ups of that step are."""
    return data / DIRECTORY / step.name


def is_worth(samples: pl.DataFrame, step: Step) -> bool:
    """Tell whether rolling up these samples takes less room than they do."""
    rows = samples.select(pl.struct("pump", pl.col("time") // step.ms).n_unique()).item()
    return samples.height >= MIN_SAMPLES * int(rows)


def staged(data: Path, step: Step, day: str) -> Path:
    """Return where the roll-ups of a day are made: nobody may read the day's before all pumps are in it."""
    return directory(data, step) / f".{day}{durable_write.ASIDE}"


def put_in_place(data: Path, step: Step, day: str) -> int:
    """Let a day's roll-ups be read in place of those there were; return how many bytes more there are now.

    Between the two there are none for an instant, and readers take the samples.
    """
    made, place = staged(data, step, day), directory(data, step) / day
    old = place.with_name(f".{day}.old{durable_write.ASIDE}")
    more = sum(path.stat().st_size for path in made.glob("*.parquet"))
    if place.exists():
        more -= sum(path.stat().st_size for path in place.glob("*.parquet"))
        place.rename(old)
    made.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    return more


def rolled(
    data: Path, pump: str, since_ms: int, until_ms: int, *, step: Step = HOUR, kinds: Collection[str] = KINDS
) -> pl.DataFrame:
    """Return one pump's past in short from the hour (minute) of `since_ms` to that of `until_ms`, sorted by time.

    The columns are those of `SCHEMA` with these kinds: the fewer, the sooner. Raises as `broker.store.segments.read`.
    """
    root = directory(data, step)
    since_ms, until_ms = since_ms // step.ms * step.ms, until_ms // step.ms * step.ms + step.ms - 1
    wanted = pl.col("pump").eq(pump) & pl.col("time").is_between(since_ms, until_ms)
    short = {day for place in _places(root, since_ms, until_ms) if any(place.glob("*.parquet")) for day in _days(place)}

    def files() -> list[Path]:
        return [file for place in _places(root, since_ms, until_ms) for file in sorted(place.glob("*.parquet"))]

    def loose() -> list[Path]:
        listed = segments.days(data / segments.DIRECTORY, since_ms, until_ms)
        return [file for day in listed if day.name not in short for file in segments.of_day(day, since_ms, until_ms)]

    columns = [name for name in SCHEMA if "." not in name or name.rpartition(".")[2] in kinds]
    found = segments.read(files, lambda frame: frame.filter(wanted).select(columns), SCHEMA)
    samples = segments.read(loose, lambda frame: frame.filter(wanted))
    parts = [
        *([] if found is None else [found]),
        *([] if samples is None else [roll_up(segments.once(samples), step).select(columns)]),
    ]
    return _once(pl.concat(parts) if parts else pl.DataFrame(schema=SCHEMA).select(columns))


def weeks_to_gather(data: Path, step: Step, newest: str, unfinished: Collection[str]) -> list[str]:
    """Return the weeks that lie in days though they are over; directories' names, the oldest first.

    `newest` is the newest day there are samples of, and `unfinished` are days that are still to be rolled up.
    """
    days = [path.name for path in directory(data, step).glob("date=*")]
    waits = {_week_of(day) for day in (*unfinished, newest) if day}
    return sorted({_week_of(day) for day in days} - waits)


def gather_week(data: Path, step: Step, week: str, write: Callable[[Path, pl.DataFrame], int], rows: int) -> int:
    """Put a week's days together, about `rows` of them at once; return how many bytes more there are now.

    `write` makes a new file in a directory and returns its bytes. At every instant all hours can be read, and after
    a crash in between it can be done again.
    """
    place = directory(data, step) / week
    days = [path for day in sorted(_days(place)) if (path := place.with_name(day)).exists()]
    old = [file for directory in (place, *days) for file in sorted(directory.glob("*.parquet"))]
    more = -sum(file.stat().st_size for file in old)
    for part in list(segments.ranges(lambda: old, pl.lit(value=True), rows, SCHEMA)):
        found = segments.read(lambda: old, lambda frame, part=part: frame.filter(part), SCHEMA)  # type: ignore[misc]
        if found is not None:
            more += write(place, _once(found))
    for file in old:
        file.unlink()
    for day in days:
        day.rmdir()
    return more


def rolled_days(data: Path, step: Step) -> set[str]:
    """Return the days (directories' names) that are rolled up, or in a week that is."""
    return {day for place in directory(data, step).glob("[dw]*=*") for day in _days(place)}


def oldest_first(data: Path) -> list[Path]:
    """Return the directories of all roll-ups, in the order of their first days."""
    return sorted((data / DIRECTORY).glob("*/[dw]*=*"), key=lambda path: path.name.partition("=")[2])


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    """Return each pump's hour once, the one of most samples, sorted; the later one where two have as many."""
    return rows.sort("samples", maintain_order=True).unique(["pump", "time"], keep="last").sort("pump", "time")


def _places(root: Path, since_ms: int, until_ms: int) -> list[Path]:
    """Return the directories of the weeks and then of the days between two times."""
    days = segments.days(root, since_ms, until_ms)
    first, last = _week_of(segments.day_name(since_ms)), segments.day_name(until_ms).replace("date", "week")
    return [*sorted(path for path in root.glob("week=*") if first <= path.name <= last), *days]


def _days(place: Path) -> Iterator[str]:
    """Return the days, as directories are named, that such a directory tells of."""
    kind, _, began = place.name.partition("=")
    for ahead in range(WEEK_DAYS if kind == "week" else 1):
        yield f"date={date.fromisoformat(began) + timedelta(days=ahead)}"


def _week_of(day: str) -> str:
    """Return the week of a day, both as directories are named."""
    began = date.fromisoformat(day.partition("=")[2])
    return f"week={began - timedelta(days=began.weekday())}"


def line(data: Path, pump: str, since_ms: int, until_ms: int, step: Step = HOUR) -> pl.DataFrame:
    """Return one pump's past as a line to draw (`time`, signals): the least and then the greatest of each hour."""
    rows = rolled(data, pump, since_ms, until_ms, step=step, kinds=("min", "max"))
    said = [
        rows.select(
            pl.col("time") + ahead_ms,
            *(pl.col(f"{name}.{kind}").alias(name) for name in SIGNAL_NAMES),
        )
        for kind, ahead_ms in (("min", 0), ("max", step.ms // 2))
    ]
    return pl.concat(said).sort("time")
