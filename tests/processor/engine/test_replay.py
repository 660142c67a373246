"""Replay: history is judged as its samples were when they came."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from processor.engine import engine
from processor.engine.replay import judged
from processor.engine.sequence import REDELIVERED
from processor.rules import RULES

MINUTE_MS = 60_000
START_MS = 1_767_571_200_000
WATCHED = ("under_delivery", "motor_stall", "catheter_occlusion", "delivery_shift", "battery_drop", "flow_sensor_stuck")
CHOSEN = tuple(rule for rule in RULES if rule.name in WATCHED)
CALM = {
    **dict.fromkeys(("flow_ul_h", "motor_ul_h", "commanded_ul_h"), 8.0),
    "motor_ma": 2.0,
    "battery_v": 3.5,
    "pressure_mmhg": 12.0,
    "pulse_mmhg": 3.0,
    "temperature_c": 37.0,
    **dict.fromkeys(("reservoir_ml", "computed_ml"), 15.0),
}


def samples(count: int, failing_from: int) -> pl.DataFrame:
    """Return samples a minute apart, of which some are missing; from one on the flow has stopped."""
    rng = np.random.default_rng(7)
    rows = pl.DataFrame(
        {
            "pump": ["P"] * count,
            "time": START_MS + MINUTE_MS * np.arange(count),
            "seq": np.arange(count),
            "boot": [1] * count,
            "program": [3] * count,
            "flags": [0] * count,
            **{name: CALM.get(name, 1.0) * (1 + 0.004 * rng.standard_normal(count)) for name in SIGNAL_NAMES},
        }
    )
    stopped = pl.int_range(pl.len()) >= failing_from
    rows = rows.with_columns(
        pl.when(stopped).then(0.0).otherwise(name).alias(name) for name in ("flow_ul_h", "motor_ul_h")
    )
    kept = rows.filter(pl.int_range(pl.len()) % 37 != 5)
    return kept.select(
        kept[name].cast(dtype) if name in kept.columns else pl.lit(None, dtype).alias(name)
        for name, dtype in SAMPLE_SCHEMA.items()
    )


@pytest.fixture(scope="module")
def history() -> pl.DataFrame:
    return samples(600, failing_from=480)


def test_scores_of_the_past_are_those_that_live_samples_had(history: pl.DataFrame) -> None:
    state, live = engine.new_state(1, CHOSEN), []
    for wave in history.iter_slices(1):
        taken = wave.drop("pump", "sent").with_columns(
            pl.lit(0, pl.UInt32).alias("pump"), pl.lit(None, pl.Boolean).alias(REDELIVERED)
        )
        result = engine.step(state, taken, CHOSEN)
        state = result.state
        live += [result.judged] if result.judged.height else []
    then, names = pl.concat(live), [rule.name for rule in CHOSEN]
    again = judged(history, CHOSEN, 300.0)
    assert again["time"].to_list() == then["time"].to_list()
    assert np.allclose(again[names].to_numpy(), then[names].to_numpy(), rtol=1e-3, atol=1e-3, equal_nan=True)
    assert again["under_delivery"].max() >= 1.0, "the stopped flow is seen in the scores of the past"


def test_later_samples_are_judged_from_where_the_earlier_ones_ended(history: pl.DataFrame) -> None:
    whole = judged(history, CHOSEN, 300.0)
    first = judged(history.head(301), CHOSEN, 300.0)
    rest = judged(history.filter(pl.col("time") > first["time"][-1]), CHOSEN, 300.0, first.tail(1))
    names = [rule.name for rule in CHOSEN]
    assert np.allclose(
        pl.concat([first, rest])[names].to_numpy(), whole[names].to_numpy(), rtol=0.02, atol=0.02, equal_nan=True
    )


def test_hourly_history_without_numbers_and_flags_is_judged_too(history: pl.DataFrame) -> None:
    assert judged(history.select("time", *SIGNAL_NAMES), CHOSEN, 3600.0).height == 10
    assert judged(history.clear(), CHOSEN, 300.0).is_empty()
