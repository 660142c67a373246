"""Latencies of a load test by hop: HDR histograms, and their course over time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from hdrh.histogram import HdrHistogram

from trials.load.metrics import HOPS, PERCENTILES

UNIT_MS: Final = 0.1
"""Resolution of the histograms."""
MAX_MS: Final = 24 * 3_600_000
DIGITS: Final = 3
"""Significant digits that a histogram keeps."""
CURVE: Final = (0, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99, 100)
"""Percentiles of the curve in reports."""


@dataclass
class Histogram:
    """Latencies of samples at one hop."""

    _hdr: HdrHistogram = field(default_factory=lambda: HdrHistogram(1, round(MAX_MS / UNIT_MS), DIGITS))

    def add(self, latencies_ms: pl.Series, weights: pl.Series) -> None:
        """Add latencies, each as often as its weight; negative ones, from clocks that step, count as none."""
        units = (latencies_ms / UNIT_MS).round().clip(1, MAX_MS / UNIT_MS).cast(pl.Int64)
        # Values that the histogram cannot tell apart are added at once: it is written in Python.
        scale = 10.0 ** (units.log(10).floor() - DIGITS).clip(0)
        counts = (
            pl.DataFrame({"value": ((units / scale).round() * scale).cast(pl.Int64), "weight": weights.cast(pl.Int64)})
            .group_by("value")
            .agg(pl.col("weight").sum())
        )
        for value, weight in counts.iter_rows():
            self._hdr.record_value(value, weight)

    @property
    def count(self) -> int:
        """Samples in it."""
        return int(self._hdr.get_total_count())

    def at(self, percentile: float) -> float | None:
        """Return the latency in s below which that percentage of samples is; None without samples."""
        if not self.count:
            return None
        units = float(self._hdr.get_value_at_percentile(percentile))
        return round(units * UNIT_MS / 1000, 6)

    def percentiles(self) -> dict[str, float | None]:
        """Return the percentiles that reports name, in s."""
        return {name: self.at(percentile) for name, percentile in PERCENTILES.items()}

    def curve(self) -> list[tuple[float, float]]:
        """Return percentiles and their latencies in s, for a plot."""
        return [(percentile, at) for percentile in CURVE if (at := self.at(percentile)) is not None]


@dataclass
class Latencies:
    """Histograms by hop: from when a sample was due, and (`raw`) from when it was made."""

    corrected: dict[str, Histogram] = field(default_factory=lambda: {hop.name: Histogram() for hop in HOPS})
    raw: dict[str, Histogram] = field(default_factory=lambda: {hop.name: Histogram() for hop in HOPS[1:]})

    def add(self, rows: pl.DataFrame) -> None:
        """Add messages (`trials.load.followed.Settled.rows`)."""
        for since, histograms in (("due", self.corrected), ("sampled", self.raw)):
            for name, histogram in histograms.items():
                there = rows.filter(pl.col(name).is_not_null())
                if there.height:
                    histogram.add(there[name] - there[since], there["samples"])


def course(rows: pl.DataFrame, begin_ms: float, step_s: float) -> pl.DataFrame:
    """Return p50 and p99 of each hop in s, and the samples due and shown, by steps of time since the begin."""
    seconds = ((pl.col("due") - begin_ms) / 1000 / step_s).floor() * step_s
    percentiles: Iterable[pl.Expr] = (
        ((pl.col(hop.name) - pl.col("due")) / 1000).quantile(share).round(4).alias(f"{hop.name}.{name}")
        for hop in HOPS
        for name, share in (("p50", 0.5), ("p99", 0.99))
    )
    return (
        rows.group_by(seconds.alias("second"))
        .agg(
            pl.col("samples").sum().alias("due"),
            pl.col("samples").filter(pl.col("shown").is_not_null()).sum().alias("shown_samples"),
            pl.col("samples").filter(pl.col("judged").is_not_null()).sum().alias("judged_samples"),
            *percentiles,
        )
        .sort("second")
    )


def slope(times: Iterable[float], values: Iterable[float]) -> float:
    """Return the slope of a line through points, per unit of time; 0 with fewer than two."""
    x, y = np.fromiter(times, float), np.fromiter(values, float)
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 1 else 0.0
