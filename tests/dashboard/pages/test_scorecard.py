"""Scorecard page: alarms matched with the ground truth while the fleet runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import polars as pl
import pytest

from broker.contract.messages import encode
from broker.contract.rule_targets import RuleTargets
from broker.store.journal import EVENTS_SCHEMA, Journal
from broker.store.snapshot import Snapshot
from broker.truth.ground_truth import FILE, FaultChange, FaultFacts, RunHeader
from dashboard.app import assemble
from dashboard.data import live_scorecard
from dashboard.data.live_scorecard import LiveScorecard
from dashboard.data.services import DataService
from dashboard.pages import scorecard

THERAPY_MS = 1_768_221_120_000
HOUR = 3_600_000
BEGAN = THERAPY_MS - 24 * HOUR
HEADER = RunHeader(
    time=BEGAN,
    pumps=100,
    faults=[
        FaultFacts(fault="motor_stall"),
        FaultFacts(fault="pocket_fill", waits_for="refill"),
        FaultFacts(fault="link_duplicated"),
    ],
)
TARGETS = {
    "motor_stall": RuleTargets(identifies=("motor_stall",)),
    "under_delivery": RuleTargets(detects=("motor_stall",)),
    "refill": RuleTargets(identifies=("pocket_fill",)),
    "gateway_silent": RuleTargets(identifies=("broker_outage",)),
    "fleet_silent": RuleTargets(identifies=("broker_outage",)),
    "pump_silent": RuleTargets(detects=("broker_outage",)),
}
TITLES = {"motor_stall": "Motor stall", "under_delivery": "Under-delivery"}
DataOf = Callable[[Snapshot], DataService]


def injected(pump: str, fault: str, since_h: float, end_h: float | None = None) -> list[FaultChange]:
    since = BEGAN + round(since_h * HOUR)
    begun = FaultChange(kind="begun", pump=pump, fault=fault, severity=0.6, since=since, time=since)
    if end_h is None:
        return [begun]
    return [
        begun,
        FaultChange(kind="ended", pump=pump, fault=fault, severity=0.6, since=since, time=BEGAN + round(end_h * HOUR)),
    ]


def raised(pump: str, rule: str, at_h: float, cause: str | None = None) -> dict[str, Any]:
    time = BEGAN + round(at_h * HOUR)
    alarm = f"{pump}/{rule}/{time}"
    return {
        "at": 1,
        "time": time,
        "kind": "raised",
        "pump": pump,
        "rule": rule,
        "title": TITLES.get(rule),
        "priority": 1,
        "alarm": alarm,
        "subject": pump,
        "subject_kind": "pump",
        "cause": cause,
    }


@pytest.fixture
def recorded(data_of: DataOf, fleet: Any) -> Callable[..., DataService]:
    """Return a data service in whose data directory these injections and alarms are written."""

    def write(injections: list[list[FaultChange]], alarms: list[dict[str, Any]]) -> DataService:
        snapshot = fleet(10)
        health = msgspec.structs.replace(snapshot.health, rule_targets=TARGETS)
        data = data_of(replace(snapshot, health=health))
        lines = [HEADER, *(change for changes in injections for change in changes)]
        (data.settings.data / FILE).write_bytes(b"".join(encode(line) + b"\n" for line in lines))
        journal = Journal(data.settings.data)
        journal.append(pl.DataFrame(alarms, schema=EVENTS_SCHEMA))
        journal.close()
        return data

    return write


def shown(components: Any) -> str:
    return json.dumps(components, default=lambda component: component.to_plotly_json())


def test_running_figures_distinguish_detected_missed_and_pending(recorded):
    data = recorded(
        [
            injected("A", "motor_stall", 1, 5),
            injected("B", "motor_stall", 2, 5),
            injected("C", "motor_stall", 3, 5),
            injected("D", "motor_stall", 23),
            injected("E", "link_duplicated", 3),
        ],
        [
            raised("A", "motor_stall", 1.5),
            raised("B", "under_delivery", 4),
            raised("Z", "motor_stall", 7),
            raised("A", "refill", 2),
            raised("C", "motor_stall", -3),
        ],
    )
    totals = live_scorecard.totals(LiveScorecard(data).score())
    counted = {name: totals[name] for name in ("injected", "found", "right_cause", "missed", "undecided", "unseen")}
    assert counted == {"injected": 4, "found": 2, "right_cause": 1, "missed": 1, "undecided": 1, "unseen": 1}
    assert (totals["false"], totals["secondary"], totals["alarms"]) == (1, 1, 4)
    assert totals["false_a_pump_day"] == pytest.approx(0.01)
    assert totals["delay_h"] == {"p50": pytest.approx(0.5), "p95": pytest.approx(2.0)}


def test_a_fault_that_has_just_ended_may_still_be_found(recorded):
    totals = live_scorecard.totals(LiveScorecard(recorded([injected("A", "motor_stall", 20, 23)], [])).score())
    assert (totals["undecided"], totals["missed"]) == (1, 0)


def test_the_delay_of_a_fault_that_waits_for_a_refill_is_not_told(recorded):
    data = recorded([injected("A", "pocket_fill", 1)], [raised("A", "refill", 9)])
    (row,) = live_scorecard.by_fault(LiveScorecard(data).score())
    assert (row["found"], row["delay_h"]["p50"]) == (1, None)


def test_the_page_shows_when_and_by_which_alarm_each_injection_was_detected(recorded):
    data = recorded(
        [injected("A", "motor_stall", 1), injected("B", "motor_stall", 2, 5), injected("C", "link_duplicated", 3)],
        [raised("A", "motor_stall", 1.5), raised("Z", "under_delivery", 7)],
    )
    facts, faults, false, cases = (shown(piece) for piece in scorecard.render(LiveScorecard(data).score()))
    assert "1 of 2 (50%)" in facts
    assert "Motor stall" in faults
    assert "Motor stall" in faults
    assert "no alarm expected" in faults
    assert "/pump/Z" in false
    assert "Under-delivery" in false
    assert "Under delivery" not in false
    for words in ("detected after 30 min (therapy), first by ", "missed", "no alarm expected", "ongoing"):
        assert words in cases


def test_a_suppressed_alarm_counts_as_detected_and_is_shown_as_suppressed(recorded):
    data = recorded([injected("A", "motor_stall", 1)], [raised("A", "under_delivery", 2, cause="motor_stall")])
    cases = shown(scorecard.render(LiveScorecard(data).score())[3])
    assert "wrong cause" in cases
    assert "suppressed by another alarm" in cases


def test_without_ground_truth_the_page_says_so(data_of, fleet):
    assert "truth.jsonl" in shown(scorecard.render(LiveScorecard(data_of(fleet(3))).score()))


async def test_the_page_says_to_restart_the_simulator_if_another_version_wrote_the_ground_truth(recorded, browser_of):
    data = recorded([], [])
    (data.settings.data / FILE).write_bytes(b'{"kind":"story","time":1000,"pumps":3,"expected":[]}\n')
    async with browser_of(assemble(data).server) as client:
        answer = await client.post("/_dash-update-component", json=refresh())
    assert answer.status_code == 200
    assert "Restart the simulator" in answer.text


async def test_the_open_page_shows_the_figures(recorded, browser_of):
    data = recorded([injected("A", "motor_stall", 1)], [raised("A", "motor_stall", 1.5)])
    async with browser_of(assemble(data).server) as client:
        answer = await client.post("/_dash-update-component", json=refresh())
    assert answer.status_code == 200
    assert "detected after 30 min (therapy), first by" in answer.text


def refresh() -> dict[str, Any]:
    """Return the request with which an open page renews its parts."""
    outputs = [f"score-{name}" for name in ("facts", "faults", "false", "cases")]
    return {
        "output": f"..{'...'.join(f'{name}.children' for name in outputs)}..",
        "outputs": [{"id": name, "property": "children"} for name in outputs],
        "inputs": [{"id": "live", "property": "data", "value": {}}],
        "state": [],
        "changedPropIds": ["live.data"],
    }


def test_a_score_is_counted_once_for_all_who_look(recorded, monkeypatch):
    data = recorded([injected("A", "motor_stall", 1)], [])
    counted = []
    monkeypatch.setattr(live_scorecard, "judge", lambda *inputs: counted.append(inputs) or inputs)
    live_score = LiveScorecard(data)
    assert live_score.score() is live_score.score()
    assert len(counted) == 1


def test_what_pumpwatch_says_of_itself_is_no_false_alarm(recorded):
    full = {**raised("x", "storage_failing", 2.0), "pump": None, "subject": "system: storage", "subject_kind": "system"}
    totals = live_scorecard.totals(LiveScorecard(recorded([], [full])).score())
    assert (totals["alarms"], totals["false"]) == (0, 0)


def test_that_gateways_are_silent_is_right_while_the_scenario_cuts_them_off_and_false_where_nothing_does(recorded):
    serials = recorded([], []).snapshot().pumps["pump"]
    cut = [injected(serial, "broker_outage", 2, 2.5) for serial in serials]
    silent = [
        {**raised(name, rule, at_h), "pump": None}
        for name, rule, at_h in (
            ("gateway-00", "gateway_silent", 1.9),
            ("gateway-00", "gateway_silent", 2.2),
            ("fleet", "fleet_silent", 2.2),
        )
    ]
    score = LiveScorecard(recorded(cut, silent)).score()
    assert score.found.alarms.sort("raised", "pump")["verdict"].to_list() == ["false", "correct", "correct"]
    totals = live_scorecard.totals(score)
    assert (totals["injected"], totals["right_cause"], totals["false"]) == (10, 10, 1)


def test_an_alarm_of_a_gateways_pumps_that_was_false_leads_to_those_pumps(recorded):
    about_many = {**raised("gateway-00", "cohort_samples_lost", 3.0), "pump": None}
    data = recorded([], [about_many, raised("ITB-000009", "motor_stall", 4.0)])
    _, _, false, _ = scorecard.render(LiveScorecard(data).score())
    assert '"/pumps?search=gateway-00"' in shown(false)
    assert '"/pump/ITB-000009"' in shown(false)
