"""The HTTP API behind its keys: what programs get, change, and are told when something is wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi import FastAPI
from limits import RateLimitItemPerMinute

from broker.mqtt.address import LinkError
from broker.store.history import History
from broker.store.journal_query import Query, entries
from dashboard.access.api_key_file import DAY_MS, revoke_key
from dashboard.access.middleware import Access
from dashboard.api import application as api
from dashboard.app import assemble
from dashboard.data.services import DataService
from dashboard.serving.counted_log import CountedLog
from dashboard.serving.requests import Limited
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS, FleetOf, Wire, make_samples


def is_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert {"type", "title", "detail"} <= problem.keys()
    return problem


async def test_all_pumps_are_read_page_by_page_each_once(client: httpx.AsyncClient) -> None:
    for order in ({}, {"order": "desc"}, {"sort": "battery_v"}, {"sort": "lost", "order": "desc"}):
        found, cursor = [], None
        while True:
            asked = {"limit": 90, **order, **({"cursor": cursor} if cursor else {})}
            page = (await client.get("/pumps", params=asked)).json()
            found += [one["pump"] for one in page["items"]]
            cursor = page["next"]
            if not cursor:
                break
        assert page["total"] == 250
        assert len(found) == len(set(found)) == 250


async def test_a_cursor_from_yesterday_continues_where_its_page_ended(
    client: httpx.AsyncClient, data: DataService, data_of: Callable[..., DataService], fleet: FleetOf
) -> None:
    first = (await client.get("/pumps", params={"limit": 10})).json()
    data_of(fleet(300, version=99, written=WALL_MS + DAY_MS))
    second = (await client.get("/pumps", params={"limit": 10, "cursor": first["next"]})).json()
    assert [one["pump"] for one in second["items"]][:2] == ["ITB-000011", "ITB-000012"]
    assert second["total"] == 300


@pytest.mark.parametrize(
    ("cursor", "asked"), [("nonsense", {}), ("ä", {}), ("e30", {}), (None, {"order": "desc"}), ("x" * 500, {})]
)
async def test_a_cursor_that_does_not_belong_is_a_clear_problem(
    client: httpx.AsyncClient, cursor: str | None, asked: dict[str, str]
) -> None:
    given = cursor or (await client.get("/pumps", params={"limit": 10})).json()["next"]
    is_problem(await client.get("/pumps", params={"cursor": given, **asked}), 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/../nothing", 404),
        ("GET", "/pumps/", 404),
        ("DELETE", "/pumps", 405),
        ("GET", "/pumps?limit=0", 400),
        ("GET", "/pumps?limit=501", 400),
        ("GET", "/pumps?limit=many", 400),
        ("GET", "/pumps?sort=color", 400),
        ("GET", "/pumps?state=tired", 400),
        ("GET", "/pumps/ITB-999999", 404),
        ("GET", "/alarms?priority=4", 400),
        ("GET", "/alarms/history?since=yesterday", 400),
        ("GET", "/alarms/history?since=2026-13-45", 400),
        ("POST", "/alarms/acknowledge", 400),
        ("GET", "/pumps/ITB-000001/signals?from=1926-01-01&to=2026-01-01", 400),
        ("GET", "/pumps/ITB-000001/signals?from=1970-01-01&to=2070-01-01", 400),
        ("GET", "/pumps/ITB-000001/signals?from=2026-01-02&to=2026-01-01", 400),
        ("GET", "/scorecard", 404),
    ],
)
async def test_every_error_has_the_same_form(client: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    answer = await client.request(method, path)
    problem = is_problem(answer, status)
    assert problem["detail"].endswith(".")
    assert status != 405 or answer.headers["allow"] == "GET"


async def test_a_body_that_is_no_json_is_a_clear_problem(client: httpx.AsyncClient) -> None:
    for body in (b"{", b"[]", b'{"alarms": []}', b'{"alarms": [1]}', b"\xff"):
        answer = await client.post("/alarms/acknowledge", content=body, headers={"Content-Type": "application/json"})
        is_problem(answer, 400)


async def test_a_range_of_a_hundred_years_says_what_is_allowed(client: httpx.AsyncClient) -> None:
    asked = {"from": "1970-01-01", "to": "2070-01-01"}
    problem = is_problem(await client.get("/pumps/ITB-000001/signals", params=asked), 400)
    assert "at most 800 are allowed at the resolution hour" in problem["detail"]


async def test_a_misspelled_parameter_is_not_passed_over(client: httpx.AsyncClient) -> None:
    problem = is_problem(await client.get("/pumps", params={"sight": "Thun"}), 400)
    assert problem["detail"].startswith("There is no parameter 'sight'; allowed are ")
    assert "no parameter ''" in is_problem(await client.get("/rules?=1"), 400)["detail"]


async def test_an_address_with_a_line_break_is_a_problem_like_any_other(client: httpx.AsyncClient) -> None:
    assert "line break" in is_problem(await client.get("/pumps/ITB%0A/forecast"), 404)["detail"]


async def test_without_a_key_or_with_a_wrong_one_the_api_says_what_to_send(
    application: Access, key: Callable[..., str], settings: Settings
) -> None:
    expired = key(name="expired", at=WALL_MS - 91 * DAY_MS)
    revoked = key(name="revoked")
    revoke_key(settings.data, "revoked")
    wrong = {
        "unknown-key": ["Bearer pw_" + "x" * 43, f"Bearer {revoked}", "Bearer ", "Bearer pw_ä"],
        "expired-key": [f"Bearer {expired}"],
        "authorization": ["Basic abc", "pw_abc", ""],
    }
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://pumpwatch") as client:
        assert is_problem(await client.get("/api/v1/pumps"), 401)["type"] == "about:blank"
        is_problem(await client.post("/api/v1/alarms/acknowledge", json={"alarms": ["x"]}), 401)
        is_problem(await client.get("/api/docs"), 401)
        is_problem(await client.get("/api/docs.js"), 401)
        is_problem(await client.get("/api"), 401)
        for kind, headers in wrong.items():
            for header in headers:
                asked = {"Authorization": header.encode()}
                answer = await client.get("/api/v1/pumps", headers=asked)
                assert is_problem(answer, 401)["type"].endswith(kind)
                assert "Bearer" in answer.headers["www-authenticate"]


async def test_a_key_opens_nothing_but_the_api(data: DataService, settings: Settings, key: Callable[..., str]) -> None:
    application = Access(assemble(data).server, settings, "", lambda: WALL_MS, data.audit)
    headers = {"Authorization": f"Bearer {key('admin')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://pumpwatch") as client:
        for path in ("/", "/users", "/live", "/_dash-layout", "/apixyz"):
            assert (await client.get(path, headers=headers)).status_code == 401
        assert (await client.get("/api/v1/pumps", headers=headers)).status_code == 200
        is_problem(await client.get("/api/v2/pumps", headers=headers), 404)


async def test_roles_are_checked_and_refusals_are_in_the_audit_trail(
    application: Access, key: Callable[..., str], wire: Wire, settings: Settings
) -> None:
    headers = {"Authorization": f"Bearer {key('viewer')}"}
    body = {"alarms": ["ITB-000001/rule"]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://pumpwatch") as client:
        answer = await client.post("/api/v1/alarms/acknowledge", json=body, headers=headers)
    assert "needs operator, engineer or admin" in is_problem(answer, 403)["detail"]
    assert not wire.actions
    found = entries(settings.data, Query(kinds=("denied",)))
    assert found["who"].to_list() == ["API key viewer"]


async def test_an_action_that_is_sent_twice_is_applied_once(client: httpx.AsyncClient, wire: Wire) -> None:
    body = {"alarms": ["ITB-000001/rule", "ITB-000003/rule", "gone/rule"]}
    named = {"Idempotency-Key": "night-shift-1"}
    first, second = await asyncio.gather(
        *(client.post("/alarms/acknowledge", json=body, headers=named) for _ in range(2))
    )
    assert first.status_code == second.status_code == 200
    assert first.json() == second.json()
    assert [action.who for action in wire.actions] == ["API key engineer"]
    assert wire.actions[0].id == first.json()["id"]
    other = await client.post("/alarms/acknowledge", json={"alarms": ["ITB-000001/rule"]}, headers=named)
    assert is_problem(other, 422)["type"].endswith("reused")


async def test_an_action_that_failed_can_be_sent_again_with_its_key(client: httpx.AsyncClient, wire: Wire) -> None:
    named = {"Idempotency-Key": "night-shift-2"}
    is_problem(await client.post("/alarms/acknowledge", json={"alarms": ["gone/rule"]}, headers=named), 409)
    answer = await client.post("/alarms/acknowledge", json={"alarms": ["ITB-000001/rule"]}, headers=named)
    assert answer.status_code == 200
    assert len(wire.actions) == 1


async def test_shelving_needs_a_reason_and_out_of_service_an_engineer(client: httpx.AsyncClient, wire: Wire) -> None:
    body = {"alarms": ["ITB-000001/rule"], "for_s": 3600}
    is_problem(await client.post("/alarms/shelve", json=body), 400)
    assert (await client.post("/alarms/shelve", json={**body, "why": "waits for a part"})).status_code == 200
    body = {"alarms": ["ITB-000001/rule"], "why": "repair"}
    assert (await client.post("/alarms/out-of-service", json=body)).status_code == 200
    assert [type(action).__name__ for action in wire.actions] == ["Shelve", "OutOfService"]


async def test_injecting_a_fault_reaches_the_gateways_of_the_pumps(client: httpx.AsyncClient, wire: Wire) -> None:
    body = {"fault": "motor_stall", "pumps": ["ITB-000001", "ITB-000002"], "severity": 0.5}
    answer = await client.post("/injections", json=body)
    assert answer.json()["replies"][0]["ok"] is True
    assert [order.command.pumps for order in wire.orders] == [body["pumps"]]
    is_problem(await client.post("/injections", json={**body, "fault": "gremlins"}), 400)
    is_problem(await client.post("/injections", json={**body, "pumps": ["nobody"]}), 404)


async def test_an_unreachable_broker_is_a_problem_of_its_own(
    data: DataService, key: Callable[..., str], served: Callable[[DataService], Access]
) -> None:
    async def away(*_: Any) -> Any:
        raise LinkError("cannot reach mqtt://127.0.0.1:1")

    object.__setattr__(data, "act", away)
    headers = {"Authorization": f"Bearer {key('operator')}"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served(data)), base_url="http://pumpwatch") as client:
        body = {"alarms": ["ITB-000001/rule"]}
        answer = await client.post("/api/v1/alarms/acknowledge", json=body, headers=headers)
    assert is_problem(answer, 502)["type"].endswith("broker-unreachable")


async def test_a_page_may_change_something_only_from_its_own_site(
    application: Access, settings: Settings, wire: Wire
) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://pumpwatch") as client:
        await client.get("/", params={"key": settings.key}, follow_redirects=True)
        assert (await client.get("/api/v1/pumps")).status_code == 200
        assert "GET /api/v1/pumps" in (await client.get("/api/docs")).text
        body = {"alarms": ["ITB-000001/rule"]}
        for headers in ({}, {"Origin": "http://elsewhere"}):
            is_problem(await client.post("/api/v1/alarms/acknowledge", json=body, headers=headers), 403)
        assert not wire.actions
        own = {"Origin": "http://pumpwatch"}
        assert (await client.post("/api/v1/alarms/acknowledge", json=body, headers=own)).status_code == 200
        assert wire.actions[0].who == "shared key"


async def test_what_has_not_changed_is_not_sent_again(client: httpx.AsyncClient, data: DataService) -> None:
    for path in ("/pumps", "/pumps/ITB-000001", "/alarms", "/gateways", "/rules", "/faults", "/openapi.json"):
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), path
    assert (await client.head("/pumps")).status_code == 200


async def test_too_many_requests_are_told_when_to_come_back(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_LIMIT", RateLimitItemPerMinute(3))
    answers = [await client.get("/rules") for _ in range(4)]
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    is_problem(answers[3], 429)
    assert 1 <= int(answers[3].headers["retry-after"]) <= 60


async def test_what_the_listener_refuses_is_a_problem_too(settings: Settings) -> None:
    served = Limited(FastAPI(), settings, CountedLog(lambda: 0.0))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(served), base_url="http://127.0.0.1:8050") as client:
        is_problem(await client.post("/api/v1/injections", content=b"x" * 2_000_000), 413)
        is_problem(await client.get("/api/v1/pumps", headers={"Host": "evil.example"}), 421)
        assert (await client.get("/alarms", headers={"Host": "evil.example"})).headers["content-type"][
            :10
        ] == "text/plain"


async def test_times_of_samples_come_as_json_csv_and_arrow(client: httpx.AsyncClient, data: DataService) -> None:
    History(data.settings.data).append(make_samples("ITB-000001", 300), 1)
    where = "/pumps/ITB-000001/signals"
    items = (await client.get(where)).json()["items"]
    assert len(items) == 300
    csv = await client.get(where, headers={"Accept": "text/csv"})
    assert csv.headers["content-type"] == "text/csv"
    assert pl.read_csv(csv.content).height == 300
    arrow = await client.get(where, params={"format": "arrow"})
    assert pl.read_ipc_stream(arrow.content)["flow_ul_h"].len() == 300
    hours = (await client.get(where, params={"resolution": "hour"})).json()["items"]
    assert sum(one["samples"] for one in hours) == 300
    is_problem(await client.get(where, headers={"Accept": "image/png"}), 406)
