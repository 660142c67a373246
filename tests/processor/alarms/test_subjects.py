"""Simulated pumps before the whole processor: each fault is found as what it is, and the healthy are left in peace."""

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
"""Which alarm a person is to see for faults that must be seen within the hour; all others are played by the trials."""
PUMPS = 48
HEALTHY_MINUTES = 45
PATIENCE_H = 1.5
"""By then all are up, also those that a person may learn of later."""
MS_PER_H = 3_600_000
EVERY = pytest.mark.parametrize("fault", sorted(EXPECTED))


@dataclass
class Shift:
    """A shift on a ward where every fault befalls one pump."""

    ill: dict[str, str]
    began_ms: int
    seen: dict[float, Snapshot]
    journal: pl.DataFrame

    def raised(self, rule: str) -> pl.DataFrame:
        return self.journal.filter((pl.col("kind") == "raised") & (pl.col("rule") == rule))


def seen_after_h(fault: str) -> float:
    return min(PATIENCE_H, RULE_BY_NAME[EXPECTED[fault]].detection_target_h)


@pytest.fixture(scope="module")
def shift(make_ward) -> Shift:
    ward = make_ward(PUMPS)
    ward.run(HEALTHY_MINUTES)
    began_ms, ill = ward.simulation.time_ms, {}
    for place, fault in enumerate(sorted(EXPECTED)):
        ward.inject(fault, 5 + 6 * place)
        ill[fault] = ward.simulation.serials[5 + 6 * place]
    seen, passed = {}, 0
    for hours in sorted({seen_after_h(fault) for fault in EXPECTED}):
        minutes = round(hours * 60)
        ward.run(minutes - passed)
        seen[hours], passed = ward.watch.snapshot(), minutes
    return Shift(ill, began_ms, seen, ward.watch.journal())


@EVERY
def test_a_fault_raises_its_alarm_on_its_pump_alone_and_in_time(fault, shift):
    rule = RULE_BY_NAME[EXPECTED[fault]]
    raised = shift.raised(rule.name)
    assert raised["pump"].to_list() == [shift.ill[fault]]
    hours = (raised["time"][0] - shift.began_ms) / MS_PER_H
    assert 0 < hours <= rule.detection_target_h


@EVERY
def test_at_its_deadline_that_alarm_is_what_people_see_of_the_pump(fault, shift):
    rule = RULE_BY_NAME[EXPECTED[fault]]
    snapshot = shift.seen[seen_after_h(fault)]
    visible = snapshot.alarms.filter(pl.col("pump") == shift.ill[fault])
    assert visible["rule"].to_list() == [rule.name]
    assert (
        visible["priority"].to_list() == snapshot.pumps.filter(pl.col("pump") == shift.ill[fault])["priority"].to_list()
    )


def test_the_healthy_pumps_have_no_alarm_at_all(shift):
    assert set(shift.journal["pump"]) == set(shift.ill.values())
    assert (shift.journal["time"] >= shift.began_ms).all()


def test_consequences_of_an_occlusion_and_a_stall_are_held_under_them(shift):
    last = shift.seen[max(shift.seen)].alarms
    explained = dict(last.select("rule", "explains").iter_rows())
    assert "Under-delivery" in explained["catheter_occlusion"]
    assert explained["motor_stall"] == "Delivery drifting low, Under-delivery"


def test_a_healthy_fleet_is_quiet_for_half_a_day_of_samples_every_five_minutes():
    simulation = Simulation(default(pumps=250, interval_s=300, seed=23), start_ms=1_767_225_600_000)
    state, standing = engine.new_state(250), []
    for _ in range(144):
        step = engine.step(state, simulation.tick().with_columns(pl.col("index").alias("pump")))
        state = step.state
        standing.append(conditions_of_pumps(step.judged, lifecycle.no_alarms()).standing)
    assert pl.concat(standing).select("pump", "rule").unique().rows() == []
