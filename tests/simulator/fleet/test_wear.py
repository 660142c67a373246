"""A motor wears with its turns: it draws slightly more current and, if its shaft is not coated, fails more often."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from broker.contract.datasheet import LIFE_ML
from simulator.faults import FAULTS
from simulator.fleet.enrollment import enrol
from simulator.fleet.wear import COATED, UNCOATED, UNCOATED_SHARE, hazard, wear
from simulator.playback.scenario import Arrivals, default
from simulator.playback.simulation import Simulation

START_MS = 1_767_571_200_000


def test_wear_grows_with_the_turns_and_not_while_the_rotor_stands(play):
    simulation = play(minutes=1).simulation
    simulation.inject("motor_stall", [1], severity=1)
    before = simulation.fleet.turned_ml.copy()
    for _ in range(60):
        simulation.tick()
    turned_ml = simulation.fleet.turned_ml - before
    assert turned_ml[1] == 0
    assert turned_ml[[0, 2, 3]].min() > 0.001


def test_a_worn_motor_draws_a_fifth_of_a_milliampere_more_and_a_new_pump_is_not_worn(play):
    simulation = play(minutes=1).simulation
    fleet = simulation.fleet
    fleet.turned_ml[:] = [0, LIFE_ML, 0, LIFE_ML]
    simulation.tick()
    assert fleet.motor_ma[[1, 3]] - fleet.motor_ma[[0, 2]] == pytest.approx([0.2, 0.2], abs=0.08)
    simulation.replace(np.array([1]))
    assert wear(fleet)[[1, 3]] == pytest.approx([0, 1], abs=1e-3)
    assert fleet.revision[1] == COATED


def test_an_enrolled_fleet_has_both_revisions_and_the_wear_of_its_age():
    fleet = enrol(5000, seed=1)
    assert (fleet.revision == UNCOATED).mean() == pytest.approx(UNCOATED_SHARE, abs=0.02)
    worn = wear(fleet)
    assert 0 <= worn.min() < 0.01
    assert 0.5 < worn.max() < 1.2


def test_only_an_uncoated_shaft_fails_with_wear():
    fleet = enrol(4, seed=1)
    fleet.revision[:] = [UNCOATED, UNCOATED, COATED, COATED]
    fleet.turned_ml[:] = [0, LIFE_ML, 0, LIFE_ML]
    new, worn, *coated = hazard(fleet).tolist()
    assert new == pytest.approx(0.41)
    assert worn > 3 * new
    assert coated[0] == coated[1] == pytest.approx(0.41, abs=0.02)


def test_random_motor_faults_are_more_frequent_in_worn_uncoated_motors():
    scenario = dataclasses.replace(default(pumps=400, interval_s=21_600), random=Arrivals(rate_factor=3000))
    simulation = Simulation(scenario, start_ms=START_MS)
    fleet = simulation.fleet
    fleet.turned_ml[:] = LIFE_ML
    fleet.revision[:] = np.where(np.arange(400) < 200, UNCOATED, COATED)
    struck, by_wear = set(), [fault.name for fault in FAULTS.values() if fault.rate_grows_with_wear]
    for _ in range(4 * 10):
        simulation.tick()
        active = simulation.active()
        struck |= set(active.filter(active["fault"].is_in(by_wear)).select("pump", "since").rows())
    old = sum(int(pump[4:]) < 200 for pump, _ in struck)
    assert old > 2.5 * (len(struck) - old) > 30
