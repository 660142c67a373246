"""Bands of the forecasts: an estimate with its spread becomes an interval that holds in four of five cases."""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from broker.store.pump_table import band

Z: Final = 1.2816
"""Four of five normally distributed values lie within this many standard deviations of their mean."""
USUAL_INTERVAL_S: Final = 60.0
"""Interval between samples for which the noise of averages is given."""
INTERVAL_S: Final = "stream.memory.interval_s"
"""Column of each pump's interval between samples."""

MS_PER_D: Final = 86_400_000.0
H_PER_D: Final = 24.0
NEVER: Final = math.inf
MAX_FORECAST_D: Final = 20 * 365.25
"""Later dates are not forecast; no pump lasts that long."""


def with_noise(error: float, noise: float) -> pl.Expr:
    """Return the standard deviation of an average: `error`, and the `noise` at each pump's interval of samples."""
    return (error**2 + noise**2 * pl.col(INTERVAL_S).fill_null(USUAL_INTERVAL_S) / USUAL_INTERVAL_S).sqrt()


def around(name: str, days: pl.Expr, spread: pl.Expr, age_d: pl.Expr) -> list[pl.Expr]:
    """Return the band, from now on, of an event `days` after the last sample; one that has happened has no spread."""
    width = pl.when(days > 0.0).then(Z * spread).otherwise(0.0)
    edges = zip(band(name), (-1.0, 0.0, 1.0), strict=True)
    return [
        pl.when(days + sign * width < MAX_FORECAST_D)
        .then((days + sign * width - age_d).clip(0.0))
        .when((days + sign * width).is_not_null())
        .then(NEVER)
        .alias(column)
        for column, sign in edges
    ]
