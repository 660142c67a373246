"""Retiring pumps from their pages and reinstating them, and how retired pumps are shown."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import httpx
import polars as pl
import pytest

from broker.contract.actions import Outcome, Reinstate, Retire
from broker.mqtt.address import LinkError
from broker.store.snapshot import RETIRED_SCHEMA, Snapshot
from dashboard.access.accounts import VISITOR, Visitor, add_account
from dashboard.access.middleware import Access
from dashboard.app import assemble
from dashboard.components import retirement_dialog
from dashboard.data import trend_view
from dashboard.pages import pump, pumps

RETIRED_MS = 1_768_221_120_000
"""12 January 2026, 12:32 UTC."""


def retired(serial: str = "OLD-1", **more: Any) -> dict[str, Any]:
    row = {
        "pump": serial, "gateway": "gateway-00", "site": "North", "time": RETIRED_MS - 60_000,
        "retired_wall": RETIRED_MS, "retired_by": "eva", "retired_why": "explanted", **more,
    }  # fmt: skip
    return {**dict.fromkeys(RETIRED_SCHEMA), **row}


def with_retired(snapshot: Snapshot, *rows: dict[str, Any]) -> Snapshot:
    return dataclasses.replace(snapshot, retired=pl.DataFrame(list(rows), RETIRED_SCHEMA))


def text_of(component: Any) -> str:
    return json.dumps(component, ensure_ascii=False, default=lambda part: part.to_plotly_json())


@pytest.mark.parametrize(("role", "may"), [("viewer", False), ("operator", False), ("engineer", True)])
async def test_only_engineers_retire_and_reinstate_whatever_the_browser_sends(
    role: str, may: bool, fleet: Any, data_of: Any, wire: Any
) -> None:
    VISITOR.set(Visitor("eva", role))
    data = data_of(fleet(1))
    answers = [await data.change_monitoring(kind, "ITB-000001", why="x") for kind in ("retire", "reinstate")]
    assert [answer.good for answer in answers] == [may, may]
    if not may:
        refusals = [
            "Not retired: only engineers and admins may do that.",
            "Not reinstated: only engineers and admins may do that.",
        ]
        assert [answer.text for answer in answers] == refusals
    sent = [(type(one), one.pumps, one.who, one.why) for one in wire.actions]
    assert sent == ([(kind, ["ITB-000001"], "eva", "x") for kind in (Retire, Reinstate)] if may else [])


@pytest.mark.parametrize(
    ("role", "text"), [("viewer", "Not retired: only engineers and admins may do that."), ("engineer", "Done.")]
)
async def test_the_server_refuses_the_request_of_a_viewer_who_was_offered_nothing(
    role: str, text: str, fleet: Any, data_of: Any, browser_of: Any
) -> None:
    data = data_of(fleet(1))
    add_account(data.settings.data, "vera", role, "battery staple")
    async with browser_of(Access(assemble(data).server, data.settings, "")) as client:
        await client.post("/sign-in", data={"name": "vera", "password": "battery staple"})
        opened = await post(client, "retirement.data", "")
        answer = await post(client, "retirement-send.n_clicks", "explanted")
    assert opened["retirement-dialog"]["opened"] is True
    assert opened["retirement-pump"]["children"] == "ITB-000001"
    assert answer["notices"]["sendNotifications"][0]["message"] == text
    assert answer["retirement-dialog"]["opened"] is (role == "viewer"), "it stays open while nothing was done"


async def post(client: httpx.AsyncClient, changed: str, reason: str) -> dict[str, Any]:
    """Send the callback of the dialog as a browser does; return the properties that it sets."""
    callbacks = (await client.get("/_dash-dependencies")).json()
    callback = next(one for one in callbacks if "retirement-dialog.opened" in one["output"])
    names = callback["output"][2:-2].split("...")
    values = [{"kind": "retire", "pump": "ITB-000001"}, 1, None]
    body = {
        "output": callback["output"],
        "outputs": [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names],
        "inputs": [{**wire, "value": value} for wire, value in zip(callback["inputs"], values, strict=True)],
        "state": [{**callback["state"][0], "value": reason}],
        "changedPropIds": [changed],
    }
    response = await client.post("/_dash-update-component", json=body)
    return dict(response.json()["response"])


@pytest.mark.parametrize(
    ("why", "text"),
    [
        ("", "Not retired: enter a reason."),
        ("x" * 501, "Not retired: the text has 501 characters; allowed are 500."),
    ],
)
async def test_without_a_reason_that_fits_nothing_is_sent(
    why: str, text: str, fleet: Any, data_of: Any, wire: Any
) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    answer = await data_of(fleet(1)).change_monitoring("retire", "ITB-000001", why=why)
    assert (answer.good, answer.text) == (False, text)
    assert wire.actions == []


async def test_what_the_processor_refuses_and_a_broker_that_is_away_are_told(fleet: Any, data_of: Any) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    refusal = "Retired 0 pumps. Refused: ITB-000001: it sent within the last 8 min; stop it first."

    async def refuse(_url: str, action: Any) -> Outcome:
        return Outcome(id=action.id, done=0, refused=1, text=refusal)

    async def fail(_url: str, _action: Any) -> Outcome:
        raise LinkError("no broker at mqtt://127.0.0.1:1")

    refused = await dataclasses.replace(data_of(fleet(1)), act=refuse).change_monitoring("retire", "I", why="x")
    assert (refused.good, refused.text) == (False, refusal)
    failed = await dataclasses.replace(data_of(fleet(1)), act=fail).change_monitoring("retire", "I", why="x")
    assert (failed.good, failed.text) == (False, "Not retired: no broker at mqtt://127.0.0.1:1.")


@pytest.mark.parametrize(("role", "offered"), [("viewer", False), ("operator", False), ("engineer", True)])
def test_only_engineers_are_offered_it(role: str, offered: bool, fleet: Any) -> None:
    VISITOR.set(Visitor("eva", role))
    snapshot = with_retired(fleet(1), retired())
    assert ("Retire pump…" in text_of(pump.render(snapshot, "ITB-000001")[0])) is offered
    assert ("Reinstate" in text_of(pump.render(snapshot, "OLD-1")[0])) is offered


def test_the_page_of_a_retired_pump_says_since_when_by_whom_and_why(fleet: Any) -> None:
    head, *others = pump.render(with_retired(fleet(1), retired()), "OLD-1")
    text = text_of(head)
    assert "Retired since 12 Jan 2026, 12:32 UTC by eva" in text
    assert '"explanted"' in text
    assert "no alarms, not even for silence" in text
    assert all("Not monitored: retired." in text_of(other) for other in others)


def test_a_pump_that_was_retired_with_its_gateway_is_not_offered_to_be_reinstated_by_itself(fleet: Any) -> None:
    VISITOR.set(Visitor("eva", "engineer"))
    row = retired(retired_wall=None, retired_by=None, retired_why=None)
    text = text_of(pump.render(with_retired(fleet(1), row), "OLD-1")[0])
    assert "Retired with gateway gateway-00, which withdrew its birth" in text
    assert "once its gateway is back" in text
    assert "Reinstate" not in text


def test_the_chart_of_a_retired_pump_offers_its_latest_samples(fleet: Any) -> None:
    view = trend_view.view(with_retired(fleet(1), retired(time=RETIRED_MS - 30 * 86_400_000)), "OLD-1", "6 h", None)
    assert view.newest == RETIRED_MS - 30 * 86_400_000


def test_retired_pumps_are_found_on_the_pumps_page_those_retired_last_first(fleet: Any) -> None:
    snapshot = with_retired(fleet(3), retired(), retired("OLD-2", retired_wall=RETIRED_MS + 1, retired_why="unplugged"))
    hidden, title, table = pumps.retired_pumps(snapshot, "")
    text = text_of(table)
    assert (hidden, title) == (False, "Retired: 2")
    assert text.index("OLD-2") < text.index("OLD-1")
    assert "/pump/OLD-1" in text
    _, title, table = pumps.retired_pumps(snapshot, "unplug")
    assert title == "Retired: 1 of 2"
    assert "OLD-1" not in text_of(table)
    assert pumps.retired_pumps(fleet(3), "")[0] is True


def test_a_long_list_of_retired_pumps_is_cut_with_a_note(fleet: Any) -> None:
    snapshot = with_retired(fleet(1), *(retired(f"OLD-{number:04d}") for number in range(1_234)))
    _, title, table = pumps.retired_pumps(snapshot, "")
    text = text_of(table)
    assert title == "Retired: 1,234"
    assert text.count("/pump/OLD-") == retirement_dialog.MAX_LISTED
    assert "1,134 more pumps not listed; narrow the search." in text


@pytest.mark.parametrize("sent", [None, "x", {}, {"kind": "note", "pump": "A"}])
def test_an_invalid_request_is_not_done(sent: Any) -> None:
    assert retirement_dialog.read(sent) == (None, "")
