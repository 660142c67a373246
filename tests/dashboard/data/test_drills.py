"""Drills: a blind fault is injected at a random time, followed, asked about and cleared; nothing gives it away."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import polars as pl
import pytest
from msgspec.structs import replace as changed

from broker.contract.commands import Clear, Inject, Reply
from broker.contract.messages import encode
from broker.contract.rule_targets import RuleTargets
from broker.store.journal import EVENTS_SCHEMA, Journal
from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot_files import write
from broker.truth.ground_truth import FILE, FaultChange, RunHeader
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.data import drill_records, drills, injections
from dashboard.data.drill_records import MINUTE_MS, Drill
from dashboard.data.drill_runner import DrillRunner
from dashboard.data.drills import Drills
from dashboard.data.handover_files import HandoverFiles
from dashboard.data.handovers import Handovers
from dashboard.data.live import Live
from dashboard.data.live_scorecard import LiveScorecard
from dashboard.data.services import DataService
from dashboard.pages import drills as page

START = 1_790_000_000_000
THERAPY_MS = 1_768_221_120_000
TARGETS = {"motor_stall": RuleTargets(identifies=("motor_stall",)), "rule_0": RuleTargets()}
ACTIONS = {
    "motor_stall": "Interrogate the pump and read its event log. Ask about MRI.",
    "reservoir_low": "Arrange a refill now. Bridge.",
    "catheter_leak": "Arrange catheter imaging.",
    "pump_silent": "Call the patient.",
    "battery_end": "Replace the pump now.",
}
MARIA, OTTO, ADA = Visitor("maria", "engineer"), Visitor("otto", "operator"), Visitor("ada", "admin")


@dataclass
class Ward:
    """A fleet, its dashboard, and a clock that the test moves."""

    data: DataService
    wire: Any
    fleet: Any
    clock: list[int]

    @property
    def runner(self) -> DrillRunner:
        return DrillRunner(self.data, Random(5))

    @property
    def drills(self) -> Drills:
        return Drills(self.data, Random(1))

    def only(self) -> Drill:
        return self.data.drills.drills()[-1]

    def journal(self, *entries: dict[str, Any]) -> None:
        journal = Journal(self.data.settings.data)
        journal.append(pl.DataFrame(list(entries), schema=EVENTS_SCHEMA))
        journal.close()

    def alarm(self, pump: str, rule: str = "motor_stall", kind: str = "raised", who: str | None = None) -> None:
        about = {"pump": pump, "subject": pump, "subject_kind": "pump", "rule": rule, "title": rule, "priority": 1}
        entry = {"at": self.clock[0], "time": THERAPY_MS + 1000, "kind": kind, "alarm": f"{pump}/{rule}", "who": who}
        self.journal(about | entry)

    async def begin(self) -> Drill:
        VISITOR.set(MARIA)
        assert (await self.drills.plan(fault="motor_stall", severity=0.9, span_min=60, for_whom="")).good
        self.clock[0] = self.only().due_at + 1000
        await self.runner.step()
        return self.only()


@pytest.fixture
def ward(settings: Any, wire: Any, fleet: Any) -> Ward:
    snapshot = fleet(10, alarms=2)
    health = msgspec.structs.replace(snapshot.health, rule_targets=TARGETS)
    rows = [{"rule": rule, "action": action, "subject_kind": "pump"} for rule, action in ACTIONS.items()]
    write(settings.snapshots, replace(snapshot, health=health, rules=pl.DataFrame(rows, schema=RULES_SCHEMA)))
    clock = [START]
    live = Live(settings.snapshots, lambda: clock[0])
    return Ward(DataService(settings, live, lambda: clock[0], wire.ask, wire.act), wire, fleet, clock)


def sent(ward: Ward, kind: type) -> list[Any]:
    return [one.command for one in ward.wire.orders if isinstance(one.command, kind)]


async def test_a_drill_begins_within_its_span_on_a_healthy_pump_and_ends_by_itself_if_all_else_fails(ward):
    begun = await ward.begin()
    assert START <= begun.due_at <= START + 60 * MINUTE_MS
    (command,) = sent(ward, Inject)
    assert (begun.state, begun.onset, command.pumps, command.who) == (
        "running",
        THERAPY_MS,
        [begun.pump],
        "drill of maria",
    )
    assert begun.pump not in {"ITB-000001", "ITB-000002"}, "these have alarms"
    assert command.hold_s >= 60 * drill_records.RUN_MS / 1000, "it outlasts the drill, and ends without a dashboard"


async def test_it_measures_the_alarm_and_the_acknowledgment_and_asks_for_the_first_action(ward):
    begun = await ward.begin()
    ward.clock[0] += 7 * MINUTE_MS
    ward.alarm(begun.pump)
    await ward.runner.step()
    ward.clock[0] += 2 * MINUTE_MS
    ward.alarm(begun.pump, kind="acknowledged", who="otto")
    await ward.runner.step()
    asked = ward.only()
    assert (asked.state, asked.acknowledged_by, asked.to_alarm_s, asked.to_acknowledge_s) == (
        "answering",
        "otto",
        420,
        120,
    )
    assert asked.right == "Interrogate the pump and read its event log"
    assert len(set(asked.options)) == drill_records.OPTIONS
    VISITOR.set(OTTO)
    assert not (await ward.drills.answer(asked.id, "Go home")).good
    assert (await ward.drills.answer(asked.id, asked.right)).good
    (report,) = drills.report(drills.results(ward.data.drills.drills(), OTTO))
    assert (report.person, report.drills, report.to_acknowledge_s, report.right) == ("otto", 1, 120, 1)
    assert [one.pumps for one in sent(ward, Clear)] == [[begun.pump]]
    assert not (await ward.drills.answer(asked.id, asked.right)).good, "a question is answered once"


async def test_who_acknowledges_on_a_page_learns_at_once_that_it_was_a_drill(ward):
    begun = await ward.begin()
    snapshot = ward.data.snapshot()
    row = snapshot.alarms.row(0, named=True) | {
        "alarm": "x", "pump": begun.pump, "rule": "motor_stall", "raised": THERAPY_MS + 1, "raised_wall": START + 1,
    }  # fmt: skip
    health = msgspec.structs.replace(snapshot.health, version=2, written=START)
    write(
        ward.data.settings.snapshots,
        replace(snapshot, alarms=pl.DataFrame([row], schema=snapshot.alarms.schema), health=health),
    )
    VISITOR.set(OTTO)
    said = await ward.data.apply("acknowledge", ["x"])
    assert "This was a drill" in said.text
    assert ward.only().state == "answering"
    assert "This was a drill" not in (await ward.data.apply("acknowledge", ["x"])).text


async def test_another_alarm_on_the_pump_is_a_real_one_and_does_not_count(ward):
    begun = await ward.begin()
    ward.alarm(begun.pump, rule="reservoir_low")
    ward.alarm(begun.pump, rule="reservoir_low", kind="acknowledged", who="otto")
    await ward.runner.step()
    assert (ward.only().state, ward.only().alarm_at) == ("running", 0)


async def test_a_drill_that_nobody_noticed_ends_and_its_fault_is_cleared(ward):
    begun = await ward.begin()
    ward.clock[0] += drill_records.RUN_MS + 1000
    await ward.runner.step()
    assert ward.only().note == "No alarm was raised within 60 min."
    assert [one.fault for one in sent(ward, Clear)] == ["motor_stall"]
    assert drills.report(drills.results(ward.data.drills.drills(), ADA))[0].person == "nobody acknowledged"
    assert begun.id == ward.only().id


@pytest.mark.parametrize(
    ("state", "note"),
    [("planned", "the dashboard was not running when it was due"), ("injecting", "ended while it injected the fault")],
)
async def test_after_a_restart_what_was_missed_is_cancelled_with_a_note(ward, state, note):
    known = drill_records.plan(
        drill="d", who="maria", now=START, span_min=15, fault="motor_stall", severity=0.9, for_whom="", chance=Random(1)
    )
    known = changed(known, state=state, pump="ITB-000005", gateway="gateway-00", injected_at=known.due_at)
    ward.data.drills.change(lambda _: [known])
    ward.clock[0] = START + 60 * MINUTE_MS
    await ward.runner.step()
    assert ward.only().state == "cancelled"
    assert note in ward.only().note
    assert len(sent(ward, Clear)) == (state == "injecting")


async def test_a_planned_drill_survives_a_restart(ward):
    VISITOR.set(MARIA)
    await ward.drills.plan(fault="", severity=0.9, span_min=15, for_whom="otto")
    later = DataService(
        ward.data.settings, ward.data.live, lambda: START + 16 * MINUTE_MS, ward.wire.ask, ward.wire.act
    )
    later.drills.change(lambda known: [changed(one, due_at=START + 15 * MINUTE_MS) for one in known])
    await DrillRunner(later, Random(3)).step()
    assert (later.drills.drills()[0].state, later.drills.drills()[0].fault) == ("running", "motor_stall")


async def test_a_cancelled_drill_clears_its_fault_and_only_planner_and_admins_cancel(ward):
    begun = await ward.begin()
    VISITOR.set(Visitor("paul", "engineer"))
    assert not (await ward.drills.cancel(begun.id)).good
    VISITOR.set(ADA)
    assert (await ward.drills.cancel(begun.id)).good
    assert (ward.only().state, ward.only().note) == ("cancelled", "Cancelled by ada.")
    assert len(sent(ward, Clear)) == 1


async def test_a_fault_that_a_gateway_refuses_cancels_the_drill(ward, monkeypatch):
    async def refuse(_url: str, orders: Any) -> list[Reply]:
        return [Reply(id=one.command.id, gateway=one.gateway, ok=False, text="refused: busy") for one in orders]

    VISITOR.set(MARIA)
    await ward.drills.plan(fault="motor_stall", severity=0.9, span_min=15, for_whom="")
    ward.clock[0] = ward.only().due_at
    deaf = DataService(ward.data.settings, ward.data.live, lambda: ward.clock[0], refuse, ward.wire.act)
    await DrillRunner(deaf, Random(1)).step()
    assert ward.only().state == "cancelled"
    assert "refused: busy" in ward.only().note


async def test_operators_and_viewers_plan_nothing_and_bounds_are_said(ward):
    for visitor in (OTTO, Visitor("vera", "viewer")):
        VISITOR.set(visitor)
        said = await ward.drills.plan(fault="", severity=0.9, span_min=60, for_whom="")
        assert said.text == "Not planned: only engineers and admins may plan drills."
    VISITOR.set(MARIA)
    assert "allowed are 15, 30" in (await ward.drills.plan(fault="", severity=0.9, span_min=7, for_whom="")).text
    assert "choose another fault" in (await ward.drills.plan(fault="x", severity=1, span_min=60, for_whom="")).text
    for _ in range(drill_records.MAX_OPEN):
        assert (await ward.drills.plan(fault="", severity=0.9, span_min=60, for_whom="")).good
    assert "20 drills are open" in (await ward.drills.plan(fault="", severity=0.9, span_min=60, for_whom="")).text


async def test_nothing_gives_a_running_drill_away_and_it_counts_once_it_has_ended(ward):
    begun = await ward.begin()
    change = FaultChange(
        kind="begun", pump=begun.pump, fault="motor_stall", severity=0.9, since=THERAPY_MS, time=THERAPY_MS, by=begun.by
    )
    header = RunHeader(time=THERAPY_MS - 1, pumps=10)
    (ward.data.settings.data / FILE).write_bytes(encode(header) + b"\n" + encode(change) + b"\n")
    ward.alarm(begun.pump)
    score = LiveScorecard(ward.data).score()
    assert injections.injections(score) == ([], 0)
    assert score.found.alarms.is_empty()
    for visitor in (OTTO, Visitor("vera", "viewer"), Visitor("paul", "engineer")):
        seen = json.dumps(
            page.render(ward.data.drills.drills(), visitor, None), default=lambda one: one.to_plotly_json()
        )
        assert begun.pump not in seen
        assert begun.id not in seen
    VISITOR.set(MARIA)
    await ward.drills.cancel(begun.id)
    assert len(injections.injections(LiveScorecard(ward.data).score())[0]) == 1


async def test_the_handover_sheet_does_not_tell_of_a_running_drill(ward):
    begun = await ward.begin()
    of_drill = {"who": begun.by, "pump": begun.pump, "title": "inject on gateway-00"}
    of_a_person = {"who": "paul", "pump": "ITB-000009", "title": "refill on gateway-00"}
    ward.journal(*({"at": ward.clock[0], "kind": "ordered", "text": "x", **one} for one in (of_drill, of_a_person)))
    handovers = Handovers(ward.data, HandoverFiles(ward.data.settings.data))
    assert [line.who for line in handovers.draft(8, "", "otto").actions] == ["paul"]
    VISITOR.set(MARIA)
    await ward.drills.cancel(begun.id)
    assert {line.who for line in handovers.draft(8, "", "otto").actions} == {"paul", begun.by}


async def test_results_are_shown_to_the_person_and_to_admins_alone(ward):
    over = drill_records.plan(
        drill="d", who="maria", now=START, span_min=15, fault="motor_stall", severity=0.9, for_whom="", chance=Random(1)
    )
    known = [changed(over, state="ended", acknowledged_by="otto", alarm_at=1, acknowledged_at=5, pump="ITB-000005")]
    assert [len(drills.results(known, who)) for who in (OTTO, ADA, MARIA, Visitor("vera", "viewer"))] == [1, 1, 0, 0]


def test_the_file_is_bounded_and_private(ward):
    plan = drill_records.plan(
        drill="d", who="maria", now=START, span_min=15, fault="", severity=0.9, for_whom="", chance=Random(1)
    )
    ended = [changed(plan, id=f"e{number}", state="ended") for number in range(drill_records.MAX_KEPT + 7)]
    stored = ward.data.drills.change(lambda _: [changed(plan, id="open"), *ended])
    assert len(stored) == drill_records.MAX_KEPT
    assert stored[0].id == "open"
    path: Path = ward.data.settings.data / "drills.json"
    assert path.stat().st_mode & 0o077 == 0
