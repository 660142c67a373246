"""Faults page: every injection is listed, whoever made it, with what became of it; pumps can be drawn at random."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import polars as pl
import pytest

from broker.contract.commands import Inject
from broker.contract.messages import encode
from broker.contract.rule_targets import RuleTargets
from broker.store.journal import EVENTS_SCHEMA, Journal
from broker.truth.ground_truth import FILE, FaultChange, FaultFacts, RunHeader
from dashboard import theme
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import fault_choice, injection_chart, injection_command, injection_list, random_pumps
from dashboard.components.figures import UTC_CHART
from dashboard.data import fault_catalogue, healthy_pumps, injection_view, injections
from dashboard.data.live_scorecard import LiveScorecard, Score
from dashboard.data.services import DataService
from simulator.faults import FAULTS

THERAPY_MS = 1_768_221_120_000
HOUR = 3_600_000
BEGAN = THERAPY_MS - 24 * HOUR
TARGETS = {
    "motor_stall": RuleTargets(identifies=("motor_stall",)),
    "under_delivery": RuleTargets(detects=("motor_stall",)),
}


def begun(pump: str, hours: float, by: str = "", fault: str = "motor_stall") -> FaultChange:
    since = BEGAN + round(hours * HOUR)
    return FaultChange(kind="begun", pump=pump, fault=fault, severity=0.6, since=since, time=since, by=by)


def raised(pump: str, hours: float, rule: str = "motor_stall") -> dict[str, Any]:
    time = BEGAN + round(hours * HOUR)
    about = {"pump": pump, "subject": pump, "subject_kind": "pump", "rule": rule, "title": rule, "priority": 1}
    return {"at": 1, "time": time, "kind": "raised", "alarm": f"{pump}/{rule}", **about}


@pytest.fixture
def played(data_of: Callable[..., DataService], fleet: Any) -> Callable[..., tuple[DataService, Score]]:
    """Return a data service and the score of a fleet with these injections and alarms."""

    def play(changes: list[FaultChange], alarms: list[dict[str, Any]]) -> tuple[DataService, Score]:
        snapshot = fleet(10, alarms=2)
        data = data_of(replace(snapshot, health=msgspec.structs.replace(snapshot.health, rule_targets=TARGETS)))
        header = RunHeader(time=BEGAN, pumps=10, faults=[FaultFacts(fault="motor_stall")])
        (data.settings.data / FILE).write_bytes(b"".join(encode(line) + b"\n" for line in [header, *changes]))
        journal = Journal(data.settings.data)
        journal.append(pl.DataFrame(alarms, schema=EVENTS_SCHEMA))
        journal.close()
        score = LiveScorecard(data).score()
        assert score is not None
        return data, score

    return play


def shown(component: Any) -> str:
    return json.dumps(component, default=lambda part: part.to_plotly_json(), ensure_ascii=False)


def test_every_injection_is_listed_whoever_made_it(played):
    _, score = played(
        [begun("ITB-000005", 2, by="maria"), begun("ITB-000006", 3), begun("ITB-000007", 4, by="root")],
        [raised("ITB-000005", 2.125)],
    )
    found, left_out = injections.injections(score)
    assert [(one.by, one.pumps) for one in found] == [
        ("root", ("ITB-000007",)),
        ("scenario", ("ITB-000006",)),
        ("maria", ("ITB-000005",)),
    ]
    assert left_out == 0
    text = shown(injection_list.table(found, left_out, score, shown="all", chosen=found[2].key))
    assert "detected 14:39 UTC (7 min; 7 s here at ×60), correct cause" in text
    assert text.count('"aria-pressed": "true"') == 1


def test_another_cause_and_a_missed_fault_are_said_to_be_so(played):
    over = FaultChange(
        kind="ended",
        pump="ITB-000006",
        fault="motor_stall",
        severity=0.6,
        since=BEGAN + 3 * HOUR,
        time=BEGAN + 4 * HOUR,
    )
    _, score = played(
        [begun("ITB-000005", 2), begun("ITB-000006", 3), over], [raised("ITB-000005", 3, "under_delivery")]
    )
    outcomes = [injections.outcome(one, score) for one in injections.injections(score)[0]]
    assert outcomes == ["not detected", "detected 15:32 UTC (1 h; 1 min here at ×60), as under_delivery"]
    assert [one.running for one in injections.injections(score, "ended")[0]] == [0]


def test_one_command_to_several_gateways_is_one_injection_though_they_begin_at_different_ticks(played):
    changes = [begun("ITB-000005", 2, by="maria"), begun("ITB-000006", 2 + 1 / 60, by="maria"), begun("ITB-000007", 9)]
    _, score = played(changes, [raised("ITB-000006", 2.5)])
    found = injections.injections(score)[0]
    assert [len(one.pumps) for one in found] == [1, 2]
    assert "first detected 15:02 UTC (29 min; 29 s here at ×60) on 1 of 2 pumps" in injections.outcome(found[1], score)
    assert injections.find(score, injections.key_of("motor_stall", BEGAN + 2 * HOUR + 60_000)) == found[1]
    assert injections.find(score, "motor_stall@nonsense") is None


def test_the_chart_has_truth_signals_scores_and_alarms_on_one_time_axis(played):
    found = raised("ITB-000001", 23.75, "under_delivery")
    data, score = played(
        [begun("ITB-000001", 23.5)],
        [found, raised("ITB-000001", 23.9), {**found, "kind": "held", "time": BEGAN + round(23.9 * HOUR)}],
    )
    injection = injections.injections(score)[0][0]
    view = injection_view.view(data, injection, score.found.injections, "ITB-000001")
    drawn = injection_chart.draw(view, theme.LIGHT, UTC_CHART)
    heads = [note["text"] for note in drawn["layout"]["annotations"]]
    assert heads[0] == "Truth: severity"
    assert [head.partition(",")[0] for head in heads[1:4]] == ["Measured flow", "Motor flow", "Motor current"]
    assert heads[4].startswith("Score")
    assert heads[5].startswith("Alarms")
    assert {trace.get("xaxis", "x") for trace in drawn["data"]} == {"x"}
    assert heads[6:] == ["injected", "detected"]
    first, *later = [trace for trace in drawn["data"] if trace["mode"] == "lines+text"]
    assert first["text"] == ["", "under_delivery (suppressed)"], "at its end, where there is room for the title"
    assert first["x"][0] == drawn["layout"]["annotations"][7]["x"], "it begins where the fault was detected"
    assert "motor_stall" in {trace["text"][1] for trace in later}
    assert view.window[0] < injection.onset < view.found < view.window[1]


def test_pumps_drawn_at_random_are_healthy_and_the_same_for_the_same_number(fleet):
    table = fleet(120, alarms=30).table
    drawn = healthy_pumps.draw(table, 10, 1, faulty={"ITB-000040"})
    sick = {f"ITB-{number:06d}" for number in range(1, 31)} | {"ITB-000050", "ITB-000100", "ITB-000040"}
    assert drawn.pumps.height == 10
    assert drawn.healthy == 120 - len(sick)
    assert sick.isdisjoint(drawn.pumps["pump"])
    assert healthy_pumps.draw(table, 10, 1, faulty={"ITB-000040"}).pumps.equals(drawn.pumps)
    assert not healthy_pumps.draw(table, 10, 2).pumps.equals(drawn.pumps)
    assert healthy_pumps.describe(healthy_pumps.draw(table, 10, 1, model="X"), 10).startswith("No healthy pump matches")
    at_site = healthy_pumps.draw(table, 99, 1, model="B", site="Site 3")
    assert {(int(serial[4:]) - 1) % 7 for serial in at_site.pumps["pump"]} == {3}
    assert "of 99 wanted" in healthy_pumps.describe(at_site, 99)


def test_a_draw_is_bounded_whatever_the_browser_sends(fleet, data_of):
    data = data_of(fleet(300, alarms=0))
    for count in (1e12, "many", None, -5):
        serials, _, _ = random_pumps.drawn(data, count=count, model="any", site=None, number=1, faulty=set())
        assert 1 <= len(serials) <= random_pumps.MAX_DRAWN


async def test_several_faults_are_injected_at_once(fleet, data_of, wire):
    VISITOR.set(Visitor("maria", "engineer"))
    data = data_of(fleet(10, alarms=0))
    values = (1, None, None, ["motor_stall", "catheter_occlusion"], "3,4", ["ITB-000007"], 0.5, 0, "")
    said, chosen = await injection_command.carry_out(data, "fault-inject", values)
    sent = [one.command for one in wire.orders]
    assert [(one.fault, one.pumps) for one in sent if isinstance(one, Inject)] == [
        ("motor_stall", ["ITB-000003", "ITB-000004", "ITB-000007"]),
        ("catheter_occlusion", ["ITB-000003", "ITB-000004", "ITB-000007"]),
    ]
    assert chosen == injections.key_of("motor_stall", THERAPY_MS)
    assert "Done on" in shown(said)


async def test_a_viewer_injects_nothing_and_too_many_faults_are_refused(fleet, data_of, wire):
    data = data_of(fleet(10, alarms=0))
    VISITOR.set(Visitor("vera", "viewer"))
    said, _ = await injection_command.carry_out(
        data, "fault-inject", (1, None, None, ["motor_stall"], "3", [], 0.5, 0, "")
    )
    assert "only engineers and admins may inject faults" in shown(said)
    many = [f"fault_{number}" for number in range(fault_choice.MAX_AT_ONCE + 1)]
    said, _ = await injection_command.carry_out(data, "fault-inject", (1, None, None, many, "3", [], 0.5, 0, ""))
    assert "at most 5 at once" in shown(said)
    assert wire.orders == []


def test_the_catalogue_says_of_every_fault_what_its_module_says():
    known = fault_catalogue.catalogue()
    assert set(known) == set(FAULTS), "run: make docs"
    for name, fault in FAULTS.items():
        words = ("title", "stage", "summary", "signature", "severity", "origin", "unseen", "waits_for")
        assert [getattr(known[name], word) for word in words] == [getattr(fault, word) for word in words], "make docs"
        assert all(panel.healthy[0] for panel in known[name].panels)


def test_each_ticked_fault_is_explained_with_its_picture_and_its_alarms(played):
    _, score = played([], [])
    text = shown(fault_choice.explained(["motor_stall", "wrong_concentration", "of_a_stranger"], "dark", score))
    assert FAULTS["motor_stall"].signature[1:40] in text
    assert "Correct cause: Motor stall" in text
    assert "None, because" in text
    assert "without a description" in text
