"""Forecasts of dose, reservoir and battery of every pump if nothing changes; a pure function of state and alarms.

Each forecast is a band that holds in four of five cases, as `trials.forecast_score` measures. It knows the pump's
datasheet (`broker.contract.datasheet`). The widths are constants of `forecast_reservoir` and `forecast_battery`, the
same for every pump. A forecast is null if it depends on a value that is unknown or that a standing alarm puts in doubt.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from broker.store.pump_table import FORECASTS_SCHEMA
from processor.detectors.usage import HALF_LIVES_H
from processor.engine.columns import Rules, is_scored_by, score_name, select
from processor.rules import RULES
from processor.view import forecast_battery as battery
from processor.view import forecast_dose as dose
from processor.view import forecast_reservoir as reservoir
from processor.view.forecast_band import H_PER_D, INTERVAL_S, MS_PER_D

LOST: Final = ("catheter_disconnection",)
"""Alarms of flow that does not reach the patient at all."""
PARTLY: Final = ("catheter_leak", "catheter_migration")
"""Alarms of flow of which an unknown part does not reach the patient."""
FLOW_DOUBTED: Final = ("flow_sensor_stuck", "flow_sensor_noisy", "flow_sensor_unit", "flow_sensor_off")
LEVEL_DOUBTED: Final = ("volume_imbalance",)
BATTERY_DOUBTED: Final = ("battery_falling", "battery_drop")
ERI_ALARM: Final = "battery_replace"
FALLS: Final = "reservoir_falls"

_USAGE: Final = ("day_ul_h", "days", "flow_ul_h", "commanded_ul_h", *HALF_LIVES_H, "idle_v", "load_ma")
_NEEDED: Final = (
    *(f"usage.memory.{name}" for name in _USAGE),
    reservoir.SINCE_REFILL_S,
    INTERVAL_S,
    reservoir.FALLS_UL_H,
)


def forecasts(
    state: pl.DataFrame, alarms: pl.DataFrame, facts: pl.DataFrame, clocks: pl.Series, rules: Rules = RULES
) -> pl.DataFrame:
    """Return one row per pump (`FORECASTS_SCHEMA`), counted from each pump's therapy time in `clocks` (ms).

    `alarms` are the open ones, `facts` those of `Registry.facts`. With rules that track no usage all is null.
    """
    if not set(_NEEDED) <= set(state.columns):
        return pl.DataFrame(schema=FORECASTS_SCHEMA).clear(state.height)
    usage = [pl.col(name).alias(name.removeprefix("usage.memory.")) for name in _NEEDED]
    silent = pl.any_horizontal(pl.col(score_name(rule)) >= 1.0 for rule in rules if is_scored_by(rule, "age"))
    frame = select(state, "time", "flags", "reservoir_ml", "computed_ml", *usage, silent.alias("silent"))
    frame = frame.with_columns(
        battery.left(frame["idle_v"]),
        clocks.alias("now"),
        facts["dose_ug_day"],
        facts["concentration_ug_ml"],
        *_standing(alarms, clocks, state.height),
    )
    lost = frame["lost_h"].null_count() < frame.height
    lazy = frame.lazy().with_columns([*_present(), *(dose.washed_out() if lost else ())])
    for stage in (
        (*reservoir.paces(), *battery.paces()),
        (*reservoir.limits(), *battery.limits()),
        (*dose.limits(), *battery.end_of_service()),
        (*battery.replacement(), *dose.in_order(), reservoir.refill_due(), reservoir.drug_limit(), dose.effect()),
    ):
        lazy = lazy.with_columns(stage)
    return lazy.select(pl.col(name).cast(dtype) for name, dtype in FORECASTS_SCHEMA.items()).collect()


def columns(rules: Rules) -> tuple[str, ...]:
    """Return the columns of the state on which forecasts rest; a state without some of them has no forecasts."""
    ages = [score_name(rule) for rule in rules if is_scored_by(rule, "age")]
    return "time", "flags", "reservoir_ml", "computed_ml", *_NEEDED, *ages


def forecasts_of(
    pumps: pl.Series,
    state: pl.DataFrame,
    alarms: pl.DataFrame,
    facts: pl.DataFrame,
    *,
    clocks: pl.Series,
    rules: Rules = RULES,
) -> pl.DataFrame:
    """Return the forecasts of some pumps by number (ascending, each once), in a frame with their numbers (`pump`)."""
    known = state[[name for name in columns(rules) if name in state.columns]][pumps]
    of_these = alarms.filter(pl.col("pump").is_in(pumps.implode()))
    places = pumps.search_sorted(of_these["pump"]).alias("pump")
    found = forecasts(
        known,
        of_these.with_columns(places),
        facts["dose_ug_day", "concentration_ug_ml"][pumps],
        clocks.gather(pumps),
        rules,
    )
    return found.with_columns(pumps.alias("pump"))


def _standing(alarms: pl.DataFrame, clocks: pl.Series, pumps: int) -> list[pl.Series]:
    """Return what standing alarms imply: Boolean columns of doubt, and the hours since an onset (null without one)."""
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


def _present() -> list[pl.Expr]:
    """Return the present state of program, flow, reservoir and battery."""
    prescribed_ul_h = pl.col("dose_ug_day") / pl.col("concentration_ug_ml") * (1000.0 / H_PER_D)
    gain = pl.col("flow_ul_h") / pl.col("commanded_ul_h")
    return [
        pl.coalesce("day_ul_h", prescribed_ul_h).alias("usual_ul_h"),
        pl.when(pl.col("flow_doubted")).then(1.0).otherwise(gain).alias("gain"),
        ((pl.col("now") - pl.col("time")) / MS_PER_D).cast(pl.Float32).clip(0.0).alias("age_d"),
        dose.share(gain),
        *reservoir.levels(),
        *battery.reported(),
    ]
