"""What a page receives over its WebSocket: each new snapshot, and of its lists what it does not have."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import WebSocketDisconnect
from starlette.routing import Match
from starlette.testclient import TestClient, WebSocketTestSession

from broker.store.snapshot import Snapshot
from broker.store.snapshot_files import write
from dashboard.app import assemble
from dashboard.components import push
from dashboard.data.services import DataService
from tests.dashboard.conftest import FleetOf

WORST, ALARMS = "/rows/worst", "/rows/alarms"
PATIENCE_S = 20.0
"""Heartbeats come every two seconds: if there is nothing for this long, nothing will come."""


@pytest.fixture
def data(data_of: Callable[[Snapshot], DataService], fleet: FleetOf) -> DataService:
    found = data_of(fleet(30, alarms=12))
    found.live.refresh()
    return found


@pytest.fixture
def page(data: DataService) -> Iterator[WebSocketTestSession]:
    with TestClient(assemble(data).server) as client, client.websocket_connect(push.PATH) as socket:
        yield socket


def follow(page: WebSocketTestSession, **lists: tuple[int, int]) -> None:
    page.send_json({"type": "follow", "lists": {f"/rows/{name}": known for name, known in lists.items()}})


def text_of(page: WebSocketTestSession) -> str:
    """Return the next message; it fails if none comes, where `receive_text` would wait for ever."""

    async def receive() -> Any:
        async with asyncio.timeout(PATIENCE_S):
            return await page._send_rx.receive()

    message = page.portal.call(receive)
    page._raise_on_close(message)
    return str(message["text"])


def until(page: WebSocketTestSession, wanted: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return the first of the next messages that is the wanted one."""
    message: dict[str, Any]
    for _ in range(15):
        message = json.loads(text_of(page))
        if wanted(message):
            return message
    raise AssertionError("the message did not come")


def rows(page: WebSocketTestSession, path: str = WORST) -> dict[str, Any]:
    """Return the next rows of a list; a message that only says that there are none yet is passed over."""
    message = until(page, lambda message: message.get("rows", {}).get(path, {}).get("rows"))
    found: dict[str, Any] = message["rows"][path]
    return found


def test_a_page_hears_of_the_snapshot_and_of_the_next_one(
    page: WebSocketTestSession, data: DataService, fleet: FleetOf
) -> None:
    first = until(page, lambda message: message.get("newest", {}).get("version") == 1)
    assert (first["newest"]["pumps"], first["beat"]["why"]) == (30, "")
    write(data.settings.snapshots, fleet(31, version=2))
    assert until(page, lambda message: message.get("newest", {}).get("version") == 2)["newest"]["pumps"] == 31


def test_a_list_comes_whole_and_then_only_what_changed(
    page: WebSocketTestSession, data: DataService, fleet: FleetOf
) -> None:
    follow(page, worst=(0, 0))
    assert len(rows(page)["rows"]) == 12
    write(data.settings.snapshots, fleet(30, alarms=13, version=2))
    later = rows(page)
    assert (len(later["rows"]), later["reset"]) == (1, False)


def test_a_page_that_comes_back_gets_what_it_missed(data: DataService, fleet: FleetOf) -> None:
    with TestClient(assemble(data).server) as client:
        with client.websocket_connect(push.PATH) as page:
            follow(page, worst=(0, 0))
            known = rows(page)
        write(data.settings.snapshots, fleet(30, alarms=14, version=2))
        with client.websocket_connect(push.PATH) as page:
            follow(page, worst=(known["run"], known["cursor"]))
            missed = rows(page)
    assert (len(missed["rows"]), missed["reset"]) == (2, False)


def test_a_long_list_comes_in_parts_of_bounded_size(data: DataService, fleet: FleetOf) -> None:
    write(data.settings.snapshots, fleet(3000, alarms=2500, version=2))
    data.live.refresh()
    with TestClient(assemble(data).server) as client, client.websocket_connect(push.PATH) as page:
        follow(page, alarms=(0, 0))
        parts = [len(rows(page, ALARMS)["rows"]) for _ in range(3)]
    assert parts == [1000, 1000, 500]


def test_only_lists_on_the_screen_are_sent(page: WebSocketTestSession, data: DataService, fleet: FleetOf) -> None:
    follow(page, worst=(0, 0), nonsense=(0, 0))
    rows(page)
    follow(page)
    write(data.settings.snapshots, fleet(30, alarms=13, version=2))
    message = until(page, lambda message: message.get("newest", {}).get("version") == 2)
    assert "rows" not in message


@pytest.mark.parametrize(
    "said",
    [
        '{"type": "follow"}',
        '{"type": "follow", "lists": {"/rows/worst": "all"}}',
        '{"type": "follow", "lists": {"/rows/worst": [1, 2, 3]}}',
        '{"type": "else"}',
    ],
)
def test_what_no_page_says_ends_the_connection(page: WebSocketTestSession, said: str) -> None:
    page.send_text(said)
    with pytest.raises(WebSocketDisconnect) as left:
        until(page, lambda _: False)
    assert left.value.code == push.UNREADABLE


async def test_a_page_that_leaves_while_it_is_sent_something_is_no_error(data: DataService) -> None:
    """Its last message, that it follows nothing any more, comes while the server finds out that it has left."""
    come, sending = [{"type": "websocket.connect"}], asyncio.Event()
    come += [{"type": "websocket.receive", "text": '{"type": "follow", "lists": {}}'}]

    async def receive() -> Any:
        if len(come) == 1:
            await sending.wait()
        return come.pop(0) if come else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.send":
            sending.set()
            await asyncio.sleep(0.02)
            raise OSError("the browser has left")

    scope: dict[str, Any] = {"type": "websocket", "path": push.PATH, "headers": [], "query_string": b""}
    routes = (route for route in assemble(data).server.routes if route.matches(scope)[0] is Match.FULL)
    route = next(routes)
    async with asyncio.timeout(PATIENCE_S):
        await route.handle({**scope, **route.matches(scope)[1]}, receive, send)


async def test_what_many_pages_lack_is_made_once(data: DataService) -> None:
    made = []

    def changes(run: int, cursor: int) -> dict[str, Any]:
        made.append((run, cursor))
        nothing: dict[str, Any] = {"reset": False, "more": False, "rows": [], "changed": [], "gone": [], "left_out": 0}
        return {"run": run, "cursor": cursor, **nothing}

    messages = push.Messages(data.live, {WORST: changes})
    for _ in range(20):
        await messages.changes(WORST, 7, 3)
    assert made == [(7, 3)]
    await messages.changes(WORST, 7, push.MAX_CURSOR + 1)
    assert made[-1] == (0, 0), "a cursor that no list has stands for nothing known"
