"""A small application behind the listener of the dashboard, and clients that speak to it byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from broker.mqtt.endpoint import listening_socket
from dashboard.serving.connections import Connections
from dashboard.serving.listener import Server, server_config
from dashboard.serving.tls import Certificate
from dashboard.settings import Settings

Reply = tuple[int, str]


@dataclass
class Line:
    """One connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def reply(self) -> Reply:
        """Return status and text of the next response; status 0 if the connection ends without one."""
        try:
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, ""
        length = next(
            (int(line.partition(":")[2]) for line in head.split("\r\n") if "content-length" in line.lower()), 0
        )
        return int(head.split()[1]), (await self.reader.readexactly(length)).decode()

    async def ended(self) -> bool:
        """Wait until the server ends the connection; return whether it sent nothing before."""
        try:
            return await self.reader.read() == b""
        except ConnectionError:
            return True

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class Place:
    """A server that listens: its port, and the clients that connected."""

    port: int
    lines: list[Line] = field(default_factory=list)

    async def connect(self, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> Line:
        name = None if tls is None else "localhost"
        line = Line(*await asyncio.open_connection(host, self.port, ssl=tls, server_hostname=name))
        self.lines.append(line)
        return line

    async def ask(self, host: str = "localhost", *, path: str = "/", tls: ssl.SSLContext | None = None) -> Reply:
        line = await self.connect(tls)
        await line.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        reply = await line.reply()
        line.close()
        return reply


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the size of the body, or with each message of a WebSocket."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        socket = WebSocket(scope, receive, send)
        await socket.accept()
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await socket.send_text(await socket.receive_text())
        return
    size = 0
    async for part in Request(scope, receive).stream():
        size += len(part)
    await PlainTextResponse(f"{size} bytes over {scope['scheme']}")(scope, receive, send)


ServedAs = Callable[..., contextlib.AbstractAsyncContextManager[Place]]


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ServedAs:
    """Return a function that serves `echo`, or another application, with limits and settings of the test."""

    @contextlib.asynccontextmanager
    async def serve(app: Any = echo, *, tls: Certificate | None = None, **changed: Any) -> AsyncIterator[Place]:
        # Every client of a test is on this machine, which is otherwise exempt from the bound per address.
        monkeypatch.setattr(Connections, "_is_exempt", lambda *_: False)
        settings = replace(Settings("mqtt://127.0.0.1:1", tmp_path), **changed)
        listener = listening_socket("127.0.0.1", 0)
        config = server_config(app, settings, tls, time.monotonic)
        config.lifespan = "off"
        server = Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await asyncio.wait_for(server.accepting.wait(), 10)
        place = Place(listener.getsockname()[1])
        try:
            yield place
        finally:
            for line in place.lines:
                line.close()
            server.should_exit = True
            await serving
            listener.close()

    return serve
