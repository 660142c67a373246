"""Forecast of the battery: when the pump asks for replacement (ERI) and when its service ends (EOS)."""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from broker.contract.datasheet import (
    CAPACITY_MAH,
    ELECTRONICS_MA,
    EOS_AFTER_ERI_D,
    ERI_MAH,
    FULL_SPEED_UL_H,
    KNEE_SHARE,
    KNEE_V,
    LIFE_ML,
    SERVICE_LIFE_D,
    SLOPE_V,
    TURNING_MA,
    WORN_MA,
    idle_v,
)
from broker.contract.signals import FLAG_BIT
from broker.store.pump_table import band
from processor.view.forecast_band import H_PER_D, NEVER, around, with_noise

VOLT_ERROR: Final = 0.00035
VOLT_NOISE: Final = 0.00012
DRAIN_ERROR: Final = 0.0019
DRAIN_NOISE: Final = 0.0008
AGE_ERROR: Final = 0.0047
"""Standard deviations: of the averaged voltage and, relative, of the mean future current, each with the noise of
samples a minute apart; and, relative, of the mean current so far. Calibrated with `trials.forecast_score` on pumps that
match the datasheet exactly; docs/forecasts.md has the coverage for pumps that do not."""
LEFT: Final = np.linspace(0.0, 1.0, 512)
IDLE_V: Final = idle_v(LEFT)
"""Discharge curve, from which the share of the charge that is left is read."""


def left(volts: pl.Series) -> pl.Series:
    """Return the share of the charge that is left, from the voltage without load."""
    return pl.Series("left", np.interp(volts.fill_null(np.nan).to_numpy(), IDLE_V, LEFT), pl.Float32).fill_nan(None)


def reported() -> list[pl.Expr]:
    """Return what the pump itself reports: that it asks for replacement, that its service has ended."""
    flags = pl.col("flags").fill_null(0)
    return [((flags & FLAG_BIT["eri"]) != 0).alias("asks"), ((flags & FLAG_BIT["eos"]) != 0).alias("ended")]


def paces() -> list[pl.Expr]:
    """Return the charge that is left, its error, and the charge per day in future and so far."""
    charge_mah = pl.when(~pl.col("battery_doubted")).then(pl.col("left") * CAPACITY_MAH)
    slope_v = SLOPE_V + KNEE_V / KNEE_SHARE * (pl.col("left") / -KNEE_SHARE).exp()
    usual_ul_h = pl.col("usual_ul_h")
    return [
        charge_mah.alias("charge_mah"),
        (CAPACITY_MAH * with_noise(VOLT_ERROR, VOLT_NOISE) / slope_v).alias("charge_error_mah"),
        (H_PER_D * (ELECTRONICS_MA + pl.col("load_ma") * usual_ul_h / FULL_SPEED_UL_H)).alias("mah_day"),
        (H_PER_D * (ELECTRONICS_MA + TURNING_MA * usual_ul_h / FULL_SPEED_UL_H)).alias("mah_day_so_far"),
    ]


def limits() -> list[pl.Expr]:
    """Return the bands of the days until ERI by charge, and until the service life is over.

    The age of a pump is estimated from the charge that it has used.
    """
    age_d = pl.col("age_d")
    worn_ma = WORN_MA / LIFE_ML / 2.0 * pl.col("usual_ul_h") ** 2 * H_PER_D / 1000.0 / FULL_SPEED_UL_H
    above_mah = (pl.col("charge_mah") - ERI_MAH).clip(0.0)
    drain = pl.col("mah_day") + H_PER_D * worn_ma * above_mah / pl.col("mah_day")
    days = above_mah / drain
    spread = ((pl.col("charge_error_mah") / drain) ** 2 + (with_noise(DRAIN_ERROR, DRAIN_NOISE) * days) ** 2).sqrt()
    eri = around("eri_d", pl.when(pl.col("asks")).then(0.0).otherwise(days), spread, age_d)
    lived = (CAPACITY_MAH - pl.col("charge_mah")) / pl.col("mah_day_so_far")
    unsure = ((pl.col("charge_error_mah") / pl.col("mah_day_so_far")) ** 2 + (AGE_ERROR * lived) ** 2).sqrt()
    return [*eri, *around("life_d", SERVICE_LIFE_D - lived, unsure, age_d)]


def end_of_service() -> list[pl.Expr]:
    """Return the band of the end of service: a time after ERI, or the end of the service life if that is earlier."""
    return [_end(edge).alias(f"eos_d_{edge}") for edge in ("low", "mid", "high")]


def _end(edge: str) -> pl.Expr:
    eri, life = pl.col(f"eri_d_{edge}"), pl.col(f"life_d_{edge}")
    after = pl.min_horizontal(EOS_AFTER_ERI_D, ERI_MAH / pl.col("mah_day"))
    asked = (after - pl.col("eri_h") / H_PER_D).clip(0.0)
    by_charge = pl.when(pl.col("eri_h").is_not_null()).then(asked).otherwise(eri + after)
    earlier = pl.when(by_charge.is_not_null() & life.is_not_null()).then(pl.min_horizontal(by_charge, life))
    return pl.when(pl.col("ended")).then(0.0).otherwise(earlier)


def replacement() -> list[pl.Expr]:
    """Return the band of ERI, which never comes if the service life is over before."""
    outlives = ~pl.col("asks") & (pl.col("eri_d_mid") > pl.col("life_d_mid"))
    return [pl.when(outlives.fill_null(value=False)).then(NEVER).otherwise(name).alias(name) for name in band("eri_d")]
