"""Samples of the simulated fleet, tick by tick: complete, plausible and reproducible."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.codec import decode, encode_arrow, encode_json
from broker.contract.gateway_messages import Birth, read_birth
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES
from simulator.playback import simulation as module
from simulator.playback.scenario import default, load
from simulator.playback.simulation import Simulation


def test_a_tick_returns_one_sample_of_every_pump_in_the_columns_of_the_contract(start_ms):
    simulation = Simulation(default(pumps=3, interval_s=30), start_ms=start_ms, boot=7)
    assert simulation.time_ms == start_ms
    simulation.tick()
    frame = simulation.tick()
    assert dict(frame.schema) == {"index": pl.UInt32(), **SAMPLE_SCHEMA}
    assert frame["index"].to_list() == [0, 1, 2]
    assert frame["pump"].to_list() == ["ITB-000000", "ITB-000001", "ITB-000002"]
    assert frame["time"].unique().to_list() == [start_ms + 60_000] == [simulation.time_ms]
    assert frame["sent"].null_count() == 3
    assert (frame["seq"].unique().to_list(), frame["boot"].unique().to_list()) == ([2], [7])


def test_all_samples_decode_from_arrow_and_from_json(play):
    samples = play(pumps=50, minutes=2).samples.drop("index")
    assert decode(encode_arrow(samples)).rejected == ()
    assert decode(encode_json(samples)).samples.height == 100


def test_the_same_scenario_gives_the_same_samples_and_another_seed_different_ones(play):
    assert play(seed=1).samples.equals(play(seed=1).samples)
    assert not play(seed=1).samples.equals(play(seed=2).samples)


def test_a_pump_is_the_same_in_a_fleet_of_any_size(play):
    small, large = play(pumps=8).samples, play(pumps=300).samples
    assert large.filter(pl.col("index") < 8).equals(small)


def test_the_samples_do_not_depend_on_the_block_size(play, monkeypatch):
    whole = play(pumps=25).samples
    monkeypatch.setattr(module, "BLOCK", 7)
    assert play(pumps=25).samples.equals(whole)


def test_a_fleet_may_be_a_single_pump(play):
    assert play(pumps=1, on=(), minutes=5).samples.height == 5


def test_a_healthy_fleet_reports_nothing_and_stays_plausible_for_a_week(play):
    week = play(pumps=200, minutes=7 * 1440, interval_s=1200).samples
    assert week["flags"].max() == 0
    assert 7 < week["pressure_mmhg"].min() < week["pressure_mmhg"].max() < 17
    assert 0.5 < week["pulse_mmhg"].min() < week["pulse_mmhg"].max() < 4.5
    assert 35.5 < week["temperature_c"].min() < week["temperature_c"].max() < 38.5
    assert week["battery_v"].min() > 3.2
    assert week["reservoir_ml"].min() > 2
    ratio = week.group_by("index").agg(pl.col("flow_ul_h").sum() / pl.col("commanded_ul_h").sum())["flow_ul_h"]
    assert 0.94 < ratio.min() < ratio.max() < 1.06


def test_flow_is_measured_accurately_enough_to_see_ten_percent_missing_within_an_hour(play):
    samples = play(pumps=200, minutes=60).samples.filter(pl.col("commanded_ul_h") > 1.9)
    error = pl.col("flow_ul_h") / pl.col("commanded_ul_h")
    by_pump = samples.group_by("index").agg((error.std() / error.len().sqrt()).alias("sd"))
    assert by_pump["sd"].max() < 0.02


def test_no_reading_is_a_negative_zero(play):
    samples = play("motor_stall", on=range(20), pumps=20, minutes=20).samples
    values = samples.select(SIGNAL_NAMES).to_numpy()
    assert not np.any(np.signbit(values) & (values == 0))


def test_the_description_of_a_fleet_is_a_valid_birth():
    simulation = Simulation(default(pumps=200), start_ms=0)
    pumps = simulation.describe()
    birth = Birth(gateway="here", pumps=pumps, sent=1_767_225_600_000, time=1_767_225_600_000)
    assert read_birth(encode(birth)) == birth
    assert pumps.serial[3] == "ITB-000003"
    assert (pumps.site[0], pumps.site[199]) == ("North", "Centre")
    assert pumps.site == sorted(pumps.site, key=["North", "South", "East", "West", "Centre"].index)
    assert set(pumps.reservoir_ml) == {20.0, 40.0}
    assert set(pumps.concentration_ug_ml) == {500.0, 1000.0, 2000.0}
    assert {text.split(", ")[1] for text in pumps.program} >= {"continuous", "2 steps", "13 steps"}
    assert len(set(pumps.group)) == 5
    assert set(pumps.model) == {f"Peristaltic {ml} mL, revision {which}" for ml in (20, 40) for which in "AB"}


def test_doses_and_flows_are_in_the_usual_range():
    fleet = Simulation(default(pumps=2000), start_ms=0).fleet
    ml_day = fleet.dose_ug_day / fleet.concentration_ug_ml
    assert (ml_day.min(), ml_day.max()) >= (0.048, 0.1)
    assert ml_day.max() <= 0.4 + 1e-6
    settled = fleet.dose_ug_day[fleet.settles_s < 0]
    assert (settled.min(), settled.max()) == pytest.approx((95, 795), abs=6)


def test_a_pumps_state_fits_in_four_hundred_bytes():
    fleet = Simulation(default(pumps=1000), start_ms=0).fleet
    assert fleet.state_bytes / 1000 < 400


def test_the_demo_injects_its_faults_at_the_times_of_its_file(start_ms):
    simulation = Simulation(load("demo"), start_ms=start_ms)
    hours_active: dict[str, list[float]] = {}
    for tick in range(11 * 60):
        simulation.tick()
        for fault in simulation.active()["fault"]:
            hours_active.setdefault(fault, []).append(tick / 60)
    begins = {fault: hours[0] for fault, hours in hours_active.items()}
    assert begins == {
        "catheter_occlusion": 0.75,
        "motor_stall": 2,
        "silent_pump": 3,
        "catheter_disconnection": 4.5,
        "sensor_stuck": 6,
        "battery_depletion": 7,
    }
    permanent = set(simulation.active()["fault"])
    assert permanent == {"motor_stall", "catheter_disconnection", "battery_depletion"}
