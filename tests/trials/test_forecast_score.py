"""The bands of the forecasts against the simulator's own future."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from simulator.playback.scenario import Scenario, ScheduledFault
from simulator.playback.simulation import Simulation
from trials import forecast_score, forecast_truth

HOUR = 3600.0
PUMPS = 60
STORY = Scenario(
    pumps=PUMPS,
    interval_s=600.0,
    seed=9,
    faults=(ScheduledFault("motor_stall", f"0-{PUMPS - 1}", None, 30.4 * HOUR, 0.0, 12 * HOUR, (1.0,)),),
)


@pytest.fixture(scope="module")
def judged() -> pl.DataFrame:
    return forecast_score.cases(STORY, 31.9 / 24)


def test_the_hours_until_under_dosed_lie_in_the_band_as_often_as_it_says(judged):
    row = forecast_score.coverage(judged).row(by_predicate=pl.col("forecast") == "under_dosed_h", named=True)
    assert (row["bands"] + row["unknown"], row["missed"]) == (PUMPS, 0)
    assert row["bands"] >= PUMPS - 3
    assert 0.7 <= row["covered"] <= 0.9
    assert 2.5 <= row["width"] <= 3.3


def test_the_simulators_future_is_that_of_its_own_physics():
    simulation = Simulation(Scenario(pumps=8, interval_s=600.0, seed=2), start_ms=forecast_score.START_MS)
    simulation.tick()
    before = simulation.fleet.reservoir_ml.copy()
    days = forecast_truth.levels(simulation)
    rate = simulation.fleet.rate_ul_h * simulation.fleet.stroke_gain * 24 / 1000
    assert np.allclose(days["low_d"], (before - 2.0) / rate, rtol=0.03)
    assert (days["empty_d"] > days["low_d"]).all()
    battery = forecast_truth.batteries(simulation)
    assert (battery["eos_d"] <= battery["eri_d"] + 90).all()
    assert np.array_equal(simulation.fleet.reservoir_ml, before)


def test_pumps_that_deviate_from_the_datasheet_do_so_by_that_share_and_the_forecast_does_not_know():
    scenario = Scenario(pumps=400, interval_s=600.0, seed=2)
    exact, deviating = (Simulation(scenario, start_ms=forecast_score.START_MS) for _ in range(2))
    residual_ml = forecast_truth.deviate(deviating, 0.1)
    fleet, datasheet = deviating.fleet, exact.fleet
    shares = {
        "capacity": fleet.capacity_mah / datasheet.capacity_mah,
        "current": fleet.current_gain / datasheet.current_gain,
        "residual": residual_ml / 1.4,
    }
    for share in shares.values():
        assert np.unique(share.round(3)).tolist() == pytest.approx([0.9, 1.1])
        assert 150 < (share > 1).sum() < 250
    assert (fleet.charge_mah > 0.15 * fleet.capacity_mah).all()
    weak = (shares["capacity"] < 1) & (shares["current"] > 1)
    ends = [forecast_truth.batteries(simulation)["eri_d"][weak] for simulation in (exact, deviating)]
    judged = np.isfinite(ends[0]) & np.isfinite(ends[1])
    assert judged.sum() > 10
    assert (ends[1][judged] < ends[0][judged]).all()


def test_without_an_error_every_pump_matches_the_datasheet():
    simulation = Simulation(Scenario(pumps=8, interval_s=600.0, seed=2), start_ms=forecast_score.START_MS)
    before = simulation.fleet.charge_mah.copy()
    assert (forecast_truth.deviate(simulation, 0.0) == 1.4).all()
    assert np.array_equal(simulation.fleet.charge_mah, before)
