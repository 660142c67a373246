"""Every fault, from simulated pumps to the score: detected, with its correct cause, and without false alarms."""

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
PUMPS_PER_FAULT = len(SEVERITIES)
ONSET_S, REFILL_S = 4 * HOUR, 5 * HOUR
HEALTHY_PUMPS = 10
LISTED = (*RULES, *GATEWAY_RULES, *COHORT_RULES)
IDENTIFIED = {fault for rule in LISTED for fault in rule.identifies}
IDENTIFIABLE = sorted(IDENTIFIED & set(FAULTS))
AMBIGUOUS = frozenset({"catheter_migration"})
"""Ambiguous by nature: a tip far out of place looks like a disconnection or an occlusion."""
LINK_FAULTS = sorted(fault.name for fault in FAULTS.values() if fault.stage == "link")
"""Faults of the link, which only samples one minute apart show in full."""


def ward(faults: list[str], interval_s: float, days: float) -> score.Score:
    """Return the score of these faults, each at every severity, with healthy pumps in the same fleet."""
    planned = [
        ScheduledFault(fault, f"{first}-{first + PUMPS_PER_FAULT - 1}", None, ONSET_S, 0.0, None, SEVERITIES)
        for first, fault in zip(range(0, PUMPS_PER_FAULT * len(faults), PUMPS_PER_FAULT), faults, strict=True)
    ]
    pumps = PUMPS_PER_FAULT * len(faults) + HEALTHY_PUMPS
    scenario = replace(
        default(pumps=pumps, interval_s=interval_s, seed=77),
        days=days,
        faults=tuple(planned),
        events=(ScheduledEvent("refill", f"0-{pumps - 1}", None, REFILL_S),),
    )
    return score.judge(playback.play(scenario, days, turn_s=1800.0))


@pytest.fixture(scope="module")
def five_minutes() -> score.Score:
    return ward(sorted(set(FAULTS) - set(LINK_FAULTS)), 300.0, 1.25)


@pytest.fixture(scope="module")
def one_minute() -> score.Score:
    return ward(LINK_FAULTS, 60.0, 0.45)


@pytest.mark.parametrize("fault", IDENTIFIABLE)
def test_a_fault_is_detected_on_all_its_pumps_with_its_correct_cause(fault, five_minutes, one_minute):
    injections = (one_minute if fault in LINK_FAULTS else five_minutes).matched.injections.filter(
        pl.col("fault") == fault
    )
    assert injections["severity"].to_list() == pytest.approx(SEVERITIES)
    assert injections["detected"].all()
    identified = injections["right_cause"].sum()
    assert identified == PUMPS_PER_FAULT if fault not in AMBIGUOUS else identified >= 1


def test_no_alarm_is_false(five_minutes, one_minute):
    for result in (five_minutes, one_minute):
        assert result.matched.alarms.filter(pl.col("verdict") == FALSE).rows() == []


def test_every_pump_rule_has_a_fault_that_it_identifies_or_detects():
    without_fault = {"therapy_paused", "refill_due", "refill_overdue", "clock_implausible"}
    assert {rule.name for rule in RULES if not (rule.identifies or rule.detects)} <= without_fault


def test_a_fault_that_no_signal_shows_gives_the_reason():
    assert sorted(set(FAULTS) - set(IDENTIFIABLE)) == ["wrong_concentration"]
    assert all(FAULTS[name].unseen for name in set(FAULTS) - set(IDENTIFIABLE))
