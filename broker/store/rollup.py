"""Roll-ups of the history: minimum, maximum, mean and last value of each pump, signal and hour or minute.

`rollup/hour/date=2026-01-31/all-STAMP-COUNT.parquet` is written when the day is over; for other days it is computed
from the samples on request, so that a reader sees no difference. Minutes are rolled up if samples come more often. When
a week is over, its hours are merged into `rollup/hour/week=2026-01-26`, named after its Monday, because a long past is
read faster from few files. An hour that is in two places is one hour: the one with more samples.
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
from broker.store.range_directories import sources
from broker.store.segments import HOUR_MS

DIRECTORY: Final = "rollup"
KINDS: Final = ("min", "max", "mean", "last")
MIN_SAMPLES: Final = 4
"""Minutes with fewer samples on average are not rolled up: that would take more space than the samples."""
WEEK_DAYS: Final = 7


@dataclass(frozen=True)
class Step:
    """Length of the interval that one row summarizes."""

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
"""`time` is the start of the hour or minute in therapy ms, `samples` their number; null: no value in that time."""


def roll_up(samples: pl.DataFrame, step: Step) -> pl.DataFrame:
    """Return the roll-up (`SCHEMA`) of samples that are sorted by pump and time, sorted likewise."""
    aggregate = {"min": pl.Expr.min, "max": pl.Expr.max, "mean": pl.Expr.mean}
    values = [
        (aggregate[kind](pl.col(name)) if kind in aggregate else pl.col(name).drop_nulls().last()).alias(
            f"{name}.{kind}"
        )
        for name in SIGNAL_NAMES
        for kind in KINDS
    ]
    began = (pl.col("time") // step.ms * step.ms).alias("time")
    rows = (
        samples.with_columns(began)
        .group_by("pump", "time", maintain_order=True)
        .agg(pl.len().alias("samples"), *values)
    )
    return rows.select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())


def directory(data: Path, step: Step) -> Path:
    """Return the directory of the roll-ups of that step."""
    return data / DIRECTORY / step.name


def is_worth(samples: pl.DataFrame, step: Step) -> bool:
    """Return whether the roll-up of these samples takes less space than they do."""
    rows = samples.select(pl.struct("pump", pl.col("time") // step.ms).n_unique()).item()
    return samples.height >= MIN_SAMPLES * int(rows)


def staged(data: Path, step: Step, day: str) -> Path:
    """Return the directory in which the roll-ups of a day are prepared: readers need all pumps at once."""
    return directory(data, step) / f".{day}{durable_write.ASIDE}"


def put_in_place(data: Path, step: Step, day: str) -> int:
    """Replace the roll-ups of a day with the prepared ones; return by how many bytes they grew.

    For an instant between the two there are none, and readers use the samples.
    """
    made, place = staged(data, step, day), directory(data, step) / day
    old = place.with_name(f".{day}.old{durable_write.ASIDE}")
    growth = sum(path.stat().st_size for path in made.glob("*.parquet"))
    if place.exists():
        growth -= sum(path.stat().st_size for path in place.glob("*.parquet"))
        place.rename(old)
    made.rename(place)
    shutil.rmtree(old, ignore_errors=True)
    return growth


def rolled(
    data: Path,
    pump: str | Collection[str],
    since_ms: int,
    until_ms: int,
    *,
    step: Step = HOUR,
    kinds: Collection[str] = KINDS,
) -> pl.DataFrame:
    """Return the roll-up of one pump or several from the hour (minute) of `since_ms` to that of `until_ms`, sorted.

    The columns are those of `SCHEMA` with these kinds; fewer are faster. Raises `OSError` like
    `broker.store.segments.read`.
    """
    columns = [name for name in SCHEMA if "." not in name or name.rpartition(".")[2] in kinds]
    edges = since_ms // step.ms * step.ms, until_ms // step.ms * step.ms + step.ms - 1
    parts = [part for source in sources(data) for part in _parts(source, pump, *edges, step=step, columns=columns)]
    return _once(pl.concat(parts) if parts else pl.DataFrame(schema=SCHEMA).select(columns))


def _parts(
    data: Path, pump: str | Collection[str], since_ms: int, until_ms: int, *, step: Step, columns: list[str]
) -> list[pl.DataFrame]:
    """Return the roll-ups of one directory, and that of its samples of days that are not rolled up."""
    root = directory(data, step)
    condition = segments.of_pumps(pump) & pl.col("time").is_between(since_ms, until_ms)
    short = {day for place in _places(root, since_ms, until_ms) if any(place.glob("*.parquet")) for day in _days(place)}

    def loose() -> list[Path]:
        listed = segments.days(data / segments.DIRECTORY, since_ms, until_ms)
        return [file for day in listed if day.name not in short for file in segments.of_day(day, since_ms, until_ms)]

    found = segments.read(
        lambda: _files(data, since_ms, until_ms, step), lambda frame: frame.filter(condition).select(columns), SCHEMA
    )
    samples = segments.read(loose, lambda frame: frame.filter(condition))
    return [
        *([] if found is None else [found]),
        *([] if samples is None else [roll_up(segments.once(samples), step).select(columns)]),
    ]


def weeks_to_gather(data: Path, step: Step, newest: str, unfinished: Collection[str]) -> list[str]:
    """Return the weeks that are over and not merged yet, as names of directories, oldest first.

    `newest` is the newest day with samples, and `unfinished` are days that are still to be rolled up.
    """
    days = [path.name for path in directory(data, step).glob("date=*")]
    waits = {_week_of(day) for day in (*unfinished, newest) if day}
    return sorted({_week_of(day) for day in days} - waits)


def gather_week(data: Path, step: Step, week: str, write: Callable[[Path, pl.DataFrame], int], rows: int) -> int:
    """Merge the days of a week, about `rows` rows at a time; return by how many bytes they grew.

    `write` writes a new file in a directory and returns its bytes. At every instant all hours can be read, and after a
    crash the merge can be repeated.
    """
    place = directory(data, step) / week
    days = [path for day in sorted(_days(place)) if (path := place.with_name(day)).exists()]
    old = [file for directory in (place, *days) for file in sorted(directory.glob("*.parquet"))]
    growth = -sum(file.stat().st_size for file in old)
    for part in list(segments.ranges(lambda: old, pl.lit(value=True), rows, SCHEMA)):
        found = segments.read(lambda: old, lambda frame, part=part: frame.filter(part), SCHEMA)  # type: ignore[misc]
        if found is not None:
            growth += write(place, _once(found))
    for file in old:
        file.unlink()
    for day in days:
        day.rmdir()
    return growth


def rolled_days(data: Path, step: Step) -> set[str]:
    """Return the days (names of directories) that are rolled up, by themselves or in a week."""
    return {day for place in directory(data, step).glob("[dw]*=*") for day in _days(place)}


def oldest_first(data: Path) -> list[Path]:
    """Return the directories of all roll-ups, ordered by their first day."""
    return sorted((data / DIRECTORY).glob("*/[dw]*=*"), key=lambda path: path.name.partition("=")[2])


def _once(rows: pl.DataFrame) -> pl.DataFrame:
    """Return each hour of a pump once, sorted: the row with most samples, the later of two with as many."""
    return rows.sort("samples", maintain_order=True).unique(["pump", "time"], keep="last").sort("pump", "time")


def files(data: Path, since_ms: int, until_ms: int, step: Step) -> list[Path]:
    """Return the files of roll-ups between two times."""
    return [file for source in sources(data) for file in _files(source, since_ms, until_ms, step)]


def _files(data: Path, since_ms: int, until_ms: int, step: Step) -> list[Path]:
    places = _places(directory(data, step), since_ms, until_ms)
    return [file for place in places for file in sorted(place.glob("*.parquet"))]


def _places(root: Path, since_ms: int, until_ms: int) -> list[Path]:
    """Return the directories of the weeks and then of the days between two times."""
    days = segments.days(root, since_ms, until_ms)
    first, last = _week_of(segments.day_name(since_ms)), segments.day_name(until_ms).replace("date", "week")
    return [*sorted(path for path in root.glob("week=*") if first <= path.name <= last), *days]


def _days(place: Path) -> Iterator[str]:
    """Yield the days, as names of directories, that a directory of roll-ups covers."""
    kind, _, began = place.name.partition("=")
    for ahead in range(WEEK_DAYS if kind == "week" else 1):
        yield f"date={date.fromisoformat(began) + timedelta(days=ahead)}"


def _week_of(day: str) -> str:
    """Return the week of a day, both as names of directories."""
    began = date.fromisoformat(day.partition("=")[2])
    return f"week={began - timedelta(days=began.weekday())}"


def line(data: Path, pump: str, since_ms: int, until_ms: int, step: Step = HOUR) -> pl.DataFrame:
    """Return the past of one pump as a line to draw (`time`, signals): minimum and then maximum of each hour."""
    rows = rolled(data, pump, since_ms, until_ms, step=step, kinds=("min", "max"))
    edges = [
        rows.select(
            pl.col("time") + ahead_ms,
            *(pl.col(f"{name}.{kind}").alias(name) for name in SIGNAL_NAMES),
        )
        for kind, ahead_ms in (("min", 0), ("max", step.ms // 2))
    ]
    return pl.concat(edges).sort("time")
