"""Alarm actions from the pages: who may act, on which alarms, and what the pages show of it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from broker.contract.actions import MAX_WHY, OutOfService, Shelve
from broker.store.journal import EVENTS_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import alarm_action_dialog, alarm_filters, elements, event_log
from dashboard.data import alarm_actions, queries
from dashboard.data.alarm_actions import ALARM_ACTIONS
from dashboard.data.alarm_rows import FIELDS, AlarmRows
from dashboard.data.fleet_index import facts_index

STATES = ("unacknowledged", "returned", "acknowledged", "latched", "shelved", "out_of_service")


def listed(*states: str, **more: Any) -> pl.DataFrame:
    rows = [
        {**dict.fromkeys(ALARMS_SCHEMA), "alarm": f"{state}/rule/1", "subject": state, "pump": state, "state": state,
         "priority": 1, "age_s": 60.0, "held": 0, "rule": "rule", "title": "Low", **more}
        for state in states
    ]  # fmt: skip
    return pl.DataFrame(rows, ALARMS_SCHEMA)


def fleet_of(alarms: pl.DataFrame, fleet: Any) -> Snapshot:
    some = fleet(1)
    return Snapshot.of(some.pumps, alarms, some.gateways, some.health)


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("acknowledge", STATES[:2]),
        ("unacknowledge", ("acknowledged", "latched")),
        ("shelve", STATES[:5]),
        ("unshelve", ("shelved",)),
        ("reset", ("latched",)),
        ("out_of_service", STATES[:5]),
        ("in_service", ("out_of_service",)),
        ("note", STATES),
    ],
)
def test_what_can_be_done_depends_on_the_state(name: str, states: tuple[str, ...]) -> None:
    assert [state for state in STATES if state in ALARM_ACTIONS[name].states] == list(states)


@pytest.mark.parametrize(("role", "may"), [("", False), ("viewer", False), ("operator", True), ("engineer", True)])
async def test_staff_shelve_with_a_reason_and_a_time(role: str, may: bool, fleet: Any, data_of: Any, wire: Any) -> None:
    VISITOR.set(Visitor("maria", role))
    wire.participle = "Shelved"
    answer = await data_of(fleet(1)).apply("shelve", ["ITB-000001/rule"], why="known", for_s=7200.0)
    assert answer.good is may
    assert answer.text == (
        "Shelved 1 alarm." if may else "Not shelved: only operators, engineers and admins may do that."
    )
    sent = [(type(one), one.who, one.why, one.for_s) for one in wire.actions]
    assert sent == ([(Shelve, "maria", "known", 7200.0)] if may else [])


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("operator", False), ("engineer", True)])
async def test_only_engineers_take_out_of_service(role: str, may: bool, fleet: Any, data_of: Any, wire: Any) -> None:
    VISITOR.set(Visitor("eva", role))
    answer = await data_of(fleet(1)).apply("out_of_service", ["ITB-000001/rule"], why="sensor")
    assert answer.good is may
    assert [type(one) for one in wire.actions] == ([OutOfService] if may else [])
    assert may or answer.text == "Not taken out of service: only engineers and admins may do that."


async def test_a_text_that_is_too_long_is_refused_before_it_travels(fleet: Any, data_of: Any, wire: Any) -> None:
    VISITOR.set(Visitor("maria", "operator"))
    answer = await data_of(fleet(1)).apply("note", ["ITB-000001/rule"], why="x" * (MAX_WHY + 1))
    assert answer.text == "Not noted: the text has 501 characters; allowed are 500."
    assert wire.actions == []


def rows_of(snapshot: Snapshot) -> list[dict[str, Any]]:
    rows = AlarmRows(1)
    rows.follow(snapshot)
    return [dict(zip(("number", *FIELDS), row, strict=True)) for row in rows.answer(rows.alarms, 0, 0)["rows"]]


def test_every_open_alarm_is_in_one_of_the_filters_and_those_set_aside_are_not_waiting(fleet: Any) -> None:
    snapshot = fleet_of(listed(*STATES), fleet)
    assert [row["state"] for row in rows_of(snapshot)] == [*STATES[:2], "latched", "acknowledged", *STATES[4:]]
    shown, aside = (alarm_filters.FILTERS[name][1] for name in ("all", "aside"))
    assert sorted((*shown, *aside)) == sorted(STATES)
    summary = queries.summary(snapshot)
    assert (summary["waiting"], summary["shelved"]) == (2, 2)
    assert set(queries.worst(snapshot.alarms, facts_index(snapshot.table.facts).gateways)["state"]) == set(STATES[:4])


def test_an_alarm_of_a_gateway_is_counted_and_named_though_it_is_no_pumps(fleet: Any) -> None:
    alarms = listed(
        "unacknowledged", pump=None, subject="gateway-07", subject_kind="gateway", gateway="gateway-07", held=12
    )
    snapshot = fleet_of(alarms, fleet)
    found, before = queries.summary(snapshot), queries.summary(fleet(1))
    assert (found["others"], found["high"], found["worst"]) == (1, before["high"], 1)
    assert elements.subject(alarms.row(0, named=True)).children == "gateway-07"
    row = rows_of(snapshot)[0]
    assert (row["subject"], row["kind"], row["held"]) == ("gateway-07", "gateway", 12)


def test_the_dialog_knows_what_each_action_asks_and_how_long_each_priority_may_be_shelved() -> None:
    spec = alarm_action_dialog.spec()
    assert spec["actions"]["shelve"] == {
        "label": "Shelve…", "prompt": "Reason (required)", "states": STATES[:1] + STATES[1:2] + ("acknowledged",
        "latched", "shelved"), "word": "shelving…",
    }  # fmt: skip
    assert not spec["actions"]["acknowledge"]["prompt"]
    longest = {
        code: max(t["value"] for t in spec["times"] if float(t["value"]) <= spec["longest"][code]) for code in (1, 3)
    }
    assert (spec["longest"][1], spec["longest"][3], longest[1]) == (4.0, 72.0, "4")


@pytest.mark.parametrize("sent", [None, {}, {"kind": "delete", "alarms": []}, {"kind": "note"}, "note"])
async def test_an_invalid_action_is_not_done(sent: Any, fleet: Any, data_of: Any) -> None:
    assert alarm_action_dialog.read(sent) == (None, [], "")
    assert await alarm_action_dialog.done(data_of(fleet(1)), sent) is None


async def test_a_group_is_shelved_as_one_action_with_its_reason(fleet: Any, data_of: Any, wire: Any) -> None:
    VISITOR.set(Visitor("maria", "operator"))
    wire.participle = "Shelved"
    order = {"kind": "shelve", "alarms": [f"a{number}" for number in range(312)], "why": " known ", "hours": "1"}
    answer = await alarm_action_dialog.done(data_of(fleet(1)), order)
    assert answer == {"alarms": order["alarms"], "good": True, "text": "Shelved 312 alarms."}
    assert [(len(one.alarms), one.why, one.for_s) for one in wire.actions] == [(312, "known", 3600.0)]


async def test_more_alarms_than_one_action_may_have_are_refused_with_the_number(
    fleet: Any, data_of: Any, wire: Any
) -> None:
    order = {"kind": "acknowledge", "alarms": ["a"] * 5001}
    answer = await alarm_action_dialog.done(data_of(fleet(1)), order)
    assert answer is not None
    assert answer["text"] == ("Not acknowledged: 5,001 alarms are selected; allowed at once are 5,000. Select fewer.")
    assert wire.actions == []


def test_who_did_what_when_stands_on_the_alarm() -> None:
    row = listed(
        "shelved", acknowledged_by="anna", acknowledged_wall=1_768_221_120_000, shelved_by="ben", shelved_left_s=2400.0,
        shelved_wall=1_768_221_121_000, shelved_why="known", note_by="cleo", note_wall=1_768_221_122_000, note="called",
    ).row(0, named=True)  # fmt: skip
    assert alarm_actions.audit_trail(row) == [
        "acknowledged by anna at 12:32:00 UTC",
        "shelved by ben at 12:32:01 UTC, 40 min left: known",
        "note by cleo at 12:32:02 UTC: called",
    ]
    assert alarm_actions.audit_trail({**row, "acknowledged_wall": None})[0] == "acknowledged by anna earlier"


def test_a_suppression_at_the_moment_of_raising_is_shown_once() -> None:
    about = {"pump": "A", "title": "Low", "alarm": "A/low/1", "priority": 1, "at": 1}
    rows = [{**dict.fromkeys(EVENTS_SCHEMA), **about, "kind": kind, "time": time}
            for time, kind in ((9, "released"), (7, "held"), (5, "held"), (5, "raised"))]  # fmt: skip
    lines = event_log.history(pl.DataFrame(rows, EVENTS_SCHEMA)).children
    events = [line.children[0].children[2].children for line in lines]
    assert events == ["no longer suppressed", "suppressed", "raised"]


def test_suppressed_alarms_of_a_flood_are_one_line_of_the_event_log() -> None:
    about = {"title": "No samples", "priority": 2, "rule": "silent", "text": "suppressed by: Gateway silent"}
    held = [{**dict.fromkeys(EVENTS_SCHEMA), **about, "kind": "held", "alarm": f"{n}/silent", "at": 60_000 + n,
             "time": n, "cause": "gateway_silent"} for n in range(312)]  # fmt: skip
    raised = {**dict.fromkeys(EVENTS_SCHEMA), **about, "kind": "raised", "title": "Motor stall", "at": 1, "time": 1,
              "alarm": "A/stall", "subject": "A", "text": "2 turns"}  # fmt: skip
    lines = event_log.condensed(pl.DataFrame([*held[::-1], raised], EVENTS_SCHEMA), 30)
    assert lines.select("many", "title").rows() == [(312, "No samples"), (1, "Motor stall")]
    shown = str(event_log.table(lines))
    assert "312 alarms" in shown
    assert "suppressed by: Gateway silent" in shown
    assert "Motor stall" in shown


def test_every_action_is_a_message_on_the_wire() -> None:
    from broker.contract.actions import make_action

    for name in ALARM_ACTIONS:
        made = make_action(
            name, "1", alarms=["a"], who="x", at=1_767_225_600_000, why="y", for_s=60.0 if name == "shelve" else None
        )
        assert made.__struct_config__.tag == name
