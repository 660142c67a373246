"""Access: what visitors without sign-in get, and what each role may do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from broker.contract.actions import Acknowledge
from broker.contract.commands import Inject
from broker.store.snapshot import Snapshot
from dashboard.access.accounts import VISITOR, AccessError, Visitor, add_account
from dashboard.access.middleware import Access
from dashboard.app import ServeError, run
from dashboard.data import pump_search
from dashboard.data.services import DataService
from dashboard.settings import Settings

DataOf = Callable[[Snapshot], DataService]
PROTECTED_PATHS = (
    "/",
    "/alarms",
    "/live",
    "/assets/live.js",
    "/_dash-layout",
    "/_dash-dependencies",
    "/docs",
    "/openapi.json",
    "/sign-in",
    "/healthz%3F",
    "/healthz/",
)


@pytest.mark.parametrize("path", PROTECTED_PATHS)
async def test_without_sign_in_nothing_is_served(dashboard: Access, path: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get(path)
    assert answer.status_code == 401
    assert "dash" not in answer.text.lower()
    assert "the-right-key" not in answer.text


@pytest.mark.parametrize("host", ["pumpwatch/healthz?", "pumpwatch/healthz#", "["])
async def test_no_host_header_opens_a_protected_path(dashboard: Access, host: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/_dash-layout", headers={"Host": host})
    assert answer.status_code == 401


async def test_without_sign_in_no_callback_is_answered(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post("/_dash-update-component", json={})
    assert answer.status_code == 401


async def websocket(dashboard: Access, headers: dict[str, str]) -> list[dict[str, Any]]:
    """Open a WebSocket and return the messages of the dashboard."""
    sent: list[dict[str, Any]] = []
    received = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}])

    async def receive() -> Any:
        return next(received)

    async def send(message: Any) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": "/_dash-ws-callback",
        "raw_path": b"/_dash-ws-callback",
        "query_string": b"",
        "root_path": "",
        "scheme": "ws",
        "headers": raw,
        "client": ("127.0.0.1", 1),
        "server": ("pumpwatch", 80),
        "subprotocols": [],
        "state": {},
    }
    await dashboard(scope, receive, send)
    return sent


async def test_the_websocket_opens_only_after_sign_in_and_from_our_own_page(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"Host": "pumpwatch", "Origin": "http://pumpwatch"}
    assert (await websocket(dashboard, headers))[0]["type"] == "websocket.close"
    assert (await websocket(dashboard, {**headers, "Cookie": cookie, "Origin": "http://evil"}))[0][
        "type"
    ] == "websocket.close"
    assert (await websocket(dashboard, {**headers, "Cookie": cookie}))[0]["type"] == "websocket.accept"


async def test_a_post_from_another_page_is_refused(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        answer = await client.post("/_dash-update-component", json={}, headers={"Origin": "http://evil"})
    assert answer.status_code == 403


async def test_the_health_check_is_open_and_reveals_nothing_else(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "OK")


async def test_every_response_has_the_security_headers(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        for answer in (await client.get("/"), await client.get("/?key=the-right-key"), await client.get("/")):
            policy = answer.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in policy
            assert "unsafe-eval" not in policy
            assert "'unsafe-inline'" not in policy.split("style-src")[0]
            assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_visitor_reaches_what_is_served(settings: Settings, browser_of: Any) -> None:
    visitors: list[Visitor] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        visitors.append(VISITOR.get())
        await PlainTextResponse("served")(scope, receive, send)

    add_account(settings.data, "maria", "operator", "correct horse")
    async with browser_of(Access(app, settings, "")) as client:
        await client.get("/healthz")
        await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        await client.get("/")
    assert visitors == [Visitor("", ""), Visitor("maria", "operator")]


@pytest.mark.parametrize(("role", "may"), [("", False), ("viewer", False), ("operator", True), ("engineer", True)])
async def test_staff_and_engineers_acknowledge(role: str, may: bool, fleet: Any, data_of: DataOf, wire: Any) -> None:
    VISITOR.set(Visitor("maria", role))
    answer = await data_of(fleet(1)).acknowledge({"alarms": ["ITB-000001/rule"]})
    assert answer.good is may
    assert answer.text == (
        "Acknowledged 1 alarm." if may else "Not acknowledged: only operators, engineers and admins may do that."
    )
    assert [
        action for action in wire.actions if isinstance(action, Acknowledge) and action.who == "maria"
    ] == wire.actions
    assert bool(wire.actions) is may


@pytest.mark.parametrize(("role", "may"), [("", False), ("viewer", False), ("operator", False), ("engineer", True)])
async def test_only_engineers_inject_faults(role: str, may: bool, fleet: Any, data_of: DataOf, wire: Any) -> None:
    VISITOR.set(Visitor("eva", role))
    data = data_of(fleet(2))
    chosen = pump_search.choose(data.snapshot().table, "1-2").pumps
    replies = await data.inject(chosen, fault="motor_stall", severity=0.5, ramp_s=60, hold_s=None)
    cleared = await data.clear(chosen, None)
    assert [reply.ok for reply in (*replies, *cleared)] == [may, may]
    if may:
        command = wire.orders[0].command
        assert isinstance(command, Inject)
        assert (command.pumps, command.severity, command.who) == (["ITB-000001", "ITB-000002"], 0.5, "eva")
    else:
        assert wire.orders == []


async def test_a_port_in_use_is_reported_with_what_to_do(settings: Settings) -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(ServeError, match="choose another port"):
        await run(replace(settings, port=port), asyncio.Event(), print)
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("host", ["::1", "[::1]"])
async def test_ipv6_loopback_needs_no_accounts_and_serves_its_own_pages(
    host: str, settings: Settings, free_port: int, ipv6: str
) -> None:
    stop, addresses = asyncio.Event(), asyncio.Queue[str]()
    serving = asyncio.create_task(run(replace(settings, host=host, port=free_port), stop, addresses.put_nowait))
    address = await asyncio.wait_for(addresses.get(), 30)
    assert address == f"http://[{ipv6}]:{free_port}/?key=the-right-key"
    async with httpx.AsyncClient(follow_redirects=True) as client:
        assert (await client.get(address)).status_code == 200
        origin = {"Origin": f"http://[{ipv6}]:{free_port}"}
        assert (await client.post(f"{origin['Origin']}/sign-out", headers=origin)).status_code == 401
        assert list(client.cookies) == ["pumpwatch-device-" + str(free_port)]
    stop.set()
    await serving


async def test_all_addresses_of_ipv6_need_accounts(settings: Settings) -> None:
    with pytest.raises(AccessError, match="pumpwatch user add"):
        await run(replace(settings, host="::"), asyncio.Event(), print)
