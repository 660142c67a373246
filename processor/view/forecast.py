"""This file says what comes if nothing changes: of the dose, the reservoir and the battery of every pump. It is pure.

Each forecast is a band that comes true in four of five cases, as `trials.forecast_score` measures. Half-lives differ
between patients and nobody knows which one has which; all other bands are as wide as the constants here say, the same
for every pump. What follows from an unknown value, or from one that a standing alarm calls into doubt, is unknown.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import polars as pl

from broker.contract.dose_limits import RESIDUAL_ML, SPINAL_STEP
from broker.contract.signals import FLAG_BIT
from broker.store.snapshot import FORECASTS_SCHEMA, band
from processor.detectors.usage import HALF_LIVES_H, LOW_ML, MIN_UL_H
from processor.engine.columns import Rules, is_scored_by, score_name
from processor.rules import RULES

UNDER_DOSED: Final = 0.5
"""Effect, as a share of what the program would do, below which a patient is under-dosed; modelling choice."""
OVER_DOSED: Final = 1.0 + SPINAL_STEP
"""Effect above which one is over-dosed: beyond what the largest step of a titration adds; modelling choice."""
Z: Final = 1.2816
"""Four of five normal values lie within so many standard deviations of their mean."""

LOST: Final = ("catheter_disconnection",)
"""Alarms that say that no drug arrives though it flows."""
PARTLY: Final = ("catheter_leak", "catheter_migration")
"""Alarms that say that an unknown part of it does not arrive."""
FLOW_DOUBTED: Final = ("flow_sensor_stuck", "flow_sensor_noisy", "flow_sensor_unit", "flow_sensor_off")
LEVEL_DOUBTED: Final = ("volume_imbalance",)
BATTERY_DOUBTED: Final = ("battery_falling", "battery_drop")
ERI_ALARM: Final = "battery_replace"
FALLS: Final = "reservoir_falls"
FALLS_UL_H: Final = "volume.memory.measured_quick"
FALLS_OVER_H: Final = 1.5
"""The vote's quick average of what vanishes from the reservoir (µL), and over how many hours it is taken."""

LEVEL_ML: Final = 0.02
GAIN_ERROR: Final = 0.0016
GAIN_NOISE: Final = 0.00105
FRESH_ERROR: Final = 0.02
PHASE_D: Final = 0.056
"""Standard deviations: of the level read, of the flow relative to the program as it goes on, what the noise of samples
a minute apart adds to that, of the flow before a whole day was counted, and of the time of the day at which a level is
reached. Calibrated by `trials.forecast_score`. What is averaged of fewer samples is noisier, by the root of the interval."""
MAX_REFILL_INTERVAL_D: Final = 180.0
"""A refill is due after so many days in any case (stability study of baclofen in pumps)."""

CAPACITY_MAH: Final = 2400.0
ERI_MAH: Final = 84.0
EOS_AFTER_ERI_D: Final = 90.0
LIFE_D: Final = 7 * 365.25
"""Charge of a new battery and when it asks for replacement; a pump stops 90 days after that, and seven years after it
was implanted (maker's replacement page). The charges are modelling choices."""
STANDING_MA: Final = 0.008
TURNING_MA: Final = 3.0
FULL_SPEED_UL_H: Final = 1000.0
"""Current of the electronics, usual current of a turning motor, and the flow at which it would turn without pause;
modelling choices."""
WORN_MA_ML: Final = 0.2 / 640.0
"""What a millilitre turned through adds to a motor's current; modelling choice."""
VOLT_ERROR: Final = 0.00035
VOLT_NOISE: Final = 0.00012
DRAIN_ERROR: Final = 0.0019
DRAIN_NOISE: Final = 0.0008
AGE_ERROR: Final = 0.0047
"""Standard deviations: of the averaged voltage and, relative, of the mean current to come, each with what the noise of
samples a minute apart adds; and, relative, of the mean current so far. Calibrated by `trials.forecast_score` on batteries
that are all alike; those of real pumps are not."""
USUAL_S: Final = 60.0
"""The interval of samples for which the noise above is told."""
LEFT: Final = np.linspace(0.0, 1.0, 512)
IDLE_V: Final = 3.25 + 0.35 * LEFT - 0.65 * np.exp(LEFT / -0.06)
"""Voltage without load by the share of the charge that is left: nearly flat, then a steep end; modelling choice."""

MS_PER_D: Final = 86_400_000.0
H_PER_D: Final = 24.0
NEVER: Final = math.inf
MAX_FORECAST_D: Final = 20 * 365.25
"""Nothing is foretold that lies farther away; no pump lives so long."""
_USAGE: Final = ("day_ul_h", "days", "flow_ul_h", "commanded_ul_h", *HALF_LIVES_H, "idle_v", "load_ma")
_SINCE_REFILL_S: Final = "refill.memory.since_s"
_INTERVAL_S: Final = "stream.memory.interval_s"
_NEEDED: Final = (*(f"usage.memory.{name}" for name in _USAGE), _SINCE_REFILL_S, _INTERVAL_S, FALLS_UL_H)


def forecasts(
    state: pl.DataFrame, alarms: pl.DataFrame, facts: pl.DataFrame, clocks: pl.Series, rules: Rules = RULES
) -> pl.DataFrame:
    """Return one row a pump (`FORECASTS_SCHEMA`), from each pump's therapy time in `clocks` (ms) on.

    `alarms` are those open, `facts` as `Registry.facts` tells. With an alarm list that keeps no usage all is unknown.
    """
    if not set(_NEEDED) <= set(state.columns):
        return pl.DataFrame(schema=FORECASTS_SCHEMA).clear(state.height)
    told = [pl.col(name).alias(name.removeprefix("usage.memory.")) for name in _NEEDED]
    silent = pl.any_horizontal(pl.col(score_name(rule)) >= 1.0 for rule in rules if is_scored_by(rule, "age"))
    frame = state.select("time", "flags", pl.col("reservoir_ml", "computed_ml"), *told, silent.alias("silent"))
    frame = frame.with_columns(
        clocks.alias("now"),
        facts["dose_ug_day"],
        facts["concentration_ug_ml"],
        *_standing(alarms, clocks, state.height),
    )
    left = pl.Series("left", np.interp(frame["idle_v"].fill_null(np.nan).to_numpy(), IDLE_V, LEFT), pl.Float32)
    lost = frame["lost_h"].null_count() < frame.height
    lazy = frame.with_columns(left.fill_nan(None)).lazy().with_columns([*_basics(), *(_washed_out() if lost else ())])
    for stage in (_paces(), _reaches(), _ends(), _in_order()):
        lazy = lazy.with_columns(stage)
    return lazy.select(pl.col(name).cast(dtype) for name, dtype in FORECASTS_SCHEMA.items()).collect()


def _standing(alarms: pl.DataFrame, clocks: pl.Series, pumps: int) -> list[pl.Series]:
    """Return what alarms say: Boolean columns of doubt, and hours since what began (null where it did not)."""
    standing = alarms.filter(pl.col("returned").is_null() & pl.col("pump").is_not_null())
    believed = standing.filter(pl.col("under").is_null())

    def any_of(name: str, names: tuple[str, ...]) -> pl.Series:
        marked = np.zeros(pumps, bool)
        marked[believed.filter(pl.col("rule").is_in(names))["pump"].to_numpy()] = True
        return pl.Series(name, marked)

    def hours(name: str, names: tuple[str, ...], among: pl.DataFrame) -> pl.Series:
        found = among.filter(pl.col("rule").is_in(names)).sort("onset", descending=True)
        since = np.full(pumps, np.nan, np.float32)
        ages = clocks.gather(found["pump"]) - found["onset"]
        since[found["pump"].to_numpy()] = ages.to_numpy() / MS_PER_D * H_PER_D
        return pl.Series(name, since).fill_nan(None)

    return [
        any_of("partly", PARTLY),
        any_of("flow_doubted", FLOW_DOUBTED),
        any_of("level_doubted", LEVEL_DOUBTED),
        any_of("battery_doubted", BATTERY_DOUBTED),
        any_of("falls", (FALLS,)),
        hours("lost_h", LOST, believed),
        hours("eri_h", (ERI_ALARM,), standing),
    ]


def _basics() -> list[pl.Expr]:
    prescribed_ul_h = pl.col("dose_ug_day") / pl.col("concentration_ug_ml") * (1000.0 / H_PER_D)
    gain = pl.col("flow_ul_h") / pl.col("commanded_ul_h")
    level = pl.when(pl.col("level_doubted")).then(pl.col("computed_ml")).otherwise(pl.col("reservoir_ml"))
    doubted = pl.col("flow_doubted")
    return [
        pl.coalesce("day_ul_h", prescribed_ul_h).alias("usual_ul_h"),
        pl.when(doubted).then(1.0).otherwise(gain).alias("gain"),
        level.alias("level_ml"),
        pl.when(~(doubted | pl.col("partly") | pl.col("silent")) & (pl.col("day_ul_h").fill_null(1.0) >= MIN_UL_H))
        .then(pl.when(pl.col("lost_h").is_not_null()).then(0.0).otherwise(gain))
        .alias("share"),
        ((pl.col("now") - pl.col("time")) / MS_PER_D).cast(pl.Float32).clip(0.0).alias("age_d"),
        pl.when(pl.col("days") > 0)
        .then(_with_noise(GAIN_ERROR, GAIN_NOISE))
        .otherwise(FRESH_ERROR)
        .alias("pace_error"),
        ((pl.col("flags").fill_null(0) & FLAG_BIT["eri"]) != 0).alias("asks"),
        ((pl.col("flags").fill_null(0) & FLAG_BIT["eos"]) != 0).alias("ended"),
    ]


def _with_noise(error: float, noise: float) -> pl.Expr:
    """Return the standard deviation of an average over samples as far apart as this pump's."""
    return (error**2 + noise**2 * pl.col(_INTERVAL_S).fill_null(USUAL_S) / USUAL_S).sqrt()


def _washed_out() -> list[pl.Expr]:
    """Return the effects after what is lost since an alarm says so."""
    hours = pl.col("lost_h").fill_null(0.0)
    return [
        (pl.col(name) * (hours * (-math.log(2.0) / half_life_h)).exp()).alias(name)
        for name, half_life_h in HALF_LIVES_H.items()
    ]


def _paces() -> list[pl.Expr]:
    """Return how fast the reservoir and the battery go down."""
    drained = pl.when(pl.col("falls")).then((-pl.col(FALLS_UL_H)).clip(0.0) / FALLS_OVER_H).otherwise(0.0)
    # A sensor's noise around no flow at all fills no reservoir.
    flow_ul_h = pl.col("usual_ul_h") * pl.col("gain").clip(0.0) + drained
    charge_mah = pl.when(~pl.col("battery_doubted")).then(pl.col("left") * CAPACITY_MAH)
    slope_v = 0.35 + 0.65 / 0.06 * (pl.col("left") / -0.06).exp()
    return [
        (flow_ul_h * (H_PER_D / 1000.0)).alias("ml_day"),
        charge_mah.alias("charge_mah"),
        (CAPACITY_MAH * _with_noise(VOLT_ERROR, VOLT_NOISE) / slope_v).alias("charge_error_mah"),
        (H_PER_D * (STANDING_MA + pl.col("load_ma") * pl.col("usual_ul_h") / FULL_SPEED_UL_H)).alias("mah_day"),
        (H_PER_D * (STANDING_MA + TURNING_MA * pl.col("usual_ul_h") / FULL_SPEED_UL_H)).alias("mah_day_so_far"),
    ]


def _reaches() -> list[pl.Expr]:
    """Return when reservoir and battery reach their limits, in days from now."""
    said: list[pl.Expr] = []
    ml_day, age_d = pl.col("ml_day"), pl.col("age_d")
    for name, floor_ml in (("low_d", LOW_ML), ("empty_d", RESIDUAL_ML)):
        above_ml = (pl.col("level_ml") - floor_ml).clip(0.0)
        days = pl.when(above_ml > 0.0).then(above_ml / ml_day).otherwise(above_ml)
        spread = ((LEVEL_ML / ml_day) ** 2 + (pl.col("pace_error") * days) ** 2 + PHASE_D**2).sqrt()
        said += _around(name, days, spread, age_d)
    worn_ma = WORN_MA_ML / 2.0 * pl.col("usual_ul_h") ** 2 * H_PER_D / 1000.0 / FULL_SPEED_UL_H
    above_mah = (pl.col("charge_mah") - ERI_MAH).clip(0.0)
    drain = pl.col("mah_day") + H_PER_D * worn_ma * above_mah / pl.col("mah_day")
    days = above_mah / drain
    spread = ((pl.col("charge_error_mah") / drain) ** 2 + (_with_noise(DRAIN_ERROR, DRAIN_NOISE) * days) ** 2).sqrt()
    said += _around("eri_d", pl.when(pl.col("asks")).then(0.0).otherwise(days), spread, age_d)
    lived = (CAPACITY_MAH - pl.col("charge_mah")) / pl.col("mah_day_so_far")
    unsure = ((pl.col("charge_error_mah") / pl.col("mah_day_so_far")) ** 2 + (AGE_ERROR * lived) ** 2).sqrt()
    return [*said, *_around("life_d", LIFE_D - lived, unsure, age_d)]


def _around(name: str, days: pl.Expr, spread: pl.Expr, age_d: pl.Expr) -> list[pl.Expr]:
    """Return a band as of now of what is so many days after the last sample; what is there already has no spread."""
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


def _ends() -> list[pl.Expr]:
    """Return the doses' hours for each half-life, and the end of service, which follows from two causes."""
    said: list[pl.Expr] = []
    share = pl.col("share")
    ends = zip(("low", "mid", "high"), HALF_LIVES_H.items(), strict=True)
    for edge, (name, half_life_h) in ends:
        effect = pl.col(name)
        falls = ((effect - share) / (UNDER_DOSED - share)).log(2.0) * half_life_h
        under = pl.when(effect <= UNDER_DOSED).then(0.0).when(share < UNDER_DOSED).then(falls).otherwise(NEVER)
        dry = pl.col(f"empty_d_{edge}") * H_PER_D + half_life_h * math.log2(1.0 / UNDER_DOSED)
        known = pl.when(share.is_not_null())
        said.append(known.then(pl.min_horizontal(under, dry)).alias(f"under_dosed_h_{edge}"))
        rises = ((share - effect) / (share - OVER_DOSED)).log(2.0) * half_life_h
        over = pl.when(effect >= OVER_DOSED).then(0.0).when(share > OVER_DOSED).then(rises).otherwise(NEVER)
        said.append(known.then(over).alias(f"over_dosed_h_{edge}"))
        eri, life = pl.col(f"eri_d_{edge}"), pl.col(f"life_d_{edge}")
        after = pl.min_horizontal(EOS_AFTER_ERI_D, ERI_MAH / pl.col("mah_day"))
        asked = (after - pl.col("eri_h") / H_PER_D).clip(0.0)
        eos = pl.when(pl.col("eri_h").is_not_null()).then(asked).otherwise(eri + after)
        whole = pl.when(eos.is_not_null() & life.is_not_null()).then(pl.min_horizontal(eos, life))
        said.append(pl.when(pl.col("ended")).then(0.0).otherwise(whole).alias(f"eos_d_{edge}"))
    return said


def _in_order() -> list[pl.Expr]:
    """Return the bands of doses from low to high: where an effect comes back, the short half-lives are first."""
    said: list[pl.Expr] = []
    # A pump that ends by its age asks for nothing before.
    outlives = ~pl.col("asks") & (pl.col("eri_d_mid") > pl.col("life_d_mid"))
    said += [pl.when(outlives.fill_null(value=False)).then(NEVER).otherwise(name).alias(name) for name in band("eri_d")]
    for name in ("under_dosed_h", "over_dosed_h"):
        low, mid, high = band(name)
        said += [pl.min_horizontal(low, mid, high).alias(low), pl.max_horizontal(low, mid, high).alias(high)]
    since_d = pl.col(_SINCE_REFILL_S) / 86_400.0 + pl.col("age_d")
    stale_d = pl.when(since_d < 10.0 * MAX_REFILL_INTERVAL_D).then((MAX_REFILL_INTERVAL_D - since_d).clip(0.0))
    due_d = pl.min_horizontal(
        pl.col("low_d_low"), stale_d, pl.when(pl.col("low_d_low").is_not_null()).then(MAX_REFILL_INTERVAL_D)
    )
    due = pl.col("now") + (pl.when(due_d.is_finite()).then(due_d).cast(pl.Float64) * MS_PER_D).cast(pl.Int64)
    effect = pl.when(pl.col("share").is_not_null()).then(pl.col("effect_middle")).alias("effect")
    return [*said, due.alias("refill_due"), effect]
