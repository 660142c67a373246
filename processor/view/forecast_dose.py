"""Forecast of the dose: when a patient is under-dosed or over-dosed, by the drug's effect.

Half-lives differ between patients, and nobody knows that of a given one: a short, a middle and a long half-life make
the band.
"""

from __future__ import annotations

import math
from typing import Final

import polars as pl

from broker.contract.dose_limits import SPINAL_STEP
from broker.store.pump_table import band
from processor.detectors.usage import HALF_LIVES_H, MIN_UL_H
from processor.view.forecast_band import H_PER_D, NEVER

UNDER_DOSED: Final = 0.5
"""Effect, as a share of that of the program, below which a patient is under-dosed; modelling choice."""
OVER_DOSED: Final = 1.0 + SPINAL_STEP
"""Effect above which a patient is over-dosed: more than the largest titration step adds; modelling choice."""


def share(gain: pl.Expr) -> pl.Expr:
    """Return the share of the program that reaches the patient; null while alarms, silence or a pause hide it."""
    unknown = pl.col("flow_doubted") | pl.col("partly") | pl.col("silent")
    delivered = pl.when(pl.col("lost_h").is_not_null()).then(0.0).otherwise(gain)
    return pl.when(~unknown & (pl.col("day_ul_h").fill_null(1.0) >= MIN_UL_H)).then(delivered).alias("share")


def washed_out() -> list[pl.Expr]:
    """Return the effects after what is lost since the alarm of a disconnection began."""
    hours = pl.col("lost_h").fill_null(0.0)
    return [
        (pl.col(name) * (hours * (-math.log(2.0) / half_life_h)).exp()).alias(name)
        for name, half_life_h in HALF_LIVES_H.items()
    ]


def limits() -> list[pl.Expr]:
    """Return the hours until under- and over-dosed for each half-life."""
    hours: list[pl.Expr] = []
    delivered = pl.col("share")
    known = pl.when(delivered.is_not_null())
    for edge, (name, half_life_h) in zip(("low", "mid", "high"), HALF_LIVES_H.items(), strict=True):
        effect = pl.col(name)
        falls = ((effect - delivered) / (UNDER_DOSED - delivered)).log(2.0) * half_life_h
        under = pl.when(effect <= UNDER_DOSED).then(0.0).when(delivered < UNDER_DOSED).then(falls).otherwise(NEVER)
        dry = pl.col(f"empty_d_{edge}") * H_PER_D + half_life_h * math.log2(1.0 / UNDER_DOSED)
        hours.append(known.then(pl.min_horizontal(under, dry)).alias(f"under_dosed_h_{edge}"))
        rises = ((delivered - effect) / (delivered - OVER_DOSED)).log(2.0) * half_life_h
        over = pl.when(effect >= OVER_DOSED).then(0.0).when(delivered > OVER_DOSED).then(rises).otherwise(NEVER)
        hours.append(known.then(over).alias(f"over_dosed_h_{edge}"))
    return hours


def in_order() -> list[pl.Expr]:
    """Return the bands of doses from low to high: for a recovering effect the short half-life is the first."""
    bands: list[pl.Expr] = []
    for name in ("under_dosed_h", "over_dosed_h"):
        low, mid, high = band(name)
        bands += [pl.min_horizontal(low, mid, high).alias(low), pl.max_horizontal(low, mid, high).alias(high)]
    return bands


def effect() -> pl.Expr:
    """Return the current effect at the middle half-life; null if the dose is unknown."""
    return pl.when(pl.col("share").is_not_null()).then(pl.col("effect_middle")).alias("effect")
