"""Alarm events as a stream: what happens arrives, a reconnection misses nothing, a revoked key or sign-out ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fastapi import FastAPI

from broker.store.journal import Journal
from dashboard.access.api_key_file import revoke_key
from dashboard.access.middleware import Access
from dashboard.api import events
from dashboard.api.application import build
from dashboard.data.services import DataService
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS

END_S = 10


def happened(data: Path, *alarms: str) -> None:
    journal = Journal(data)
    rows = [
        {"at": WALL_MS, "time": 1, "kind": "raised", "pump": alarm, "alarm": f"{alarm}/rule", "once": alarm}
        for alarm in alarms
    ]
    journal.append(pl.DataFrame(rows))
    journal.close()


class Stream:
    """A stream of events as its client reads it."""

    def __init__(self, application: Access, token: str, last: int | None = None, *, cookie: str = "") -> None:
        self.parts: asyncio.Queue[str] = asyncio.Queue()
        self.status = 0
        who = (b"cookie", cookie.encode()) if cookie else (b"authorization", f"Bearer {token}".encode())
        raw = [who, (b"host", b"pumpwatch")]
        raw += [] if last is None else [(b"last-event-id", str(last).encode())]
        self.scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "path": "/api/v1/alarms/events",
            "root_path": "",
            "raw_path": b"/api/v1/alarms/events",
            "query_string": b"",
            "headers": raw,
            "scheme": "http",
            "client": ("127.0.0.1", 1),
            "server": ("pumpwatch", 80),
        }
        self.gone = asyncio.Event()
        self.task = asyncio.create_task(application(self.scope, self._receive, self._send))  # type: ignore[arg-type]

    async def _receive(self) -> Any:
        if not hasattr(self, "asked"):
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        for part in message.get("body", b"").decode().split("\n\n"):
            if part:
                self.parts.put_nowait(part)

    async def next(self) -> str:
        async with asyncio.timeout(END_S):
            return await self.parts.get()

    async def close(self) -> None:
        self.gone.set()
        async with asyncio.timeout(END_S):
            await self.task


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "POLL_S", 0.05)


@pytest.fixture
async def open_stream(application: Access) -> AsyncIterator[Callable[..., Stream]]:
    made: list[Stream] = []

    def opened(token: str = "", last: int | None = None, *, cookie: str = "", of: Access = application) -> Stream:
        made.append(Stream(of, token, last, cookie=cookie))
        return made[-1]

    yield opened
    for stream in made:
        await stream.close()


async def test_events_arrive_and_a_reconnection_resumes_after_the_last_one(
    open_stream: Callable[..., Stream], key: Callable[..., str], settings: Settings
) -> None:
    token = key()
    happened(settings.data, "ITB-000001")
    stream = open_stream(token)
    assert "retry" in await stream.next()
    happened(settings.data, "ITB-000002", "ITB-000003")
    first = await stream.next()
    assert "ITB-000002" in first
    assert "event: alarm" in first
    number = int(first.split("\n")[0].removeprefix("id: "))
    await stream.close()
    again = open_stream(token, number)
    await again.next()
    assert "ITB-000003" in await again.next()


async def test_a_stream_ends_within_a_second_of_the_revocation_of_its_key(
    open_stream: Callable[..., Stream], key: Callable[..., str], settings: Settings
) -> None:
    stream = open_stream(key())
    await stream.next()
    revoke_key(settings.data, "viewer")
    began = time.monotonic()
    assert "event: end" in await stream.next()
    assert time.monotonic() - began < 1


async def signed_in(client: httpx.AsyncClient) -> str:
    """Sign in with the shared key; return the cookies as a browser sends them."""
    assert (await client.get("/?key=the-right-key")).status_code in {302, 303}
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


async def test_a_stream_ends_within_a_second_when_its_viewer_signs_out(
    open_stream: Callable[..., Stream], application: Access
) -> None:
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://pumpwatch") as client:
        stream = open_stream(cookie=await signed_in(client))
        assert "retry" in await stream.next()
        began = time.monotonic()
        await client.post("/sign-out", headers={"Origin": "http://pumpwatch"})
        assert "the session ended" in await stream.next()
        assert time.monotonic() - began < 1


async def test_a_stream_ends_when_its_session_has_lasted_as_long_as_sessions_may(
    open_stream: Callable[..., Stream], data: DataService, settings: Settings
) -> None:
    clock = [WALL_MS]
    server = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    server.mount("/api", build(data))
    access = Access(server, settings, "", lambda: clock[0], data.audit)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(access), base_url="http://pumpwatch") as client:
        stream = open_stream(cookie=await signed_in(client), of=access)
    assert "retry" in await stream.next()
    clock[0] += round(settings.session_max_s * 1000) + 1
    assert "the session ended" in await stream.next()


async def test_one_key_has_a_bounded_number_of_streams(
    open_stream: Callable[..., Stream], key: Callable[..., str]
) -> None:
    token = key()
    streams = [open_stream(token) for _ in range(events.MAX_STREAMS_OF_ONE)]
    for stream in streams:
        await stream.next()
    refused = open_stream(token)
    assert "Close one first" in await refused.next()
    assert refused.status == 429
    await streams[0].close()
    freed = open_stream(token)
    await freed.next()
    assert freed.status == 200


async def test_a_silent_stream_shows_that_it_lives(
    open_stream: Callable[..., Stream], key: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.05)
    stream = open_stream(key())
    await stream.next()
    assert await stream.next() == ": heartbeat"
