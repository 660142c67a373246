"""Forecasts of a pump: exact if all inputs are known, unknown if one is missing."""

from __future__ import annotations

import math

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from broker.contract.signals import FLAG_BIT
from broker.store.pump_table import FORECASTS_SCHEMA, band
from processor.alarms.lifecycle import SCHEMA as ALARMS
from processor.alarms.lifecycle import no_alarms
from processor.engine import engine
from processor.rules import RULE_BY_NAME, RULES
from processor.view import forecast

START_MS = 1_767_225_600_000
HOUR_MS = 3_600_000
USUAL = {
    "day_ul_h": 10.0,
    "days": 3.0,
    "windows": 1000.0,
    "flow_ul_h": 10.0,
    "commanded_ul_h": 10.0,
    "idle_v": 3.425,
    "load_ma": 3.0,
}


def forecast_of(
    alarms: pl.DataFrame | None = None, *, age_h: float = 0.0, prescribed: float | None = None, **changes
) -> dict:
    """Return the forecasts of one pump with 14 mL, 10 µL/h and half of its charge, unless changed."""
    state = engine.new_state(1)
    values = {"time": START_MS, "flags": 0, "reservoir_ml": 14.0, "computed_ml": 15.0}
    values |= {f"usage.memory.{name}": value for name, value in USUAL.items()}
    values |= {
        (kept if (kept := f"usage.memory.{name}") in state.columns else name): value for name, value in changes.items()
    }
    state = state.with_columns(pl.lit(value, state.schema[name]).alias(name) for name, value in values.items())
    facts = pl.DataFrame({"dose_ug_day": [prescribed], "concentration_ug_ml": [1000.0]}, {
        "dose_ug_day": pl.Float32, "concentration_ug_ml": pl.Float32})  # fmt: skip
    clock = pl.Series([START_MS + round(age_h * HOUR_MS)])
    frame = forecast.forecasts(state, no_alarms() if alarms is None else alarms, facts, clock)
    assert dict(frame.schema) == FORECASTS_SCHEMA
    return frame.row(0, named=True)


def alarm(rule: str, *, since_h: float = 0.0) -> pl.DataFrame:
    """Return one alarm that has stood for so many hours at the last sample."""
    onset = START_MS - round(since_h * HOUR_MS)
    row = {"alarm": rule, "pump": 0, "rule": rule, "priority": 1, "onset": onset, "raised": onset, "score": 2.0}
    return pl.DataFrame([{**dict.fromkeys(ALARMS), **row}], ALARMS)


def of(row: dict, name: str) -> list[float | None]:
    return [row[column] for column in band(name)]


def test_bands_are_wider_if_samples_are_rare():
    dense, sparse = (forecast_of(**{"stream.memory.interval_s": interval_s}) for interval_s in (60.0, 3600.0))
    for name in ("low_d", "empty_d", "eri_d"):
        assert of(sparse, name)[1] == of(dense, name)[1]
        assert of(sparse, name)[0] < of(dense, name)[0] < of(dense, name)[2] < of(sparse, name)[2]


def test_a_reservoir_is_low_when_program_and_flow_have_used_its_volume():
    row = forecast_of()
    assert row["low_d_mid"] == pytest.approx(12_000 / 240)
    assert row["empty_d_mid"] == pytest.approx(12_600 / 240)
    assert forecast_of(flow_ul_h=12.5)["low_d_mid"] == pytest.approx(40)
    assert row["low_d_low"] < row["low_d_mid"] < row["low_d_high"]


def test_flow_sensor_noise_of_a_stopped_pump_does_not_empty_its_reservoir():
    for flow_ul_h in (-0.03, 0.0):
        row = forecast_of(flow_ul_h=flow_ul_h, reservoir_ml=13.7)
        assert of(row, "low_d") == of(row, "empty_d") == [math.inf] * 3
        assert of(forecast_of(flow_ul_h=flow_ul_h, reservoir_ml=1.0), "empty_d") == [0.0] * 3


def test_a_forecast_draws_nearer_as_time_passes():
    now, later = forecast_of(), forecast_of(age_h=12.0)
    assert later["low_d_mid"] == pytest.approx(now["low_d_mid"] - 0.5)
    assert later["refill_due"] == pytest.approx(now["refill_due"], abs=10_000)


def test_a_refill_is_due_at_the_early_end_of_the_band_or_180_days_after_the_last():
    row = forecast_of()
    assert (row["refill_due"] - START_MS) / (24 * HOUR_MS) == pytest.approx(row["low_d_low"], abs=0.001)
    old = forecast_of(**{"refill.memory.since_s": 170 * 86_400.0})
    assert (old["refill_due"] - START_MS) / (24 * HOUR_MS) == pytest.approx(10)


def test_the_drug_is_tested_for_180_days_after_a_refill_and_the_limit_stays_where_it_was_once_it_is_past():
    past = forecast_of(**{"refill.memory.since_s": 200 * 86_400.0})
    assert (past["drug_limit"] - START_MS) / (24 * HOUR_MS) == pytest.approx(-20)
    assert past["refill_due"] == pytest.approx(START_MS, abs=10_000)
    assert forecast_of(**{"refill.memory.since_s": 1e9})["drug_limit"] is None, "no refill was recorded"


def test_without_delivery_half_of_the_effect_is_lost_after_one_half_life():
    assert of(forecast_of(flow_ul_h=0.0), "under_dosed_h") == pytest.approx([1.4, 3.0, 4.6])


def test_a_share_of_the_dose_keeps_that_share_of_the_effect():
    third = forecast_of(flow_ul_h=10 / 3)
    assert third["under_dosed_h_mid"] == pytest.approx(3.0 * math.log2((1 - 1 / 3) / (1 / 2 - 1 / 3)), rel=1e-4)
    assert forecast_of(flow_ul_h=6.0)["under_dosed_h_mid"] > 24 * forecast_of(flow_ul_h=6.0)["empty_d_mid"]


def test_twice_the_dose_is_an_overdose_after_its_effect_has_risen():
    rises = 3.0 * math.log2(1.0 / 0.7)
    assert forecast_of(flow_ul_h=20.0)["over_dosed_h_mid"] == pytest.approx(rises, rel=1e-4)
    assert of(forecast_of(), "over_dosed_h") == [math.inf] * 3


def test_a_patient_who_may_be_under_dosed_already_has_a_band_that_begins_now():
    row = forecast_of(flow_ul_h=0.0, effect_short=0.3, effect_middle=0.6, effect_long=0.7)
    assert row["under_dosed_h_low"] == 0
    assert row["under_dosed_h_mid"] == pytest.approx(3.0 * math.log2(1.2), rel=1e-4)
    back = forecast_of(effect_short=0.9, effect_middle=0.7, effect_long=0.4)
    assert of(back, "under_dosed_h") == sorted(of(back, "under_dosed_h"))


def test_after_a_disconnection_the_flow_does_not_count_as_a_dose():
    assert of(forecast_of(alarm("catheter_disconnection")), "under_dosed_h") == pytest.approx([1.4, 3.0, 4.6])
    later = forecast_of(alarm("catheter_disconnection", since_h=2.0))
    assert of(later, "under_dosed_h") == pytest.approx([0.0, 1.0, 2.6], rel=1e-4)


@pytest.mark.parametrize(
    ("doubt", "unknown"),
    [
        ("catheter_leak", ("under_dosed_h", "over_dosed_h")),
        ("flow_sensor_stuck", ("under_dosed_h", "over_dosed_h")),
        ("battery_drop", ("eri_d", "eos_d")),
    ],
)
def test_forecasts_that_an_alarm_puts_in_doubt_are_unknown(doubt, unknown):
    row = forecast_of(alarm(doubt))
    assert [of(row, name) for name in unknown] == [[None] * 3] * len(unknown)
    assert None not in of(row, "low_d")


def test_a_doubtful_level_sensor_is_replaced_by_the_computed_volume():
    assert forecast_of(alarm("volume_imbalance"))["low_d_mid"] == pytest.approx(13_000 / 240)


@pytest.mark.parametrize(
    ("missing", "unknown"),
    [
        ("flow_ul_h", ("under_dosed_h", "over_dosed_h", "low_d", "empty_d")),
        ("day_ul_h", ("low_d", "empty_d", "eri_d", "eos_d")),
        ("reservoir_ml", ("low_d", "empty_d")),
        ("idle_v", ("eri_d", "eos_d")),
        ("load_ma", ("eri_d",)),
    ],
)
def test_a_missing_input_leaves_its_forecasts_unknown(missing, unknown):
    row = forecast_of(**{missing: None})
    assert [of(row, name) for name in unknown] == [[None] * 3] * len(unknown)


def test_before_a_full_day_of_samples_the_prescribed_dose_is_used():
    early = forecast_of(day_ul_h=None, days=0.0, prescribed=240.0)
    assert early["low_d_mid"] == pytest.approx(50)
    assert early["low_d_high"] - early["low_d_low"] > forecast_of()["low_d_high"] - forecast_of()["low_d_low"]


def test_the_dose_of_a_silent_pump_is_unknown_but_its_reservoir_is_forecast():
    row = forecast_of(pump_silent=1.0)
    assert (row["under_dosed_h_mid"], row["effect"]) == (None, None)
    assert row["low_d_mid"] == pytest.approx(50)


def test_a_battery_lasts_as_long_as_its_charge_at_the_current_load():
    row = forecast_of()
    left = (3.425 - 3.25) / 0.35
    days = (2400 * left - 84) / (24 * (0.008 + 3.0 * 10 / 1000))
    assert row["eri_d_mid"] == pytest.approx(days, rel=0.03)
    assert row["eri_d_low"] < row["eri_d_mid"] < row["eri_d_high"]


def test_a_pump_due_for_replacement_reaches_end_of_service_after_90_days_or_when_its_charge_is_used():
    due = forecast_of(alarm("battery_replace", since_h=240.0), flags=FLAG_BIT["eri"])
    assert of(due, "eri_d") == [0.0] * 3
    assert due["eos_d_mid"] == pytest.approx(80)
    high_load = forecast_of(alarm("battery_replace"), flags=FLAG_BIT["eri"], load_ma=6.0)
    assert high_load["eos_d_mid"] == pytest.approx(84 / (24 * (0.008 + 0.06)), rel=1e-3)
    assert forecast_of(flags=FLAG_BIT["eos"])["eos_d_mid"] == 0


def test_rules_that_track_no_usage_leave_all_forecasts_unknown():
    rules = (RULE_BY_NAME["motor_stall"],)
    frame = forecast.forecasts(engine.new_state(2, rules), no_alarms(), pl.DataFrame(), pl.Series([0, 0]), rules)
    assert frame.height == 2
    assert frame.null_count().row(0) == (2,) * frame.width


def test_a_single_pump_has_the_same_forecast_as_among_many(feed, stream):
    one = stream("flow_ul_h", "9x40", commanded_ul_h="10", reservoir_ml="14", battery_v="3.4", motor_ma="3",
                 motor_ul_h="10", flags="0", program="1")  # fmt: skip
    many = pl.concat([one.with_columns(pl.lit(pump, pl.UInt32).alias("pump")) for pump in range(7)]).sort(
        "time", "pump"
    )
    rows = {"dose_ug_day": 240.0, "concentration_ug_ml": 1000.0}
    frames = []
    for batch, pumps in ((one, 1), (many, 7)):
        facts = pl.DataFrame([rows] * pumps, dict.fromkeys(rows, pl.Float32))
        clocks = pl.Series([START_MS + HOUR_MS] * pumps)
        frames.append(forecast.forecasts(feed(batch, RULES), no_alarms(), facts, clocks))
    assert_frame_equal(frames[0], frames[1][6:], rel_tol=1e-6)
    assert frames[0]["low_d_mid"][0] == pytest.approx(12_000 / (10 * 0.9 * 24), rel=0.01)
