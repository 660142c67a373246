"""Forecast of the reservoir: when it is low, when it is empty, and when a refill is due."""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.datasheet import LOW_RESERVOIR_ML, RESIDUAL_ML
from processor.view.forecast_band import H_PER_D, MS_PER_D, around, with_noise

LEVEL_ML: Final = 0.02
GAIN_ERROR: Final = 0.0016
GAIN_NOISE: Final = 0.00105
FRESH_ERROR: Final = 0.02
PHASE_D: Final = 0.056
"""Standard deviations: of the measured level; of future flow relative to the program; of that flow due to the noise of
samples a minute apart; of the flow before a whole day was counted; and of the time of day at which a level is reached.
Calibrated with `trials.forecast_score`. The noise grows with the square root of the interval between samples."""
MAX_REFILL_INTERVAL_D: Final = 180.0
"""A refill is due after this many days in any case (stability study of baclofen in pumps)."""

FALLS_UL_H: Final = "volume.memory.measured_quick"
FALLS_OVER_H: Final = 1.5
"""Column of the volume detector's quick average of reservoir loss (µL), and the hours over which it is taken."""
SINCE_REFILL_S: Final = "refill.memory.since_s"


def levels() -> list[pl.Expr]:
    """Return the current level, and the relative error of the future flow."""
    measured, computed = pl.col("reservoir_ml"), pl.col("computed_ml")
    return [
        pl.when(pl.col("level_doubted")).then(computed).otherwise(measured).alias("level_ml"),
        pl.when(pl.col("days") > 0).then(with_noise(GAIN_ERROR, GAIN_NOISE)).otherwise(FRESH_ERROR).alias("pace_error"),
    ]


def paces() -> list[pl.Expr]:
    """Return how fast the level falls."""
    drained = pl.when(pl.col("falls")).then((-pl.col(FALLS_UL_H)).clip(0.0) / FALLS_OVER_H).otherwise(0.0)
    # Noise of the flow sensor at zero flow does not fill the reservoir.
    flow_ul_h = pl.col("usual_ul_h") * pl.col("gain").clip(0.0) + drained
    return [(flow_ul_h * (H_PER_D / 1000.0)).alias("ml_day")]


def limits() -> list[pl.Expr]:
    """Return the bands of the days until the reservoir is low and empty."""
    bands: list[pl.Expr] = []
    ml_day, age_d = pl.col("ml_day"), pl.col("age_d")
    for name, floor_ml in (("low_d", LOW_RESERVOIR_ML), ("empty_d", RESIDUAL_ML)):
        above_ml = (pl.col("level_ml") - floor_ml).clip(0.0)
        days = pl.when(above_ml > 0.0).then(above_ml / ml_day).otherwise(above_ml)
        spread = ((LEVEL_ML / ml_day) ** 2 + (pl.col("pace_error") * days) ** 2 + PHASE_D**2).sqrt()
        bands += around(name, days, spread, age_d)
    return bands


def drug_limit() -> pl.Expr:
    """Return until when the drug is within its tested stability, in therapy ms; it may be in the past."""
    since_d = pl.col(SINCE_REFILL_S).cast(pl.Float64) / 86_400.0 + pl.col("age_d")
    left_d = pl.when(since_d < 10.0 * MAX_REFILL_INTERVAL_D).then(MAX_REFILL_INTERVAL_D - since_d)
    return (pl.col("now") + (left_d * MS_PER_D).cast(pl.Int64)).alias("drug_limit")


def refill_due() -> pl.Expr:
    """Return when a refill is due, in therapy ms: at the early end of "low", or when the drug is too old."""
    since_d = pl.col(SINCE_REFILL_S) / 86_400.0 + pl.col("age_d")
    stale_d = pl.when(since_d < 10.0 * MAX_REFILL_INTERVAL_D).then((MAX_REFILL_INTERVAL_D - since_d).clip(0.0))
    due_d = pl.min_horizontal(
        pl.col("low_d_low"), stale_d, pl.when(pl.col("low_d_low").is_not_null()).then(MAX_REFILL_INTERVAL_D)
    )
    due = pl.col("now") + (pl.when(due_d.is_finite()).then(due_d).cast(pl.Float64) * MS_PER_D).cast(pl.Int64)
    return due.alias("refill_due")
