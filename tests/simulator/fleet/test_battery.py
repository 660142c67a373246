"""Service ends when the battery is empty, ninety days after the pump asks for replacement, or after seven years."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.signals import FLAG_BIT
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S


@pytest.fixture
def daily(start_ms) -> Simulation:
    """Six pumps with a sample a day."""
    return Simulation(default(pumps=6, interval_s=DAY_S), start_ms=start_ms)


def days_with(samples, flag, pump=1):
    return (samples.filter(pl.col("index") == pump)["flags"] & FLAG_BIT[flag] > 0).sum()


def played(simulation, days):
    frames = []
    for _ in range(days):
        simulation.fleet.reservoir_ml[:] = simulation.fleet.programmed_ml[:] = 18.0
        frames.append(simulation.tick())
    return pl.concat(frames)


def test_a_pump_that_needs_little_charge_stops_ninety_days_after_it_asks_for_replacement(daily):
    daily.fleet.charge_mah[1] = 84.0
    daily.fleet.rate_ul_h[1] = 2.0
    samples = played(daily, 100)
    assert days_with(samples, "eri") == 100
    assert days_with(samples, "eos") == 100 - 90
    assert daily.fleet.charge_mah[1] > 40
    one = samples.filter(pl.col("index") == 1)
    assert one["motor_ul_h"].head(90).min() > 0
    assert one["motor_ul_h"].tail(9).max() == 0
    assert days_with(samples, "eri", pump=2) == days_with(samples, "eos", pump=2) == 0


def test_a_pump_that_needs_much_charge_stops_sooner_than_ninety_days(daily):
    daily.fleet.charge_mah[1] = 84.0
    daily.fleet.rate_ul_h[1] = 40.0
    assert 0 < 100 - days_with(played(daily, 100), "eos") < 60


def test_a_temporary_battery_drop_still_starts_the_ninety_days(daily):
    daily.inject("battery_drop", [1], severity=0.6, hold_s=5 * DAY_S)
    samples = played(daily, 100)
    assert days_with(samples, "eri") < 10
    assert days_with(samples, "eos") == 100 - 90


def test_a_pump_stops_seven_years_after_it_was_implanted_with_charge_left(daily, start_ms):
    daily.fleet.stops_s[1] = start_ms / 1000 + 10 * DAY_S
    samples = played(daily, 20)
    assert days_with(samples, "eos") == 10
    assert days_with(samples, "eri") == 0
    assert daily.fleet.charge_mah[1] > 100
    daily.replace(np.array([1]))
    again = played(daily, 3)
    assert days_with(again, "eos") == 0
    assert again.filter(pl.col("index") == 1)["motor_ul_h"].min() > 0
    assert daily.fleet.stops_s[1] - start_ms / 1000 == pytest.approx(7 * YEAR_S, rel=0.01)


def test_enrolled_pumps_are_of_all_ages_and_have_used_the_charge_of_their_age(start_ms):
    fleet = Simulation(default(pumps=2000), start_ms=start_ms).fleet
    age_s = start_ms / 1000 + 7 * YEAR_S - fleet.stops_s
    assert 0 <= age_s.min() < 0.05 * YEAR_S
    assert 5 * YEAR_S < age_s.max() < 6.5 * YEAR_S
    used_ma = (2400 - fleet.charge_mah) / (age_s / 3600)
    assert used_ma == pytest.approx(0.008 + 3.0 * fleet.rate_ul_h / 1000, rel=1e-5)
    assert fleet.charge_mah.min() > 0.39 * 2400
