"""Alarms about cohorts: raised when a drift lasts, returned to normal after it ends, and what they suppress."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from broker.contract.evidence import Evidence, decode
from broker.store.snapshot import PRIORITY_CODE
from processor.alarms import evidence
from processor.alarms import lifecycle as alarm_list
from processor.alarms.hold import Conditions, hold, no_timers
from processor.engine import engine
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES, MIN_Z
from processor.watch.cohorts import INTERVAL_S, CohortWatch
from tests.processor.watch.cohort_fleet import LOTS, PUMPS, START_MS, subjects

HOUR_MS = 3_600_000


class Ward:
    """Cohort watch and its alarm list, for pumps whose excess delivery is given."""

    def __init__(self, watch: CohortWatch | None = None) -> None:
        self.watch, self.alarms, self.now = watch or CohortWatch(), alarm_list.no_alarms(), START_MS
        self.timers = no_timers()
        self.changes: list[pl.DataFrame] = []

    def compare(self, values: np.ndarray, hours: float = INTERVAL_S / 3600, age_s: float = 60.0, also=()) -> None:
        """Let this time pass, compare the cohorts, and let the conditions `also` (pump, rule) stand."""
        self.now += round(hours * HOUR_MS)
        state = engine.new_state(PUMPS).with_columns(
            pl.lit(10.0, pl.Float32).alias("flow_sensor.memory.commanded"),
            pl.Series("flow_sensor.memory.flow", 10.0 + values / 10.0, dtype=pl.Float32),
        )
        known, ages = subjects(self.now), pl.repeat(age_s, PUMPS, dtype=pl.Float32, eager=True)
        scores = self.watch.scores(state, self.timers, known, ages_s=ages)
        self.timers, found = hold(self.timers, scores, COHORT_RULES)
        single = [
            {
                "pump": pump,
                "gateway": None,
                "other": None,
                "other_kind": None,
                "rule": rule,
                "onset": self.now,
                "time": self.now,
                "score": 1.5,
            }
            for pump, rule in also
        ]
        standing = pl.concat([found.standing, pl.DataFrame(single, found.standing.schema)])
        self.alarms, changes = alarm_list.advance(
            self.alarms, Conditions(standing, found.cleared), now=1, subjects=known, rules=(*RULES, *COHORT_RULES)
        )
        for judged, rules in self.watch.rows(self.timers):
            self.alarms, changes = evidence.attach(self.alarms, changes, judged, rules)
        self.changes.append(changes)


def drifting(by: float = 6.0) -> np.ndarray:
    values = np.resize(np.linspace(-2.0, 2.0, 37), PUMPS)
    values[3::LOTS] += by
    return values


def test_a_lasting_drift_raises_one_alarm_about_the_cohort_with_evidence():
    ward = Ward()
    ward.compare(drifting())
    assert ward.alarms.is_empty()
    ward.compare(drifting())
    alarm = ward.alarms.row(0, named=True)
    assert ward.alarms.height == 1
    assert (alarm["pump"], alarm["gateway"], alarm["other"]) == (None, None, "lot L3")
    assert alarm["other_kind"] == "cohort"
    assert alarm["alarm"] == f"lot L3/cohort_over_delivery/{alarm['onset']}"
    assert (alarm["onset"], alarm["raised"]) == (START_MS + HOUR_MS // 2, START_MS + HOUR_MS)
    facts = {fact.label: fact for fact in evidence_of(alarm).facts}
    assert facts["Pumps in cohort"].value == 20
    assert facts["Excess delivery, cohort median"].value == pytest.approx(6, abs=0.5)
    assert facts["Robust z-score vs. rest of fleet"].value > MIN_Z


def evidence_of(alarm) -> Evidence:
    return decode(alarm["evidence"])  # type: ignore[return-value]


def test_cohorts_are_compared_twice_an_hour():
    ward = Ward()
    ward.compare(drifting())
    ward.compare(drifting(), hours=0.1)
    assert (ward.watch.compared - START_MS) / HOUR_MS == 0.5


def test_the_alarm_id_does_not_depend_on_when_within_the_half_hour_cohorts_are_compared():
    prompt, late = Ward(), Ward()
    late.now += 7 * 60_000
    for ward in (prompt, late):
        ward.compare(drifting())
        ward.compare(drifting())
    assert late.alarms["alarm"].to_list() == prompt.alarms["alarm"].to_list() != []


def test_an_alarm_returns_to_normal_after_the_cohort_has_matched_the_fleet_for_hours():
    ward = Ward()
    for _ in range(3):
        ward.compare(drifting())
    ward.compare(drifting(0.0))
    ward.compare(drifting(0.0), hours=5)
    assert ward.alarms["returned"].null_count() == 1
    ward.compare(drifting(0.0), hours=2)
    assert ward.alarms["returned"].null_count() == 0


def test_a_drift_that_hovers_below_the_limit_neither_raises_nor_clears_an_alarm():
    ward = Ward()
    for _ in range(3):
        ward.compare(drifting(3.6))
    assert ward.alarms.is_empty()
    for _ in range(2):
        ward.compare(drifting())
    for _ in range(30):
        ward.compare(drifting(3.6))
    assert ward.alarms["returned"].null_count() == 1


def test_pumps_that_have_been_silent_for_hours_are_not_judged():
    ward = Ward()
    for _ in range(3):
        ward.compare(drifting(), age_s=3 * 3600.0)
    assert ward.alarms.is_empty()


def test_a_restart_between_comparisons_does_not_change_the_alarm():
    uninterrupted, restarted = Ward(), Ward()
    for ward in (uninterrupted, restarted):
        ward.compare(drifting())
    restarted.watch = CohortWatch(restarted.watch.compared)
    for ward in (uninterrupted, restarted):
        ward.compare(drifting())
    assert restarted.alarms.drop("evidence").equals(uninterrupted.alarms.drop("evidence"))
    assert uninterrupted.alarms.height == 1


def test_consequences_are_suppressed_on_pumps_of_the_cohort_only():
    ward = Ward()
    for _ in range(2):
        ward.compare(drifting(), also=[(3, "flow_sensor_off"), (4, "flow_sensor_off")])
    suppressed_by = dict(ward.alarms.filter(pl.col("pump").is_not_null()).select("pump", "under").iter_rows())
    assert suppressed_by[3].startswith("lot L3/cohort_over_delivery/")
    assert suppressed_by[4] is None


def test_an_alarm_of_higher_priority_is_never_suppressed_by_a_cohort():
    code = {rule.name: PRIORITY_CODE[rule.priority] for rule in RULES}
    for rule in COHORT_RULES:
        assert [effect for effect in rule.explains if code[effect] < PRIORITY_CODE[rule.priority]] == []
    ward = Ward()
    for _ in range(2):
        ward.compare(drifting(), also=[(3, "over_infusion")])
    assert ward.alarms.filter(pl.col("rule") == "over_infusion")["under"].to_list() == [None]


DRIFTS = {
    "cohort_over_delivery": ("flow_sensor.memory.flow", 10.0, 0.15, 0.6),
    "cohort_under_delivery": ("flow_sensor.memory.flow", 10.0, 0.15, -0.6),
    "cohort_sensors_off": ("volume.memory.measured_slow", 0.0, 3.0, 18.0),
    "cohort_motor_current": ("usage.memory.load_ma", 3.0, 0.06, 0.6),
    "cohort_battery": ("battery_falling.memory.fall_per_h", 0.0, 0.0005, 0.003),
    "cohort_pressure": ("catheter.memory.pressure_quick", 12.0, 1.7, -7.0),
    "cohort_samples_lost": ("stream.memory.lost", 0.01, 0.004, 0.15),
}
"""For each rule, a column of the state, its median and spread on healthy pumps, and the offset of a drifting lot."""


@pytest.mark.parametrize("rule", COHORT_RULES, ids=lambda rule: rule.name)
def test_a_lot_that_drifts_in_one_quantity_raises_the_rule_for_it_and_no_other(rule):
    chance = np.random.default_rng(7)
    columns = {column: median + spread * chance.standard_normal(PUMPS) for column, median, spread, _ in DRIFTS.values()}
    column, _, _, by = DRIFTS[rule.name]
    columns[column][3::LOTS] += by
    state = engine.new_state(PUMPS).with_columns(
        pl.lit(10.0, pl.Float32).alias("flow_sensor.memory.commanded"),
        *(pl.Series(name, values, dtype=pl.Float32) for name, values in columns.items()),
    )
    watch, ages, timers = CohortWatch(), pl.repeat(60.0, PUMPS, dtype=pl.Float32, eager=True), no_timers()
    for hours in (0, 1):
        scores = watch.scores(state, timers, subjects(START_MS + hours * HOUR_MS), ages_s=ages)
        timers, found = hold(timers, scores, COHORT_RULES)
    assert found.standing.select("other", "rule").rows() == [("lot L3", rule.name)]


def test_a_comparison_is_skipped_if_the_configured_rules_do_not_track_its_quantity():
    state = engine.new_state(PUMPS, RULES[:1])
    ages = pl.repeat(60.0, PUMPS, dtype=pl.Float32, eager=True)
    assert CohortWatch().scores(state, no_timers(), subjects(), ages_s=ages).is_empty()
