"""Score of a scenario played offline: detection rate, correct cause, time to detect, false alarms."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import polars as pl
import pytest

from broker.store.snapshot import PRIORITY_CODE
from processor.detectors.limit import limit
from processor.detectors.silence import silence
from processor.rules import RULE_BY_NAME, RULES, Rule
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from processor.rules.system import SYSTEM_RULES
from pumpwatch.reports.score_report import page
from simulator.faults import FAULTS
from simulator.playback.event_kinds import EVENTS
from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault
from trials import playback, score, sweep
from trials.offline_processor import window_by_window

HOUR = 3600.0
TEXTS = dict.fromkeys(("title", "meaning", "action", "time_to_respond", "rationale"), "Something.")
ALARM_LIST = (
    Rule("motor_stall", priority="high", detector=limit("motor_ul_h", below=0.05, span=0.05), on_delay_s=300.0,
         off_delay_s=300.0, detection_target_h=1.0, identifies=("motor_stall",), explains=("under_delivery",), **TEXTS),
    Rule("under_delivery", priority="medium", detector=limit("flow_ul_h", below=0.3, span=0.3), on_delay_s=900.0,
         off_delay_s=300.0, detection_target_h=1.0, detects=("motor_stall",), **TEXTS),
    Rule("reservoir_low", priority="low", detector=limit("temperature_c", above=38.0, span=1.0), on_delay_s=300.0,
         off_delay_s=300.0, detection_target_h=1.0, **TEXTS),
    Rule("pump_silent", priority="medium", detector=silence(floor_s=480.0, intervals=4.0, in_field_s=7200.0),
         on_delay_s=0.0, off_delay_s=0.0, detection_target_h=0.5, identifies=("silent_pump", "link_corrupted"),
         detects=("broker_outage",), **TEXTS),
)  # fmt: skip
"""Four rules with names from the alarm list and limits so simple that their detections are known in advance."""


def fault(name: str, pumps: str, at_h: float, hold_h: float, *severity: float) -> ScheduledFault:
    return ScheduledFault(name, pumps, None, at_h * HOUR, 0.0, hold_h * HOUR, severity)


SCENARIO = Scenario(
    pumps=12,
    days=0.5,
    interval_s=120.0,
    seed=5,
    faults=(
        fault("motor_stall", "0-3", 1, 4, 1.0, 1.0, 0.02, 0.02),
        fault("silent_pump", "4", 1, 4, 1.0),
        fault("link_corrupted", "5", 2, 1, 1.0),
        fault("motor_stall", "6", 11.5, 4, 0.02),
        fault("link_duplicated", "7", 2, 1, 1.0),
        fault("motor_stall", "9", 1, 1, 1.0),
        fault("motor_stall", "9", 6, 1, 1.0),
    ),
    events=(ScheduledEvent("fever", "8", None, 0.5 * HOUR, hold_s=12 * HOUR),),
)


@pytest.fixture(scope="module")
def played() -> score.Score:
    return score.judge(playback.play(SCENARIO, SCENARIO.days, rules=ALARM_LIST), ALARM_LIST)


@pytest.fixture(scope="module")
def report(played) -> dict:
    return {"scenario": "example", **score.report(played)}


def test_processing_several_ticks_at_once_raises_the_same_alarms_less_than_a_turn_later(played):
    turns = playback.play(SCENARIO, SCENARIO.days, rules=ALARM_LIST, turn_s=600.0)
    assert (turns.samples, turns.rejected) == (played.playback.samples, played.playback.rejected)
    both = played.playback.alarms.join(turns.alarms, on="alarm", how="full", suffix="_turns")
    assert both.height == played.playback.alarms.height > 5
    assert both.select((pl.col("raised_turns") - pl.col("raised")).is_between(0, 599_999)).to_series().all()


def test_waves_start_the_windows_of_all_pumps_together_and_keep_the_order_of_each_pump():
    times_by_pump = {0: (240, 300, 1), 1: (300, 360, 420, 600), 2: (900,)}
    batch = pl.DataFrame([{"pump": pump, "time": 1000 * at} for pump, times in times_by_pump.items() for at in times])
    waves = [[(pump, at // 1000) for pump, at in wave.iter_rows()] for wave in window_by_window(batch)]
    assert waves == [[(0, 240), (1, 300)], [(1, 360)], [(1, 420)], [(0, 300), (1, 600), (2, 900)], [(0, 1)]]
    assert list(window_by_window(batch.clear())) == []


def test_injections_come_from_the_ground_truth_not_from_the_schedule(played):
    stalls = played.playback.injections.filter(fault="motor_stall")
    hours = ((pl.col("onset") - played.playback.start_ms) / 3_600_000, (pl.col("end") - pl.col("onset")) / 3_600_000)
    rows = [tuple(row) for row in stalls.select(*hours).to_numpy().round(6).tolist()]
    assert rows[:6] == [(1.0, 4.033333)] * 4 + [(1.0, 1.033333), (6.0, 1.033333)]
    assert rows[6][0] == 11.5
    assert stalls["end"][-1] is None


def test_counts_and_rates_are_those_of_the_scenario(report):
    assert (report["pumps"], report["pump_days"], report["days"]) == (12, 6.0, 0.5)
    stall, silent = report["faults"]["motor_stall"], report["faults"]["silent_pump"]
    assert (stall["injected"], stall["detected"], stall["right_cause"], stall["undecided"]) == (7, 4, 4, 1)
    assert (stall["announced"], stall["right_cause_announced"]) == (4, 4)
    assert (silent["injected"], silent["detected"], silent["right_cause"]) == (1, 1, 1)
    from_half = report["recall"]["severity_from_0.5"]
    assert (from_half["injected"], from_half["detected"]) == (6, 1.0)
    assert 5 / 6 <= from_half["right_cause"] <= 1
    assert report["samples"] + report["samples_refused"] == 12 * 360 - 4 * 30 + 30
    assert report["samples_refused"] == 30


def test_time_to_detect_counts_from_the_onset_to_the_alarm(report, played):
    both = played.matched.injections.join(played.matched.alarms, on="pump").filter(
        rule="motor_stall", verdict="correct"
    )
    hours = ((both["raised"] - both["onset"]) / 3_600_000).sort()
    delays = report["faults"]["motor_stall"]["time_to_detect_h"]
    assert (delays["p50"], delays["p95"]) == pytest.approx((hours[1], hours[3]))
    assert 0 < delays["p50"] <= delays["p95"] < 0.5
    assert 0 < report["faults"]["silent_pump"]["time_to_detect_h"]["p95"] <= 10 / 60 + 1e-9


def test_each_severity_band_has_its_own_rates(report):
    low, medium, high = report["faults"]["motor_stall"]["by_severity"]
    assert (low["injected"], low["detected"]) == (2, 0.0)
    assert (medium["injected"], medium["detected"]) == (0, None)
    assert (high["injected"], high["detected"]) == (4, 1.0)


def test_an_alarm_on_a_healthy_pump_is_false_and_lists_the_event_on_that_pump(report):
    rows = [(row["pump"], row["rule"], row["event"]) for row in report["false"]]
    assert rows == [("ITB-000008", "reservoir_low", "fever")]
    assert report["false_alarms"] == 1
    assert report["false_alarms_per_pump_day"] == pytest.approx(1 / 6)
    assert (report["false_alarms_announced"], report["false_alarms_high"]) == (1, 0)


def test_a_consequence_counts_as_detected_but_not_as_announced(played):
    consequence = played.matched.alarms.filter(rule="under_delivery")
    assert set(consequence["pump"]) == {"ITB-000000", "ITB-000001", "ITB-000009"}
    assert consequence["verdict"].unique().to_list() == ["accepted"]
    assert consequence["shown"].null_count() == consequence.height


def test_missed_injections_are_listed_with_their_severity(report):
    assert [(row["pump"], row["severity"]) for row in report["missed"]] == [("ITB-000002", 0.02), ("ITB-000003", 0.02)]


def test_a_fault_that_no_rule_expects_is_not_missed(report):
    assert report["faults"]["link_duplicated"]["detected"] == 0
    assert not report["faults"]["link_duplicated"]["visible"]
    assert "link_duplicated" not in {row["fault"] for row in report["missed"]}


def test_alarms_are_counted_by_priority(report, played):
    counts = {name: played.matched.alarms.filter(priority=code).height for name, code in PRIORITY_CODE.items()}
    assert report["alarms_per_pump_day"] == {name: count / 6 for name, count in counts.items()}
    assert counts["high"] == 4


def test_an_alarm_that_recurs_counts_again(played):
    recurrences = played.matched.alarms.filter(pump="ITB-000009", rule="motor_stall")
    assert recurrences["alarm"].n_unique() == 2
    assert recurrences["returned"].null_count() == 0


def test_an_outage_is_detected_by_a_silent_gateway_and_a_short_one_does_not_count():
    outages = (
        ScheduledEvent("broker_outage", "0-14", None, 0.5 * HOUR),
        ScheduledEvent("gateway_restart", "15-29", None, 0.5 * HOUR),
    )
    scenario = replace(SCENARIO, pumps=30, interval_s=60.0, faults=(), events=outages)
    result = score.judge(playback.play(scenario, 1 / 16, rules=ALARM_LIST), ALARM_LIST)
    assert result.matched.injections.select("fault", "right_cause").unique().rows() == [("broker_outage", True)]
    assert result.matched.injections.height == 15
    assert result.matched.injections["right_delay_h"].max() < 0.2
    assert result.matched.alarms.group_by("rule", "verdict").len().sort("rule").rows() == [
        ("gateway_silent", "correct", 1),
        ("pump_silent", "accepted", 15),
    ]


def test_the_same_scenario_gives_the_same_score():
    short = replace(SCENARIO, faults=(fault("motor_stall", "0-3", 0.1, 4, 1.0),))
    first, second = (score.report(score.judge(playback.play(short, 0.03, rules=ALARM_LIST))) for _ in range(2))
    assert first["faults"]["motor_stall"]["detected"] == 4
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_a_report_is_valid_json_and_a_self_contained_page(report):
    assert json.loads(msgspec.json.encode(report))["pump_days"] == 6.0
    false = [{**report["false"][0], "rule": "</script><script>bad()"}]
    html = page({**report, "scenario": "<script>bad()</script>", "false": false})
    assert "<script>bad" not in html
    assert 'id="recall"' in html
    assert 'src="http' not in html
    assert "ITB-000008" in html


def test_a_sweep_gives_every_severity_of_a_fault_its_own_pumps():
    planned = sweep.ladder(Scenario(), ["motor_stall", "pocket_fill"], pumps_each=2)
    assert planned.pumps == 2 * 2 * len(sweep.SEVERITIES)
    assert [scheduled.pumps for scheduled in planned.faults[:2]] == ["0-1", "2-3"]
    assert {event.name for event in planned.events} == {"refill"}
    assert len(planned.events) == len(sweep.SEVERITIES)


def test_the_smallest_severity_detected_is_the_one_from_which_all_are_detected():
    def step(severity: float, detected: float) -> dict:
        return {"severity": severity, "detected": detected, "time_to_detect_h": {"p50": severity, "p95": 1.0}}

    rates_by_fault = {"early": (1.0, 0.5, 0.9, 1.0), "never": (1.0, 1.0, 1.0, 0.8), "always": (0.9, 1.0, 1.0, 1.0)}
    faults = {
        name: {"visible": True, "severities": [step((place + 1) / 10, share) for place, share in enumerate(rates)]}
        for name, rates in rates_by_fault.items()
    }
    smallest = sweep.smallest({"faults": faults})
    severities = {name: result["severity"] for name, result in smallest.items()}
    assert severities == {
        "early": 0.3,
        "never": None,
        "always": 0.1,
    }
    assert smallest["early"]["p50"] == 0.3


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_identified_by_a_rule_or_gives_the_reason_why_no_signal_shows_it(name):
    listed = (*RULES, *COHORT_RULES, *GATEWAY_RULES)
    identified_by = {rule.name for rule in listed if name in rule.identifies}
    assert not identified_by & {rule.name for rule in listed if name in rule.detects}
    assert bool(identified_by) != bool(FAULTS[name].unseen)


@pytest.mark.parametrize("rule", [*RULES, *COHORT_RULES, *GATEWAY_RULES, *SYSTEM_RULES], ids=lambda rule: rule.name)
def test_every_fault_that_a_rule_names_exists(rule):
    in_ground_truth = {name for name, event in EVENTS.items() if event.in_ground_truth}
    assert {*rule.identifies, *rule.detects} <= set(FAULTS) | in_ground_truth


def test_an_alarm_of_a_silent_gateway_counts_for_exactly_the_faults_that_silence_a_pump():
    (silent,) = (rule for rule in GATEWAY_RULES if rule.name == "gateway_silent")
    assert set(silent.detects) == {name for name, fault in FAULTS.items() if fault.silent_from}


def test_an_outage_is_identified_by_silent_gateways_and_detected_by_silent_pumps():
    outages = {name for name, event in EVENTS.items() if event.in_ground_truth}
    assert all(outages <= set(rule.identifies) for rule in GATEWAY_RULES)
    assert outages <= set(RULE_BY_NAME["pump_silent"].detects)
