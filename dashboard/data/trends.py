"""Trend curves of one pump: downsampled to screen resolution, with gaps left open, and times in alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from tsdownsample import MinMaxLTTBDownsampler

from broker.contract.signals import SIGNAL_NAMES

MAX_POINTS: Final = 1000
"""Points of a curve: about two per pixel on a full screen; nine signals stay far below half a megabyte."""
MAX_GAPS: Final = 40
MIN_GAP_MS: Final = 60_000
GAP: Final = 3.5
"""A gap is longer than this many median intervals."""


@dataclass(frozen=True)
class Curve:
    """One signal: therapy ms and values; a NaN interrupts the line in a gap."""

    time: NDArray[np.float64]
    value: NDArray[np.float32]


@dataclass(frozen=True)
class Past:
    """Content of one pump's chart: curves by signal, times in alarm (`spans`), `gaps` and time range (therapy ms)."""

    curves: dict[str, Curve]
    spans: pl.DataFrame
    gaps: list[tuple[int, int]]
    window: tuple[int, int]

    def shifted(self, by_ms: int) -> Past:
        """Return the same content with every time later by `by_ms`."""
        return Past(
            {name: Curve(curve.time + by_ms, curve.value) for name, curve in self.curves.items()},
            self.spans.with_columns(pl.col("start", "end") + by_ms),
            [(start + by_ms, end + by_ms) for start, end in self.gaps],
            (self.window[0] + by_ms, self.window[1] + by_ms),
        )


def curves(samples: pl.DataFrame, points: int = MAX_POINTS) -> dict[str, Curve]:
    """Return one curve per signal from samples sorted by time; each has at most `points` values besides its gaps."""
    time = samples["time"].to_numpy().astype(np.float64)
    steps = np.diff(time)
    longest = float(np.median(steps)) * GAP if steps.size else 0.0
    return {name: _curve(time, samples[name].to_numpy(), longest, points) for name in SIGNAL_NAMES}


def gaps(samples: pl.DataFrame, since_ms: int, until_ms: int) -> list[tuple[int, int]]:
    """Return start and end (therapy ms) of the `MAX_GAPS` longest times without samples, in order."""
    if samples.is_empty():
        return [(since_ms, until_ms)]
    steps = samples.select(start=pl.col("time"), end=pl.col("time").shift(-1, fill_value=until_ms))
    longest = steps.select((pl.col("end") - pl.col("start")).median()).item() * GAP
    silent = steps.filter(pl.col("end") - pl.col("start") > max(longest, MIN_GAP_MS))
    return silent.sort(pl.col("start") - pl.col("end")).head(MAX_GAPS).sort("start").rows()


def limits(curve: Curve, min_range: float, *, zero: bool) -> tuple[float, float]:
    """Return the range of the value axis: the whole curve, and at least `min_range`, so that noise looks small."""
    known = curve.value[np.isfinite(curve.value)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, min_range)
    low = min(low, 0.0) if zero else low
    short = max(0.0, min_range - (high - low))
    low, high = (low, high + short) if zero else (low - short / 2, high + short / 2)
    return low - 0.04 * (high - low), high + 0.06 * (high - low)


def _curve(time: NDArray[np.float64], value: NDArray[np.float32], longest: float, points: int) -> Curve:
    known = np.flatnonzero(np.isfinite(value))
    if not known.size:
        return Curve(np.empty(0), np.empty(0, np.float32))
    time, value = time[known], np.ascontiguousarray(value[known], np.float32)
    opens = np.concatenate(([False], np.diff(time) > longest))
    run = np.cumsum(opens)
    if value.size > points:
        thinner = MinMaxLTTBDownsampler()  # type: ignore[no-untyped-call]
        kept = thinner.downsample(time, value, n_out=points).astype(np.int64)
        time, value, run = time[kept], value[kept], run[kept]
    gaps = np.flatnonzero(np.diff(run)) + 1
    return Curve(np.insert(time, gaps, time[gaps] - 1), np.insert(value, gaps, np.float32(np.nan)))


def spans(alarms: pl.DataFrame, events: pl.DataFrame, now_ms: int) -> pl.DataFrame:
    """Return when this pump was in alarm: alarm, title, priority, start and end (therapy ms).

    Open alarms end now; past ones come from the journal.
    """
    open_alarms = alarms.select(
        "alarm", "title", "priority", pl.col("onset").alias("start"), pl.lit(now_ms, dtype=pl.Int64).alias("end")
    )
    raised = events.filter(pl.col("kind") == "raised").unique("alarm")
    ended = (
        events.filter(pl.col("kind").is_in(["cleared", "returned"]))
        .group_by("alarm")
        .agg(pl.col("time").min().alias("end"))
    )
    past = raised.join(ended, on="alarm").select(
        "alarm", "title", "priority", pl.col("time").alias("start"), pl.col("end")
    )
    past = past.join(open_alarms, on="alarm", how="anti")
    return pl.concat([open_alarms, past]).drop_nulls().sort("start").tail(100)
