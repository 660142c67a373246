"""Every fault of the folder, on pumps of the simulator before the whole processor: found by its cause, no other."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from broker.truth.matching import FALSE
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from simulator.faults import FAULTS
from simulator.playback.scenario import ScheduledEvent, ScheduledFault, default
from trials import playback, score

HOUR = 3600.0
SEVERITIES = (0.5, 1.0)
EACH = len(SEVERITIES)
ONSET_S, REFILL_S = 4 * HOUR, 5 * HOUR
HEALTHY = 10
LISTED = (*RULES, *GATEWAY_RULES, *COHORT_RULES)
IDENTIFIED = {fault for rule in LISTED for fault in rule.identifies}
SEEN = sorted(IDENTIFIED & set(FAULTS))
MISTAKEN = frozenset({"catheter_migration"})
"""Ambiguous by its nature: a tip that is far out looks like a disconnection or an occlusion."""


DENSE = sorted(fault.name for fault in FAULTS.values() if fault.stage == "link")
"""What only samples a minute apart tell in full: the line itself."""


def ward(faults: list[str], interval_s: float, days: float) -> score.Score:
    """Return how well the alarms told these faults, each at two severities, beside healthy pumps."""
    planned = [
        ScheduledFault(fault, f"{first}-{first + EACH - 1}", None, ONSET_S, 0.0, None, SEVERITIES)
        for first, fault in zip(range(0, EACH * len(faults), EACH), faults, strict=True)
    ]
    pumps = EACH * len(faults) + HEALTHY
    scenario = replace(
        default(pumps=pumps, interval_s=interval_s, seed=77),
        days=days,
        faults=tuple(planned),
        events=(ScheduledEvent("refill", f"0-{pumps - 1}", None, REFILL_S),),
    )
    return score.judge(playback.play(scenario, days, turn_s=900.0))


@pytest.fixture(scope="module")
def sparse() -> score.Score:
    return ward(sorted(set(FAULTS) - set(DENSE)), 300.0, 1.25)


@pytest.fixture(scope="module")
def dense() -> score.Score:
    return ward(DENSE, 60.0, 0.45)


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_is_found_on_all_its_pumps_and_named_by_its_cause(fault, sparse, dense):
    found = (dense if fault in DENSE else sparse).found.injections.filter(pl.col("fault") == fault)
    assert found["severity"].to_list() == pytest.approx(SEVERITIES)
    assert found["detected"].all()
    named = found["right_cause"].sum()
    assert named == EACH if fault not in MISTAKEN else named >= 1


def test_no_healthy_pump_has_an_alarm(sparse, dense):
    for played in (sparse, dense):
        assert played.found.alarms.filter(pl.col("verdict") == FALSE).rows() == []


def test_every_rule_about_one_pump_has_a_fault_that_it_is_there_for():
    by_program = {"therapy_paused", "refill_due", "refill_overdue"}
    assert {rule.name for rule in RULES if not (rule.identifies or rule.detects)} <= by_program


def test_what_no_signal_tells_of_says_why():
    assert sorted(set(FAULTS) - set(SEEN)) == ["wrong_concentration"]
    assert all(FAULTS[name].unseen for name in set(FAULTS) - set(SEEN))
