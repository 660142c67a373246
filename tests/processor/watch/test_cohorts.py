"""Cohorts of pumps are compared with the rest of the fleet: what many of them share is one finding."""

from __future__ import annotations

import dataclasses

import numpy as np
import polars as pl
import pytest

from broker.contract.evidence import Evidence, decode
from broker.store.snapshot import PRIORITY_CODE
from processor.alarms import evidence
from processor.alarms import lifecycle as alarm_list
from processor.alarms.hold import Conditions, hold, no_timers
from processor.alarms.subjects import Subjects
from processor.engine import engine
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES, MIN_Z, ROWS
from processor.watch import cohort_comparison
from processor.watch.cohorts import INTERVAL_S, CohortWatch

SURPLUS = next(row for row in ROWS if row.rule.name == "cohort_over_delivery")
HOUR_MS = 3_600_000
START_MS = 1_767_225_600_000
PUMPS, LOTS = 400, 20


def subjects(now: int = START_MS, pumps: int = PUMPS, gateways: int = 4) -> Subjects:
    """Lots of twenty, the first five of which are all of model A; gateways hold neighbours."""
    number = pl.int_range(pumps, eager=True)
    lot = number % LOTS
    facts = pl.DataFrame(
        {"model": (lot < 5).replace_strict({True: "A", False: "B"}), "lot": pl.select(pl.format("L{}", lot))}
    )
    return Subjects(
        pl.select(pl.format("P-{}", number)).to_series(),
        (number * gateways // pumps).cast(pl.UInt32),
        pl.Series([f"ward-{n}" for n in range(gateways)]),
        pl.Series([now] * gateways, dtype=pl.Int64),
        facts=facts,
    )


def healthy(pumps: int = PUMPS) -> np.ndarray:
    return np.random.default_rng(5).normal(0.0, 1.6, pumps)


def findings(values: np.ndarray, known: Subjects) -> list[tuple[str, int]]:
    told = cohort_comparison.judge(values, cohort_comparison.kinds(known), SURPLUS).filter(pl.col("score") >= 1.0)
    return list(zip(known.names(told), told["pumps"], strict=True))


def test_a_fleet_that_is_well_has_no_finding():
    assert findings(healthy(), subjects()) == []


def test_a_lot_that_drifts_is_one_finding_about_that_lot_and_its_model_is_none():
    values = healthy()
    values[3::LOTS] += 6.0
    assert findings(values, subjects()) == [("lot L3", 20)]


def test_a_model_that_drifts_is_one_finding_and_its_lots_are_none():
    values = healthy()
    values[np.arange(PUMPS) % LOTS < 5] += 6.0
    assert findings(values, subjects()) == [("model A", 100)]


def test_a_gateway_that_drifts_is_one_finding():
    values = healthy()
    values[:100] += 6.0
    assert findings(values, subjects()) == [("ward-0", 100)]


def test_two_lots_that_drift_are_two_findings():
    values = healthy()
    values[3::LOTS] += 6.0
    values[9::LOTS] += 8.0
    assert sorted(findings(values, subjects())) == [("lot L3", 20), ("lot L9", 20)]


def test_a_difference_that_is_sure_but_small_is_no_finding():
    values = np.tile(healthy(2000), 5)
    values[np.arange(10_000) % LOTS == 3] += 2.0
    told = cohort_comparison.judge(values, cohort_comparison.kinds(subjects(pumps=10_000)), SURPLUS)
    assert told["z"].max() > MIN_Z
    assert told["score"].max() < 1


def test_a_large_difference_of_a_few_pumps_is_no_finding():
    values = healthy()
    values[3 : 3 + 6 * LOTS : LOTS] += 30.0
    assert findings(values, subjects()) == []


def test_too_few_pumps_are_not_judged_and_pumps_that_are_not_known_do_not_count():
    values = healthy()
    values[3::LOTS] += 6.0
    values[3 : 3 + 11 * LOTS : LOTS] = np.nan
    assert findings(values, subjects()) == []
    assert cohort_comparison.judge(healthy(19), cohort_comparison.kinds(subjects(pumps=19)), SURPLUS).is_empty()


def test_the_middles_are_those_of_the_cohort_and_of_all_others():
    chance = np.random.default_rng(6)
    values, places = chance.normal(3.0, 5.0, 2000), chance.integers(-1, 5, 2000)
    values[places == 4] += 10.0
    told = cohort_comparison.compare(values, places, 5, span=(-60.0, 60.0), floor=4.0)
    for place, row in enumerate(told.iter_rows(named=True)):
        ours, others = values[places == place], values[places != place]
        assert row["pumps"] == len(ours)
        assert row["middle"] == pytest.approx(np.median(ours), abs=0.3)
        assert row["rest"] == pytest.approx(np.median(others), abs=0.1)
        assert row["spread"] == pytest.approx((np.quantile(others, 0.75) - np.quantile(others, 0.25)) / 1.349, rel=0.05)
        assert (abs(row["z"]) > 10) == (place == 4)


def test_how_many_of_a_cohort_stand_out_is_counted_against_how_many_usually_do():
    values = healthy()
    values[3::LOTS] += 6.0
    told = (
        cohort_comparison.judge(values, cohort_comparison.kinds(subjects()), SURPLUS)
        .filter(pl.col("other") == "lot L3")
        .row(0, named=True)
    )
    assert told["beyond"] >= 15
    assert told["beyond_usual"] < 2


def test_of_too_many_cohorts_the_largest_are_judged_and_the_others_counted(monkeypatch):
    monkeypatch.setattr(cohort_comparison, "MAX_COHORTS", 8)
    lots = cohort_comparison.kinds(subjects())[1]
    assert (lots.subjects.height, lots.left_out) == (8, 12)


class Ward:
    """A watch of cohorts and the alarms that come of it, of pumps whose surplus is given."""

    def __init__(self, watch: CohortWatch | None = None) -> None:
        self.watch, self.alarms, self.now = watch or CohortWatch(), alarm_list.no_alarms(), START_MS
        self.timers = no_timers()
        self.changes: list[pl.DataFrame] = []

    def look(self, values: np.ndarray, hours: float = INTERVAL_S / 3600, age_s: float = 60.0, also=()) -> None:
        """Let so much time pass, look, and let `also` (pump, rule) be violated."""
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


def test_a_drift_that_lasts_is_one_alarm_about_the_cohort_with_its_numbers():
    ward = Ward()
    ward.look(drifting())
    assert ward.alarms.is_empty()
    ward.look(drifting())
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


def test_cohorts_are_looked_at_twice_an_hour():
    ward = Ward()
    ward.look(drifting())
    ward.look(drifting(), hours=0.1)
    assert (ward.watch.compared - START_MS) / HOUR_MS == 0.5


def test_the_alarm_is_the_same_one_whenever_within_the_half_hour_the_cohorts_are_compared():
    prompt, late = Ward(), Ward()
    late.now += 7 * 60_000
    for ward in (prompt, late):
        ward.look(drifting())
        ward.look(drifting())
    assert late.alarms["alarm"].to_list() == prompt.alarms["alarm"].to_list() != []


def test_an_alarm_returns_when_the_cohort_has_been_as_the_others_for_hours():
    ward = Ward()
    for _ in range(3):
        ward.look(drifting())
    ward.look(drifting(0.0))
    ward.look(drifting(0.0), hours=5)
    assert ward.alarms["returned"].null_count() == 1
    ward.look(drifting(0.0), hours=2)
    assert ward.alarms["returned"].null_count() == 0


def test_a_drift_that_hovers_below_the_limit_neither_begins_nor_ends_an_alarm():
    ward = Ward()
    for _ in range(3):
        ward.look(drifting(3.6))
    assert ward.alarms.is_empty()
    for _ in range(2):
        ward.look(drifting())
    for _ in range(30):
        ward.look(drifting(3.6))
    assert ward.alarms["returned"].null_count() == 1


def test_pumps_that_were_not_heard_for_hours_are_not_judged():
    ward = Ward()
    for _ in range(3):
        ward.look(drifting(), age_s=3 * 3600.0)
    assert ward.alarms.is_empty()


def test_a_restart_changes_nothing():
    straight, halted = Ward(), Ward()
    for ward in (straight, halted):
        ward.look(drifting())
    halted.watch = CohortWatch(halted.watch.compared)
    for ward in (straight, halted):
        ward.look(drifting())
    assert halted.alarms.drop("evidence").equals(straight.alarms.drop("evidence"))
    assert straight.alarms.height == 1


def test_what_it_explains_on_its_pumps_is_held_under_it_and_on_other_pumps_is_not():
    ward = Ward()
    for _ in range(2):
        ward.look(drifting(), also=[(3, "flow_sensor_off"), (4, "flow_sensor_off")])
    held = dict(ward.alarms.filter(pl.col("pump").is_not_null()).select("pump", "under").iter_rows())
    assert held[3].startswith("lot L3/cohort_over_delivery/")
    assert held[4] is None


def test_a_pump_in_danger_is_never_held_under_a_cohort():
    code = {rule.name: PRIORITY_CODE[rule.priority] for rule in RULES}
    for rule in COHORT_RULES:
        assert [held for held in rule.explains if code[held] < PRIORITY_CODE[rule.priority]] == []
    ward = Ward()
    for _ in range(2):
        ward.look(drifting(), also=[(3, "over_infusion")])
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
"""What the state has, of pumps that are well: column, middle and spread; and by how much a lot differs."""


@pytest.mark.parametrize("rule", COHORT_RULES, ids=lambda rule: rule.name)
def test_every_row_finds_the_lot_that_drifts_in_its_quantity_and_no_other_row_does(rule):
    chance = np.random.default_rng(7)
    columns = {column: middle + spread * chance.standard_normal(PUMPS) for column, middle, spread, _ in DRIFTS.values()}
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


def test_an_alarm_list_without_what_a_row_reads_leaves_the_row_out():
    state = engine.new_state(PUMPS, RULES[:1])
    ages = pl.repeat(60.0, PUMPS, dtype=pl.Float32, eager=True)
    assert CohortWatch().scores(state, no_timers(), subjects(), ages_s=ages).is_empty()


@pytest.mark.parametrize("pumps", [0, 1, 60])
def test_pumps_of_which_nobody_told_model_or_lot_are_compared_by_gateway_alone(pumps):
    unknown = pl.DataFrame({"model": [None] * pumps, "lot": [None] * pumps}, {"model": pl.String, "lot": pl.String})
    known = dataclasses.replace(subjects(pumps=pumps, gateways=3), facts=unknown)
    values = healthy(pumps)
    values[: pumps // 3] += 8.0
    assert findings(values, known) == ([("ward-0", 20)] if pumps == 60 else [])


def test_of_two_halves_of_a_fleet_nobody_says_which_drifts():
    values = healthy()
    values[:200] += 8.0
    assert findings(values, subjects(gateways=2)) == []


def test_where_most_of_the_fleet_drifts_those_that_are_well_are_no_finding():
    values = healthy()
    values[100:] += 8.0
    for rule in ("cohort_over_delivery", "cohort_under_delivery"):
        row = next(row for row in ROWS if row.rule.name == rule)
        told = cohort_comparison.judge(values, cohort_comparison.kinds(subjects()), row)
        assert "ward-0" not in list(subjects().names(told.filter(pl.col("score") >= 1.0)))


def test_more_drifts_than_are_told_apart_are_all_told(monkeypatch):
    monkeypatch.setattr(cohort_comparison, "MAX_ROUNDS", 2)
    values = healthy()
    for lot in (3, 9, 14, 17):
        values[lot::LOTS] += 8.0
    assert sorted(findings(values, subjects())) == [("lot L14", 20), ("lot L17", 20), ("lot L3", 20), ("lot L9", 20)]
