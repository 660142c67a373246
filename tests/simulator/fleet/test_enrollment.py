"""Doses grow in steps of titration over the first year of a therapy and are stable afterwards."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from simulator.fleet import program, titration
from simulator.fleet.enrollment import START_SHARE, course_ug_day, enrol, prescribed_ug_day
from simulator.playback.scenario import Arrivals, default
from simulator.playback.simulation import Simulation

DAY_S = 86_400.0
YEAR_S = 365.25 * DAY_S
START_MS = 1_767_571_200_000


def test_the_mean_dose_of_new_patients_grows_for_a_year_as_published_and_then_stops():
    settled, begun_s = np.array([270.0, 540.0]), 1e9
    doses = [course_ug_day(settled, np.full(2, begun_s + YEAR_S), begun_s + months / 12 * YEAR_S) for months in (0, 12)]
    assert doses[0] == pytest.approx([83, 166])
    assert doses[1].tolist() == [270, 540]
    assert course_ug_day(settled, np.full(2, begun_s), begun_s + 9 * YEAR_S).tolist() == [270, 540]


def test_doses_of_an_enrolled_fleet_match_the_age_of_the_therapy():
    fleet = enrol(5000, seed=4, now_s=START_MS / 1000)
    left_s = fleet.settles_s - fleet.now_s
    growing = left_s > 0
    assert 0.05 < growing.mean() < 0.2
    assert (fleet.dose_ug_day[~growing] == fleet.settled_ug_day[~growing]).all()
    share = fleet.dose_ug_day[growing] / fleet.settled_ug_day[growing]
    assert share == pytest.approx(START_SHARE ** (left_s[growing] / YEAR_S), rel=0.03)
    ages_s = fleet.now_s + 7 * YEAR_S - fleet.stops_s
    assert ages_s[growing].max() < YEAR_S < ages_s.max()
    ml_day = fleet.dose_ug_day / fleet.concentration_ug_ml
    assert (ml_day.min() >= 0.048, ml_day.max() <= 0.4) == (True, True)


@pytest.fixture(scope="module")
def year():
    """Eighty pumps over a year: the fleet at its end, and the daily doses of each pump."""
    scenario = dataclasses.replace(default(pumps=80, interval_s=DAY_S, seed=3), random=Arrivals(event_factor=1))
    simulation, doses = Simulation(scenario, start_ms=START_MS), []
    growing = simulation.fleet.settles_s > simulation.fleet.now_s
    for _ in range(365):
        simulation.tick()
        doses.append(simulation.fleet.dose_ug_day.copy())
    return simulation.fleet, np.array(doses, dtype=np.float64), growing


def test_titration_follows_the_growth_and_then_keeps_the_dose(year):
    fleet, doses, growing = year
    everyone = np.arange(80, dtype=np.uint32)
    assert doses[-1] / titration.course_ug_day(fleet, everyone, fleet.now_s) == pytest.approx(np.ones(80), abs=0.16)
    assert growing.sum() > 4
    assert (doses[-1] / doses[0])[growing].mean() > 1.4
    assert (doses[-1] / doses[0])[~growing].mean() == pytest.approx(1, abs=0.05)


def test_no_dose_step_of_a_year_is_larger_than_titration_allows(year):
    fleet, doses, _ = year
    steps = np.abs(np.diff(doses, axis=0) / doses[:-1])
    assert (steps > 0.05).sum() > 80
    assert (steps.max(axis=0) <= titration.max_step(fleet, np.arange(80, dtype=np.uint32)) + 1e-3).all()


def test_the_prescribed_dose_is_exact_and_unknown_of_pumps_that_run_no_program():
    fleet = enrol(3, seed=1)
    fleet.dose_ug_day[0] = 134.5
    fleet.mode[1:] = (program.STOPPED, program.MINIMUM)
    assert prescribed_ug_day(fleet) == [134.5, None, None]
