"""A scenario played offline, and what is counted of it."""

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
from simulator.playback.events import EVENTS
from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault
from trials import playback, score, sweep

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
"""Four rules of names that the faults know, of limits so plain that what they find is known beforehand."""


def fault(name: str, pumps: str, at_h: float, hold_h: float, *severity: float) -> ScheduledFault:
    return ScheduledFault(name, pumps, None, at_h * HOUR, 0.0, hold_h * HOUR, severity)


STORY = Scenario(
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
    return score.judge(playback.play(STORY, STORY.days, rules=ALARM_LIST), ALARM_LIST)


@pytest.fixture(scope="module")
def report(played) -> dict:
    return {"scenario": "story", **score.report(played)}


def test_the_same_alarms_are_raised_where_many_ticks_are_taken_in_at_once_later_by_less_than_a_turn(played):
    turns = playback.play(STORY, STORY.days, rules=ALARM_LIST, turn_s=600.0)
    assert (turns.samples, turns.refused) == (played.course.samples, played.course.refused)
    both = played.course.alarms.join(turns.alarms, on="alarm", how="full", suffix="_turns")
    assert both.height == played.course.alarms.height > 5
    assert both.select((pl.col("raised_turns") - pl.col("raised")).is_between(0, 599_999)).to_series().all()


def test_waves_put_the_first_samples_of_windows_together_and_keep_every_pumps_order():
    said = {0: (240, 300, 1), 1: (300, 360, 420, 600), 2: (900,)}
    batch = pl.DataFrame([{"pump": pump, "time": 1000 * at} for pump, times in said.items() for at in times])
    waves = [[(pump, at // 1000) for pump, at in wave.iter_rows()] for wave in playback.window_by_window(batch)]
    assert waves == [[(0, 240), (1, 300)], [(1, 360)], [(1, 420)], [(0, 300), (1, 600), (2, 900)], [(0, 1)]]
    assert list(playback.window_by_window(batch.clear())) == []


def test_what_was_wrong_is_taken_from_the_truth_and_not_from_the_plan(played):
    stalls = played.course.injections.filter(fault="motor_stall")
    hours = ((pl.col("onset") - played.course.start_ms) / 3_600_000, (pl.col("end") - pl.col("onset")) / 3_600_000)
    rows = [tuple(row) for row in stalls.select(*hours).to_numpy().round(6).tolist()]
    assert rows[:6] == [(1.0, 4.033333)] * 4 + [(1.0, 1.033333), (6.0, 1.033333)]
    assert rows[6][0] == 11.5
    assert stalls["end"][-1] is None


def test_counts_and_rates_are_those_of_the_story(report):
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
    both = played.found.injections.join(played.found.alarms, on="pump").filter(rule="motor_stall", verdict="right")
    hours = ((both["raised"] - both["onset"]) / 3_600_000).sort()
    delays = report["faults"]["motor_stall"]["time_to_detect_h"]
    assert (delays["p50"], delays["p95"]) == pytest.approx((hours[1], hours[3]))
    assert 0 < delays["p50"] <= delays["p95"] < 0.5
    assert 0 < report["faults"]["silent_pump"]["time_to_detect_h"]["p95"] <= 10 / 60 + 1e-9


def test_severities_are_told_apart(report):
    below, between, above = report["faults"]["motor_stall"]["by_severity"]
    assert (below["injected"], below["detected"]) == (2, 0.0)
    assert (between["injected"], between["detected"]) == (0, None)
    assert (above["injected"], above["detected"]) == (4, 1.0)


def test_an_alarm_on_a_healthy_pump_is_false_and_names_what_happened_to_it(report):
    rows = [(row["pump"], row["rule"], row["event"]) for row in report["false"]]
    assert rows == [("ITB-000008", "reservoir_low", "fever")]
    assert report["false_alarms"] == 1
    assert report["false_alarms_per_pump_day"] == pytest.approx(1 / 6)
    assert (report["false_alarms_announced"], report["false_alarms_high"]) == (1, 0)


def test_a_consequence_counts_as_found_but_not_as_announced(played):
    consequence = played.found.alarms.filter(rule="under_delivery")
    assert set(consequence["pump"]) == {"ITB-000000", "ITB-000001", "ITB-000009"}
    assert consequence["verdict"].unique().to_list() == ["accepted"]
    assert consequence["shown"].null_count() == consequence.height


def test_what_was_missed_is_listed_with_its_severity(report):
    assert [(row["pump"], row["severity"]) for row in report["missed"]] == [("ITB-000002", 0.02), ("ITB-000003", 0.02)]


def test_a_fault_without_an_alarm_of_its_own_is_no_miss(report):
    assert report["faults"]["link_duplicated"]["detected"] == 0
    assert not report["faults"]["link_duplicated"]["visible"]
    assert "link_duplicated" not in {row["fault"] for row in report["missed"]}


def test_alarms_are_counted_by_priority(report, played):
    of_priority = {name: played.found.alarms.filter(priority=code).height for name, code in PRIORITY_CODE.items()}
    assert report["alarms_per_pump_day"] == {name: count / 6 for name, count in of_priority.items()}
    assert of_priority["high"] == 4


def test_an_alarm_that_comes_back_counts_anew(played):
    again = played.found.alarms.filter(pump="ITB-000009", rule="motor_stall")
    assert again["alarm"].n_unique() == 2
    assert again["returned"].null_count() == 0


def test_an_outage_is_found_by_the_silence_of_its_gateway_and_one_too_short_to_be_missed_is_none():
    cut = (
        ScheduledEvent("broker_outage", "0-14", None, 0.5 * HOUR),
        ScheduledEvent("gateway_restart", "15-29", None, 0.5 * HOUR),
    )
    quiet = replace(STORY, pumps=30, interval_s=60.0, faults=(), events=cut)
    told = score.judge(playback.play(quiet, 1 / 16, rules=ALARM_LIST), ALARM_LIST)
    assert told.found.injections.select("fault", "right_cause").unique().rows() == [("broker_outage", True)]
    assert told.found.injections.height == 15
    assert told.found.injections["right_delay_h"].max() < 0.2
    assert told.found.alarms.group_by("rule", "verdict").len().sort("rule").rows() == [
        ("gateway_silent", "right", 1),
        ("pump_silent", "accepted", 15),
    ]


def test_the_same_scenario_gives_the_same_score():
    short = replace(STORY, faults=(fault("motor_stall", "0-3", 0.1, 4, 1.0),))
    first, second = (score.report(score.judge(playback.play(short, 0.03, rules=ALARM_LIST))) for _ in range(2))
    assert first["faults"]["motor_stall"]["detected"] == 4
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


def test_a_score_is_json_and_a_page_that_needs_no_other_address(report):
    assert json.loads(msgspec.json.encode(report))["pump_days"] == 6.0
    false = [{**report["false"][0], "rule": "</script><script>bad()"}]
    said = page({**report, "scenario": "<script>bad()</script>", "false": false})
    assert "<script>bad" not in said
    assert 'id="recall"' in said
    assert 'src="http' not in said
    assert "ITB-000008" in said


def test_a_sweep_puts_every_severity_of_a_fault_on_pumps_of_its_own():
    planned = sweep.ladder(Scenario(), ["motor_stall", "pocket_fill"], pumps_each=2)
    assert planned.pumps == 2 * 2 * len(sweep.SEVERITIES)
    assert [one.pumps for one in planned.faults[:2]] == ["0-1", "2-3"]
    assert {event.name for event in planned.events} == {"refill"}
    assert len(planned.events) == len(sweep.SEVERITIES)


def test_the_smallest_severity_is_the_one_from_which_on_all_are_found():
    def rung(severity: float, detected: float) -> dict:
        return {"severity": severity, "detected": detected, "time_to_detect_h": {"p50": severity, "p95": 1.0}}

    shares = {"early": (1.0, 0.5, 0.9, 1.0), "never": (1.0, 1.0, 1.0, 0.8), "always": (0.9, 1.0, 1.0, 1.0)}
    faults = {
        name: {"visible": True, "severities": [rung((place + 1) / 10, share) for place, share in enumerate(found)]}
        for name, found in shares.items()
    }
    least = sweep.smallest({"faults": faults})
    assert {name: one["severity"] for name, one in least.items()} == {"early": 0.3, "never": None, "always": 0.1}
    assert least["early"]["p50"] == 0.3


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_identified_by_a_rule_or_says_why_no_signal_shows_it(name):
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
