"""Alarm actions from the pages: who may act, on which alarms, and what the pages show of it."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from broker.contract.actions import MAX_WHY, OutOfService, Shelve
from broker.store.journal import EVENTS_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, Snapshot
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import alarm_action_dialog, elements, event_log
from dashboard.data import alarm_actions, queries
from dashboard.data.alarm_actions import ALARM_ACTIONS
from dashboard.data.fleet_index import facts_index
from dashboard.pages import alarms as page

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
    assert alarm_actions.offered(name, listed(*STATES)) == [f"{state}/rule/1" for state in states]


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


def test_only_what_is_still_in_the_list_is_acted_on(fleet: Any) -> None:
    snapshot = fleet_of(listed(*STATES), fleet)
    ticked = [f"{state}/rule/1" for state in STATES] + ["gone/rule/1"]
    assert page.selected(snapshot, ticked, "waiting", "")["state"].to_list() == ["unacknowledged", "returned"]
    assert page.selected(snapshot, ticked, "aside", "")["state"].to_list() == ["shelved", "out_of_service"]
    assert page.selected(snapshot, ticked, "all", "latch")["state"].to_list() == ["latched"]
    for nonsense in (None, "x", {"a": 1}):
        assert page.selected(snapshot, nonsense, None, None).is_empty()


def test_shelved_and_out_of_service_alarms_are_listed_apart_and_are_not_waiting(fleet: Any) -> None:
    snapshot = fleet_of(listed(*STATES), fleet)
    assert [row["state"] for row in page.open_alarms(snapshot, "all", "")[0]] == [
        *STATES[:2],
        "latched",
        "acknowledged",
    ]
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
    assert page.open_alarms(snapshot, "all", "")[0][0]["subject"] == "gateway-07"


def test_the_dialog_offers_no_longer_time_than_the_priority_allows() -> None:
    _, title, what, asks, _, times, chosen, style, _ = alarm_action_dialog.opened("shelve", listed("unacknowledged"))
    assert (title, what, asks) == ("Shelve", "1 alarm: unacknowledged", "Reason (required)")
    assert [one["value"] for one in times] == ["0.5", "1", "4"]
    assert (chosen, style["display"]) == ("1", "block")
    assert alarm_action_dialog.opened("note", listed("unacknowledged"))[7]["display"] == "none"
    assert [one["value"] for one in alarm_action_dialog.opened("shelve", listed("latched", priority=3))[5]][-1] == "72"


@pytest.mark.parametrize("sent", [None, {}, {"kind": "delete", "alarms": []}, {"kind": "note"}, "note"])
def test_an_invalid_action_is_not_done(sent: Any) -> None:
    assert alarm_action_dialog.read(sent) == (None, [])


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


def test_every_action_is_a_message_on_the_wire() -> None:
    from broker.contract.actions import make_action

    for name in ALARM_ACTIONS:
        made = make_action(
            name, "1", alarms=["a"], who="x", at=1_767_225_600_000, why="y", for_s=60.0 if name == "shelve" else None
        )
        assert made.__struct_config__.tag == name
