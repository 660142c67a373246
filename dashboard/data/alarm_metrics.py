"""Figures of the alarm system with their targets, as the page Alarm health shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from dashboard.languages import tr_later

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
BIN_MS: Final = 600_000
FLOOD_START: Final = 10
ONE_FLOOD: Final = (tr_later("1 flood"), tr_later("1 flood, one ongoing"))
FLOODS: Final = (tr_later("{count} floods"), tr_later("{count} floods, one ongoing"))
"""Note about floods: if all are over, and if the last is not."""


@dataclass(frozen=True)
class Metric:
    """One performance metric with its target; `good` is None if there is too little data to judge."""

    name: str
    value: float | None
    decimals: int
    unit: str
    target: str
    good: bool | None
    note: str = ""


def _enough(annunciations: pl.DataFrame, minimum: int, good: bool) -> bool | None:
    """Return the verdict, or None if there are fewer than `minimum` alarms to judge by."""
    return good if annunciations.height >= minimum else None


def rates(alarms: float, loaded: pl.DataFrame, span: int, operators: int) -> tuple[Metric, ...]:
    """Return the load per operator, against what one person can take."""
    peak = float(loaded["alarms"].max() or 0) / operators  # type: ignore[arg-type]
    per_day, per_hour, per_bin = (alarms * part / span for part in (DAY_MS, HOUR_MS, BIN_MS))
    a_day = per_day < 150 if span >= DAY_MS else None
    return (
        Metric(
            tr_later("Alarms per day"),
            per_day,
            0,
            tr_later("per operator"),
            tr_later("below 150; 300 at most"),
            a_day,
            _over(span, DAY_MS),
        ),
        Metric(
            tr_later("Alarms per hour"),
            per_hour,
            1,
            tr_later("per operator"),
            tr_later("about 6, at most 12"),
            per_hour <= 12,
            _over(span, HOUR_MS),
        ),
        Metric(
            tr_later("Alarms per 10 min"),
            per_bin,
            1,
            tr_later("per operator"),
            tr_later("about 1, at most 2"),
            per_bin <= 2,
            _over(span, BIN_MS),
        ),
        Metric(
            tr_later("Peak per 10 min"), peak, 0, tr_later("per operator"), tr_later("at most 10"), peak <= FLOOD_START
        ),
    )


def _over(span: int, unit: int) -> str:
    return tr_later("mean") if span >= unit else tr_later("extrapolated")


def flooding(found: pl.DataFrame, span: int, now: int) -> Metric:
    """Return the share of the time that was flood; `now` is therapy ms."""
    flooded = float(found.select((pl.col("end").fill_null(now) - pl.col("begin")).sum()).item() or 0)
    lasting = found.height > 0 and found["end"].null_count() > 0
    note = ONE_FLOOD[lasting] if found.height == 1 else FLOODS[lasting].format(count=found.height)
    return Metric(
        tr_later("Time in flood"),
        100 * flooded / span,
        1,
        "%",
        tr_later("below 1 %"),
        flooded / span < 0.01,
        note,
    )


def counted(name: str, count: int, target: str, note: str, *, maximum: int = 0) -> Metric:
    """Return a number of alarms that should be none, or at most `maximum`."""
    return Metric(name, count, 0, "", target, count <= maximum, note)


def priorities(found: pl.DataFrame, annunciations: pl.DataFrame) -> Metric:
    """Return the share of high priority."""
    high = float(found["share"][0])
    return Metric(
        tr_later("High priority"),
        100 * high if annunciations.height else None,
        0,
        tr_later("% of load"),
        tr_later("about 5 %, with 15 % medium"),
        _enough(annunciations, 20, high <= 0.10),
        tr_later("of annunciated alarms"),
    )


def frequent(actors: pl.DataFrame, annunciations: pl.DataFrame) -> Metric:
    """Return the share of the ten most frequent alarms."""
    share = float(actors["share"].sum())
    return Metric(
        tr_later("Ten most frequent"),
        100 * share if annunciations.height else None,
        0,
        tr_later("% of load"),
        tr_later("below 5 %"),
        _enough(annunciations, 200, share < 0.05),
        tr_later("of annunciated alarms"),
    )
