"""Every fault of the folder, on pumps of the simulator before the whole processor: found by its cause, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from broker.matching import FALSE
from processor.rules import RULES
from simulator.faults import FAULTS
from simulator.scenario import Scenario, ScheduledEvent, ScheduledFault, default
from trials import course, score

HOUR = 3600.0
SEVERITIES = (0.5, 1.0)
EACH = len(SEVERITIES)
ONSET_S, REFILL_S = 6 * HOUR, 7 * HOUR
HEALTHY = 20
SEEN = sorted(fault.name for fault in FAULTS.values() if fault.right)
MISTAKEN = frozenset({"catheter_migration"})
"""Ambiguous by its nature: a tip that is far out looks like a disconnection or an occlusion."""


def every_fault() -> Scenario:
    planned = [
        ScheduledFault(fault, f"{first}-{first + EACH - 1}", None, ONSET_S, 0.0, None, SEVERITIES)
        for first, fault in zip(range(0, EACH * len(FAULTS), EACH), FAULTS, strict=True)
    ]
    pumps = EACH * len(FAULTS) + HEALTHY
    refill = ScheduledEvent("refill", f"0-{pumps - 1}", None, REFILL_S)
    return replace(default(pumps=pumps, interval_s=600.0, seed=77), days=1.5, faults=tuple(planned), events=(refill,))


@pytest.fixture(scope="module")
def played() -> score.Score:
    scenario = every_fault()
    return score.judge(course.play(scenario, scenario.days or 0.0))


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_is_found_on_all_its_pumps_and_named_by_its_cause(fault, played):
    found = played.found.injections.filter(pl.col("fault") == fault)
    assert found["severity"].to_list() == pytest.approx(SEVERITIES)
    assert found["detected"].all()
    named = found["right_cause"].sum()
    assert named == EACH if fault not in MISTAKEN else named >= 1


def test_no_healthy_pump_has_an_alarm(played):
    assert played.found.alarms.filter(pl.col("verdict") == FALSE).rows() == []


def test_every_rule_about_one_pump_has_a_fault_that_it_is_there_for():
    told = {rule for fault in FAULTS.values() for rule in (*fault.right, *fault.accepted)}
    by_program = {"therapy_paused", "refill_due"}
    assert {rule.name for rule in RULES} - told <= by_program


def test_what_no_signal_tells_of_says_why():
    assert sorted(set(FAULTS) - set(SEEN)) == ["wrong_concentration"]
    assert all(FAULTS[name].unseen for name in set(FAULTS) - set(SEEN))
