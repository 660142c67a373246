"""Plausible ranges of samples: the check of a whole frame, and a reason for each sample that is out of range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract.payload_limits import MAX_REASONS
from broker.contract.ranges import EARLIEST_MS, LATEST_MS, MAX_COUNT, TIMES
from broker.contract.sample_values import COUNTS, range_of, unit_of
from broker.contract.signals import SIGNALS, empty_samples
from broker.contract.topics import NAME, name_rule


@dataclass(frozen=True)
class Decoded:
    """Contents of a payload: the valid samples, and a reason for each rejected one."""

    samples: pl.DataFrame
    rejected: tuple[str, ...] = ()


def reject(reason: str) -> Decoded:
    """Return a payload without samples, rejected for one reason."""
    return Decoded(empty_samples(), (reason,))


def _outside(name: str, low: float, high: float) -> pl.Expr:
    return ~pl.col(name).is_between(low, high).fill_null(value=True)


_PUMP: Final = pl.col("pump").str.contains(f"^{NAME.pattern}$").fill_null(value=False)
_RANGES: Final = (
    ("time", EARLIEST_MS, LATEST_MS, TIMES),
    ("sent", EARLIEST_MS, LATEST_MS, TIMES),
    *((name, 0, MAX_COUNT, f"0 to {MAX_COUNT}") for name in COUNTS),
    *((signal.name, signal.low, signal.high, range_of(signal)) for signal in SIGNALS),
)
_CHECKS: Final[tuple[tuple[str, pl.Expr, str], ...]] = (
    ("pump", ~_PUMP, name_rule()),
    ("time", pl.col("time").is_null(), TIMES),
    *((name, _outside(name, low, high), allowed) for name, low, high, allowed in _RANGES),
)
_ANY_DOUBTFUL: Final = pl.any_horizontal(
    *(wrong for name, wrong, _ in _CHECKS if name != "pump"), *(pl.col(signal.name).is_nan() for signal in SIGNALS)
).fill_null(value=False)
_ANY_WRONG: Final = pl.any_horizontal(wrong for _, wrong, _ in _CHECKS)


def plausible(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the decoded samples that are within range, and a reason for each that is not; NaN becomes unknown."""
    samples, reasons, rejected = judge(frame)
    return samples, with_count(reasons, rejected)


def judge(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str], int]:
    """Return the samples that are within range, reasons for the others (not more than are kept), and their number."""
    if _all_right(frame):
        return frame, [], 0
    known = frame.with_columns(pl.col(pl.Float32).fill_nan(None))
    wrong = known.select(_ANY_WRONG).to_series()
    bad = known.filter(wrong)
    reasons = [
        reason
        for name, check, allowed in _CHECKS
        for reason in _reasons(bad.filter(check), name, allowed)
    ]  # fmt: skip
    return known.filter(~wrong), reasons, bad.height


def with_count(reasons: list[str], rejected: int) -> tuple[str, ...]:
    """Return the reasons that are kept, and the number of rejected samples that none of them is about."""
    kept = reasons[:MAX_REASONS]
    others = rejected - len(kept)
    return (*kept, f"and {others} more samples") if others > 0 else tuple(kept)


def _all_right(frame: pl.DataFrame) -> bool:
    """Tell whether every sample is within range. Twice as fast as one expression of all checks; NaN is above any."""
    return bool(frame.select(_PUMP.all()).item()) and _in_range(frame)


def _in_range(frame: pl.DataFrame) -> bool:
    if frame["time"].has_nulls():
        return False
    return all(_is_within(frame[name], low, high) for name, low, high, _ in _RANGES)


def _is_within(values: pl.Series, low: float, high: float) -> bool:
    """Tell whether all values are within a range; those that are unknown are."""
    if values.null_count() == values.len():
        return True
    return bool((values >= low).all() and (values <= high).all())


def doubtful(samples: pl.DataFrame) -> pl.Series | None:
    """Return whose values have to be looked at one by one: out of range or NaN (Boolean); None if nobody's.

    The serial numbers are not looked at.
    """
    if _in_range(samples):
        return None
    return samples.select(_ANY_DOUBTFUL).to_series()


def _reasons(bad: pl.DataFrame, name: str, allowed: str) -> list[str]:
    shown = bad.select(pl.col("pump").str.slice(0, 80), pl.col(name).alias("value")).head(MAX_REASONS)
    if name == "pump":
        shown = shown.with_columns(pl.col("value").str.slice(0, 80))
    return [f"pump {pump!r}: {name} is {value}{unit_of(name, value)}; allowed is {allowed}"
            for pump, value in shown.iter_rows()]  # fmt: skip
