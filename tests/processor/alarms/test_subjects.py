"""Simulated pumps and the whole processor: each fault raises its own alarm, and healthy pumps raise none."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pytest

from broker.store.snapshot import Snapshot
from processor.alarms import lifecycle
from processor.alarms.hold import conditions_of_pumps
from processor.engine import engine
from processor.rules import RULE_BY_NAME
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

EXPECTED = {
    "electrical_reset": "pump_reset",
    "catheter_disconnection": "catheter_disconnection",
    "catheter_occlusion": "catheter_occlusion",
    "motor_stall": "motor_stall",
    "sensor_stuck": "flow_sensor_stuck",
    "silent_pump": "pump_silent",
    "telemetry_mode": "motor_not_driven",
}
"""Alarm expected for each fault that must be detected within the hour; trials cover all other faults."""
PUMPS = 48
HEALTHY_MINUTES = 45
MAX_WAIT_H = 1.5
"""By then all alarms are raised, including those with a longer detection target."""
MS_PER_H = 3_600_000
EVERY = pytest.mark.parametrize("fault", sorted(EXPECTED))


@dataclass
class Shift:
    """Shift on a ward on which each fault is injected into one pump."""

    faulty: dict[str, str]
    began_ms: int
    snapshots: dict[float, Snapshot]
    journal: pl.DataFrame

    def raised(self, rule: str) -> pl.DataFrame:
        return self.journal.filter((pl.col("kind") == "raised") & (pl.col("rule") == rule))


def checked_after_h(fault: str) -> float:
    return min(MAX_WAIT_H, RULE_BY_NAME[EXPECTED[fault]].detection_target_h)


@pytest.fixture(scope="module")
def shift(make_ward) -> Shift:
    ward = make_ward(PUMPS)
    ward.run(HEALTHY_MINUTES)
    began_ms, faulty = ward.simulation.time_ms, {}
    for place, fault in enumerate(sorted(EXPECTED)):
        ward.inject(fault, 5 + 6 * place)
        faulty[fault] = ward.simulation.serials[5 + 6 * place]
    snapshots, passed = {}, 0
    for hours in sorted({checked_after_h(fault) for fault in EXPECTED}):
        minutes = round(hours * 60)
        ward.run(minutes - passed)
        snapshots[hours], passed = ward.watch.snapshot(), minutes
    return Shift(faulty, began_ms, snapshots, ward.watch.journal())


@EVERY
def test_a_fault_raises_its_alarm_on_its_pump_only_and_within_the_detection_target(fault, shift):
    rule = RULE_BY_NAME[EXPECTED[fault]]
    raised = shift.raised(rule.name)
    assert raised["pump"].to_list() == [shift.faulty[fault]]
    hours = (raised["time"][0] - shift.began_ms) / MS_PER_H
    assert 0 < hours <= rule.detection_target_h


@EVERY
def test_at_the_detection_target_that_alarm_is_the_only_visible_one_of_the_pump(fault, shift):
    rule = RULE_BY_NAME[EXPECTED[fault]]
    snapshot = shift.snapshots[checked_after_h(fault)]
    visible = snapshot.alarms.filter(pl.col("pump") == shift.faulty[fault])
    assert visible["rule"].to_list() == [rule.name]
    assert (
        visible["priority"].to_list()
        == snapshot.pumps.filter(pl.col("pump") == shift.faulty[fault])["priority"].to_list()
    )


def test_healthy_pumps_have_no_alarm(shift):
    assert set(shift.journal["pump"]) == set(shift.faulty.values())
    assert (shift.journal["time"] >= shift.began_ms).all()


def test_consequences_of_an_occlusion_and_a_stall_are_suppressed(shift):
    last = shift.snapshots[max(shift.snapshots)].alarms
    explained = dict(last.select("rule", "explains").iter_rows())
    assert "Under-delivery" in explained["catheter_occlusion"]
    assert explained["motor_stall"] == "Delivery drifting low, Under-delivery"


def test_a_healthy_fleet_raises_no_alarm_in_half_a_day_of_samples_every_five_minutes():
    simulation = Simulation(default(pumps=250, interval_s=300, seed=23), start_ms=1_767_225_600_000)
    state, standing = engine.new_state(250), []
    for _ in range(144):
        step = engine.step(state, simulation.tick().with_columns(pl.col("index").alias("pump")))
        state = step.state
        standing.append(conditions_of_pumps(step.judged, lifecycle.no_alarms()).standing)
    assert pl.concat(standing).select("pump", "rule").unique().rows() == []
