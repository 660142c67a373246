"""WebSockets: the server closes them within a second when their session ends, and answers nothing after that."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

import httpx
import pytest

from dashboard.access.account_changes import change, disabled, ended, password, removed, role
from dashboard.access.accounts import VISITOR, accounts_path, add_account
from dashboard.access.middleware import Access
from dashboard.settings import Settings

pytestmark = pytest.mark.usefixtures("cheap_hashes")

FORM: Final = {"name": "maria", "password": "correct horse"}


class Pushing:
    """An application that pushes ten times a second and answers every message with the visitor's role."""

    def __init__(self) -> None:
        self.left: list[int] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"served"})
            return
        await receive()
        await send({"type": "websocket.accept"})
        pushing = asyncio.create_task(self.push(send))
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": f"answer to {VISITOR.get().role}"})
        self.left.append(message["code"])
        pushing.cancel()

    async def push(self, send: Any) -> None:
        while True:
            await send({"type": "websocket.send", "text": "push"})
            await asyncio.sleep(0.1)


class Socket:
    """The browser's end of a WebSocket."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.got: list[Any] = []
        self.closed = asyncio.Event()

    async def send(self, message: Any) -> None:
        assert not self.closed.is_set(), "nothing may be sent after the close"
        self.got.append(message)
        if message["type"] == "websocket.close":
            self.closed.set()


@contextlib.asynccontextmanager
async def open_socket(application: Access, client: httpx.AsyncClient) -> AsyncIterator[Socket]:
    """Open a WebSocket with the cookies of a browser."""
    cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    headers = {"host": "pumpwatch", "origin": "http://pumpwatch", "cookie": cookie}
    scope = {
        "type": "websocket",
        "path": "/_dash-ws-callback",
        "query_string": b"",
        "scheme": "ws",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
    }
    socket = Socket()
    socket.sent.put_nowait({"type": "websocket.connect"})
    serving = asyncio.create_task(application(scope, socket.sent.get, socket.send))
    while not socket.got:
        await asyncio.sleep(0)
    yield socket
    socket.sent.put_nowait({"type": "websocket.disconnect", "code": 1000})
    await asyncio.wait_for(serving, 5)


@pytest.fixture
def data(settings: Settings) -> Any:
    add_account(settings.data, "maria", "engineer", "correct horse")
    return settings.data


CHANGES: Final[dict[str, Callable[[Any], Any]]] = {
    "removed": lambda data: change(data, "maria", removed, at=1),
    "disabled": lambda data: change(data, "maria", disabled(True), at=1),
    "another role": lambda data: change(data, "maria", role("viewer"), at=1),
    "another password": lambda data: change(data, "maria", password("battery staple"), at=1),
    "sessions ended": lambda data: change(data, "maria", ended, at=1),
    "accounts deleted": lambda data: accounts_path(data).unlink(),
}


@pytest.mark.parametrize("made", CHANGES.values(), ids=list(CHANGES))
async def test_a_socket_closes_within_a_second_of_a_change_of_its_account(
    made: Callable[[Any], Any], data: Any, settings: Settings, browser_of: Any
) -> None:
    served = Pushing()
    application = Access(served, settings, "")
    async with browser_of(application) as client:
        await client.post("/sign-in", data=FORM)
        async with open_socket(application, client) as socket:
            await asyncio.to_thread(made, data)
            await asyncio.wait_for(socket.closed.wait(), 1)
    assert socket.got[-1] == {"type": "websocket.close", "code": 4003, "reason": "sign in first"}
    assert served.left == [4003]


async def test_a_socket_closes_at_sign_out_and_that_of_another_browser_stays(
    data: Any, settings: Settings, browser_of: Any
) -> None:
    application = Access(Pushing(), settings, "")
    async with browser_of(application) as client, browser_of(application) as another:
        for browser in (client, another):
            await browser.post("/sign-in", data=FORM)
        async with open_socket(application, client) as socket, open_socket(application, another) as other:
            await client.post("/sign-out")
            await asyncio.wait_for(socket.closed.wait(), 1)
            assert not other.closed.is_set()


async def test_no_callback_runs_between_the_end_of_a_session_and_the_close(
    data: Any, settings: Settings, browser_of: Any
) -> None:
    application = Access(Pushing(), settings, "")
    async with browser_of(application) as client:
        await client.post("/sign-in", data=FORM)
        async with open_socket(application, client) as socket:
            socket.sent.put_nowait({"type": "websocket.receive", "text": "stop all pumps"})
            while {"type": "websocket.send", "text": "answer to engineer"} not in socket.got:
                await asyncio.sleep(0)
            change(data, "maria", role("viewer"), at=1)
            before = len(socket.got)
            socket.sent.put_nowait({"type": "websocket.receive", "text": "stop all pumps"})
            await asyncio.wait_for(socket.closed.wait(), 0.2)
            assert not any("answer" in message.get("text", "") for message in socket.got[before:])
