"""Injection: faults begin, ramp up, hold and end on the selected pumps, and links delay samples."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from simulator.faults import FAULTS
from simulator.playback.notation import ScenarioError
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation


@pytest.fixture
def fleet() -> Simulation:
    return Simulation(default(pumps=10), start_ms=0)


def ticks(simulation, count):
    return pl.concat([simulation.tick() for _ in range(count)])


def test_a_ramp_rises_evenly_to_the_severity_and_stays_there(fleet):
    fleet.inject("motor_stall", np.array([2]), severity=0.8, ramp_s=240)
    ticks(fleet, 1)
    rising = [fleet.active()["severity"][0]]
    for _ in range(5):
        fleet.tick()
        rising.append(fleet.active()["severity"][0])
    assert rising == pytest.approx([0.2, 0.4, 0.6, 0.8, 0.8, 0.8])


def test_the_hold_begins_when_the_ramp_ends_and_the_fault_ends_after_it(fleet):
    fleet.inject("silent_pump", np.array([2]), severity=1, ramp_s=120, hold_s=180)
    counts = ticks(fleet, 8).filter(pl.col("index") == 2)["seq"].to_list()
    assert [count for count in counts if count > 1] == [6, 7, 8]
    assert fleet.active().is_empty()


def test_active_faults_are_listed_by_pump_with_their_onset(fleet):
    ticks(fleet, 3)
    fleet.inject("motor_stall", np.array([7, 2]), severity=0.5)
    assert fleet.active().rows() == [
        ("ITB-000002", "motor_stall", 0.5, 180_000),
        ("ITB-000007", "motor_stall", 0.5, 180_000),
    ]


def test_a_fault_that_is_injected_again_starts_over_and_is_not_doubled(fleet):
    fleet.inject("motor_stall", np.array([2, 3]), severity=0.5)
    fleet.inject("motor_stall", np.array([3, 4]), severity=0.2)
    assert fleet.active()["severity"].to_list() == pytest.approx([0.5, 0.2, 0.2])
    frame = fleet.tick()
    ratio = (frame["motor_ul_h"] / frame["commanded_ul_h"]).to_list()
    assert ratio[2:6] == pytest.approx([0.5, 0.8, 0.8, 1], abs=0.005)


def test_clearing_returns_the_number_of_pumps_on_which_a_fault_ended(fleet):
    fleet.inject("motor_stall", np.array([1, 2, 3]), severity=1)
    fleet.inject("silent_pump", np.array([3]), severity=1)
    assert fleet.clear(np.array([1]), "silent_pump") == 0
    assert fleet.clear(np.array([1, 5])) == 1
    assert fleet.clear(fault="silent_pump") == 1
    assert fleet.clear() == 2
    assert fleet.clear() == 0


def test_gaps_leave_the_other_samples_in_order(fleet):
    fleet.inject("silent_pump", np.array([0, 9, 4]), severity=1)
    assert fleet.tick()["index"].to_list() == [1, 2, 3, 5, 6, 7, 8]


def test_a_silent_fleet_sends_an_empty_frame(fleet):
    fleet.inject("silent_pump", np.arange(10), severity=1)
    assert fleet.tick().is_empty()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"fault": "motor_stal"}, r"no fault 'motor_stal' \(did you mean motor_stall\?\); the faults are battery_depl"),
        ({"severity": 1.5}, r"severity is 1.5; allowed is 0 to 1"),
        ({"severity": float("nan")}, r"severity is nan; allowed is 0 to 1"),
        ({"indices": np.array([3, 10])}, r"pumps \[10\] are not in the fleet, whose pumps are 0 to 9"),
        ({"indices": np.array([-1])}, r"pumps \[-1\] are not in the fleet"),
        ({"indices": np.array([])}, r"select at least one by its index"),
        ({"indices": np.array([1.5])}, r"pumps is \[1.5\].*a whole number"),
        ({"ramp_s": -1}, r"-1 is not a duration"),
        ({"hold_s": float("inf")}, r"inf is not a duration"),
    ],
)
def test_an_invalid_injection_is_refused_with_the_value_and_what_is_allowed(fleet, change, complaint):
    with pytest.raises(ScenarioError, match=complaint):
        fleet.inject(**{"fault": "motor_stall", "indices": np.array([1]), "severity": 1.0, **change})
    assert fleet.active().is_empty()


def test_clearing_refuses_an_unknown_fault_or_pump(fleet):
    with pytest.raises(ScenarioError, match="no fault 'rust'"):
        fleet.clear(fault="rust")
    with pytest.raises(ScenarioError, match="not in the fleet"):
        fleet.clear(np.array([99]))


def test_a_link_fault_may_alter_samples_without_changing_their_order(fleet, monkeypatch):
    def link(frame, severity, rng):
        return frame.with_columns(pl.col("time") - 1).filter(pl.col("index") != 4)

    monkeypatch.setitem(FAULTS, "silent_pump", dataclasses.replace(FAULTS["silent_pump"], function=link))
    fleet.inject("silent_pump", np.array([3, 4]), severity=1)
    frame = fleet.tick()
    assert frame["index"].to_list() == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert frame["time"].to_list() == [60_000] * 3 + [59_999] + [60_000] * 5
