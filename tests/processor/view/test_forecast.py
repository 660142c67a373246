"""What is forecast of a pump: exact where all is known, unknown where anything is not."""

from __future__ import annotations

import math

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from broker.contract.signals import FLAG_BIT
from broker.store.snapshot import FORECASTS_SCHEMA, band
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


def told(alarms: pl.DataFrame | None = None, *, age_h: float = 0.0, ordered: float | None = None, **changes) -> dict:
    """The forecasts of one pump with 14 mL that runs at 10 µL/h with a battery half full, unless changed."""
    state = engine.new_state(1)
    values = {"time": START_MS, "flags": 0, "reservoir_ml": 14.0, "computed_ml": 15.0}
    values |= {f"usage.memory.{name}": value for name, value in USUAL.items()}
    values |= {
        (kept if (kept := f"usage.memory.{name}") in state.columns else name): value for name, value in changes.items()
    }
    state = state.with_columns(pl.lit(value, state.schema[name]).alias(name) for name, value in values.items())
    facts = pl.DataFrame({"dose_ug_day": [ordered], "concentration_ug_ml": [1000.0]}, {
        "dose_ug_day": pl.Float32, "concentration_ug_ml": pl.Float32})  # fmt: skip
    clock = pl.Series([START_MS + round(age_h * HOUR_MS)])
    said = forecast.forecasts(state, no_alarms() if alarms is None else alarms, facts, clock)
    assert dict(said.schema) == FORECASTS_SCHEMA
    return said.row(0, named=True)


def alarm(rule: str, *, since_h: float = 0.0) -> pl.DataFrame:
    """One alarm that has stood since so many hours before the last sample."""
    onset = START_MS - round(since_h * HOUR_MS)
    row = {"alarm": rule, "pump": 0, "rule": rule, "priority": 1, "onset": onset, "raised": onset, "score": 2.0}
    return pl.DataFrame([{**dict.fromkeys(ALARMS), **row}], ALARMS)


def of(said: dict, name: str) -> list[float | None]:
    return [said[column] for column in band(name)]


def test_bands_are_wider_where_samples_come_seldom():
    dense, sparse = (told(**{"stream.memory.interval_s": interval_s}) for interval_s in (60.0, 3600.0))
    for name in ("low_d", "empty_d", "eri_d"):
        assert of(sparse, name)[1] == of(dense, name)[1]
        assert of(sparse, name)[0] < of(dense, name)[0] < of(dense, name)[2] < of(sparse, name)[2]


def test_a_reservoir_is_low_when_its_volume_is_used_at_the_pace_of_program_and_flow():
    said = told()
    assert said["low_d_mid"] == pytest.approx(12_000 / 240)
    assert said["empty_d_mid"] == pytest.approx(12_600 / 240)
    assert told(flow_ul_h=12.5)["low_d_mid"] == pytest.approx(40)
    assert said["low_d_low"] < said["low_d_mid"] < said["low_d_high"]


def test_a_pump_that_stands_still_is_not_empty_soon_though_its_flow_sensor_wavers_around_nothing():
    for flow_ul_h in (-0.03, 0.0):
        said = told(flow_ul_h=flow_ul_h, reservoir_ml=13.7)
        assert of(said, "low_d") == of(said, "empty_d") == [math.inf] * 3
        assert of(told(flow_ul_h=flow_ul_h, reservoir_ml=1.0), "empty_d") == [0.0] * 3


def test_what_was_forecast_at_the_last_sample_comes_nearer_while_the_clock_runs():
    now, later = told(), told(age_h=12.0)
    assert later["low_d_mid"] == pytest.approx(now["low_d_mid"] - 0.5)
    assert later["refill_due"] == pytest.approx(now["refill_due"], abs=10_000)


def test_a_refill_is_due_at_the_early_end_of_the_band_and_180_days_after_the_last_in_any_case():
    said = told()
    assert (said["refill_due"] - START_MS) / (24 * HOUR_MS) == pytest.approx(said["low_d_low"], abs=0.001)
    old = told(**{"refill.memory.since_s": 170 * 86_400.0})
    assert (old["refill_due"] - START_MS) / (24 * HOUR_MS) == pytest.approx(10)


def test_without_delivery_half_of_the_effect_is_gone_after_one_half_life():
    assert of(told(flow_ul_h=0.0), "under_dosed_h") == pytest.approx([1.4, 3.0, 4.6])


def test_a_part_of_the_dose_keeps_that_part_of_the_effect():
    third = told(flow_ul_h=10 / 3)
    assert third["under_dosed_h_mid"] == pytest.approx(3.0 * math.log2((1 - 1 / 3) / (1 / 2 - 1 / 3)), rel=1e-4)
    assert told(flow_ul_h=6.0)["under_dosed_h_mid"] > 24 * told(flow_ul_h=6.0)["empty_d_mid"]


def test_twice_the_dose_is_too_much_after_the_time_its_effect_takes_to_rise():
    rises = 3.0 * math.log2(1.0 / 0.7)
    assert told(flow_ul_h=20.0)["over_dosed_h_mid"] == pytest.approx(rises, rel=1e-4)
    assert of(told(), "over_dosed_h") == [math.inf] * 3


def test_a_patient_who_may_be_under_dosed_already_has_a_band_that_begins_now():
    said = told(flow_ul_h=0.0, effect_short=0.3, effect_middle=0.6, effect_long=0.7)
    assert said["under_dosed_h_low"] == 0
    assert said["under_dosed_h_mid"] == pytest.approx(3.0 * math.log2(1.2), rel=1e-4)
    back = told(effect_short=0.9, effect_middle=0.7, effect_long=0.4)
    assert of(back, "under_dosed_h") == sorted(of(back, "under_dosed_h"))


def test_after_a_disconnection_the_flow_is_no_dose():
    assert of(told(alarm("catheter_disconnection")), "under_dosed_h") == pytest.approx([1.4, 3.0, 4.6])
    later = told(alarm("catheter_disconnection", since_h=2.0))
    assert of(later, "under_dosed_h") == pytest.approx([0.0, 1.0, 2.6], rel=1e-4)


@pytest.mark.parametrize(
    ("doubt", "unknown"),
    [
        ("catheter_leak", ("under_dosed_h", "over_dosed_h")),
        ("flow_sensor_stuck", ("under_dosed_h", "over_dosed_h")),
        ("battery_drop", ("eri_d", "eos_d")),
    ],
)
def test_what_an_alarm_calls_into_doubt_is_unknown(doubt, unknown):
    said = told(alarm(doubt))
    assert [of(said, name) for name in unknown] == [[None] * 3] * len(unknown)
    assert None not in of(said, "low_d")


def test_a_doubted_level_sensor_leaves_the_computed_volume():
    assert told(alarm("volume_imbalance"))["low_d_mid"] == pytest.approx(13_000 / 240)


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
def test_unknown_stays_unknown(missing, unknown):
    said = told(**{missing: None})
    assert [of(said, name) for name in unknown] == [[None] * 3] * len(unknown)


def test_before_a_day_was_heard_the_prescription_tells_the_pace():
    early = told(day_ul_h=None, days=0.0, ordered=240.0)
    assert early["low_d_mid"] == pytest.approx(50)
    assert early["low_d_high"] - early["low_d_low"] > told()["low_d_high"] - told()["low_d_low"]


def test_of_a_silent_pump_the_dose_is_unknown_and_the_reservoir_is_not():
    said = told(pump_silent=1.0)
    assert (said["under_dosed_h_mid"], said["effect"]) == (None, None)
    assert said["low_d_mid"] == pytest.approx(50)


def test_a_battery_lasts_as_long_as_its_charge_at_the_current_it_gives():
    said = told()
    left = (3.425 - 3.25) / 0.35
    days = (2400 * left - 84) / (24 * (0.008 + 3.0 * 10 / 1000))
    assert said["eri_d_mid"] == pytest.approx(days, rel=0.03)
    assert said["eri_d_low"] < said["eri_d_mid"] < said["eri_d_high"]


def test_a_pump_that_asked_for_replacement_ends_after_90_days_or_with_its_charge():
    asks = told(alarm("battery_replace", since_h=240.0), flags=FLAG_BIT["eri"])
    assert of(asks, "eri_d") == [0.0] * 3
    assert asks["eos_d_mid"] == pytest.approx(80)
    hungry = told(alarm("battery_replace"), flags=FLAG_BIT["eri"], load_ma=6.0)
    assert hungry["eos_d_mid"] == pytest.approx(84 / (24 * (0.008 + 0.06)), rel=1e-3)
    assert told(flags=FLAG_BIT["eos"])["eos_d_mid"] == 0


def test_an_alarm_list_that_keeps_no_usage_leaves_all_unknown():
    rules = (RULE_BY_NAME["motor_stall"],)
    said = forecast.forecasts(engine.new_state(2, rules), no_alarms(), pl.DataFrame(), pl.Series([0, 0]), rules)
    assert said.height == 2
    assert said.null_count().row(0) == (2,) * said.width


def test_a_pump_alone_is_forecast_as_among_many(feed, stream):
    one = stream("flow_ul_h", "9x40", commanded_ul_h="10", reservoir_ml="14", battery_v="3.4", motor_ma="3",
                 motor_ul_h="10", flags="0", program="1")  # fmt: skip
    many = pl.concat([one.with_columns(pl.lit(pump, pl.UInt32).alias("pump")) for pump in range(7)]).sort(
        "time", "pump"
    )
    rows = {"dose_ug_day": 240.0, "concentration_ug_ml": 1000.0}
    said = []
    for batch, pumps in ((one, 1), (many, 7)):
        facts = pl.DataFrame([rows] * pumps, dict.fromkeys(rows, pl.Float32))
        clocks = pl.Series([START_MS + HOUR_MS] * pumps)
        said.append(forecast.forecasts(feed(batch, RULES), no_alarms(), facts, clocks))
    assert_frame_equal(said[0], said[1][6:], rel_tol=1e-6)
    assert said[0]["low_d_mid"][0] == pytest.approx(12_000 / (10 * 0.9 * 24), rel=0.01)
