"""Taking alarms out of service from the pages, and how that is shown."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import polars as pl
import pytest

from broker.contract.actions import PutBack, TakeOut
from broker.store.snapshot import ORDERS_SCHEMA
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import out_of_service_dialog
from dashboard.data import queries
from dashboard.pages import alarms, pump


def ordered(pump_serial: str | None = "ITB-000001", **more: Any) -> pl.DataFrame:
    row = {
        "subject": pump_serial or "system: storage",
        "subject_kind": "pump" if pump_serial else "system", "pump": pump_serial, "title": "All its alarms",
        "left_s": 7200.0, "out_wall": 1_768_221_120_000, "out_by": "eva", "out_why": "new gateway", **more,
    }  # fmt: skip
    return pl.DataFrame([{**dict.fromkeys(ORDERS_SCHEMA), **row}], ORDERS_SCHEMA)


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("operator", False), ("engineer", True)])
async def test_only_engineers_take_a_pump_out(role: str, may: bool, fleet: Any, data_of: Any, wire: Any) -> None:
    VISITOR.set(Visitor("eva", role))
    answer = await data_of(fleet(1)).change_service(
        "take_out", "ITB-000001", rule=None, why="new gateway", for_s=3600.0
    )
    assert answer.good is may
    assert may or answer.text == "Not done: only engineers and admins may do that."
    sent = [(type(one), one.subjects, one.rule, one.who, one.why, one.for_s) for one in wire.actions]
    assert sent == ([(TakeOut, ["ITB-000001"], None, "eva", "new gateway", 3600.0)] if may else [])


async def test_a_return_to_service_names_its_rule(fleet: Any, data_of: Any, wire: Any) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    await data_of(fleet(1)).change_service("put_back", "ITB-000001", rule="motor_stall", why="", for_s=None)
    assert [(type(one), one.rule) for one in wire.actions] == [(PutBack, "motor_stall")]


def test_a_pump_shows_what_of_it_is_out_of_service_until_when_by_whom_and_why(fleet: Any) -> None:
    snapshot = dataclasses.replace(fleet(3), orders=pl.concat([ordered(), ordered(None)]))
    row = queries.pump_row(snapshot, "ITB-000001")
    assert row is not None
    assert queries.orders_of(snapshot, row).height == 1
    text = json.dumps(pump.render(snapshot, "ITB-000001")[0], default=lambda part: part.to_plotly_json())
    assert "2 h left, by eva since 12 Jan 2026, 12:32 UTC: new gateway" in text


def test_the_alarms_page_lists_it_with_a_way_back_and_is_silent_where_nothing_is_out() -> None:
    text = json.dumps(alarms.out_of_service(ordered(None, left_s=None)), default=lambda part: part.to_plotly_json())
    assert "system: storage" in text
    assert "until returned to service" in text
    assert "Return to service" in text
    assert alarms.out_of_service(ordered().clear()) is None


@pytest.mark.parametrize("sent", [None, "x", {}, {"kind": "note", "subject": "A"}])
def test_an_invalid_request_is_not_done(sent: Any) -> None:
    assert out_of_service_dialog.read(sent) == (None, "", None)


def test_all_alarms_or_those_of_one_rule_can_be_chosen_by_title() -> None:
    offered = out_of_service_dialog.choices({"motor_stall": "Motor stall", "battery_end": "Battery depleted"})
    assert [one["label"] for one in offered] == ["All alarms", "Battery depleted", "Motor stall"]
