"""WebSockets of sessions: the server closes each as soon as its session ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CHECK_INTERVAL_S: Final = 0.5
CLOSE_TIMEOUT_S: Final = 1.0
DENIED: Final = 4003
"""Close code of a WebSocket that is not signed in; 4000 to 4999 are for applications (RFC 6455, 7.4.2)."""
REASON: Final = "sign in first"


class Sockets:
    """The open WebSockets by session, and the task that looks for sessions that ended; it runs while there are any."""

    def __init__(self, ended: Callable[[Collection[str]], set[str]]) -> None:
        """`ended` returns those of some sessions, by digest, that are no longer valid."""
        self._ended = ended
        self._open: set[_Socket] = set()
        self._watching: asyncio.Task[None] | None = None

    async def serve(self, app: ASGIApp, session: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket of a session until either side closes it or the session ends."""
        socket = _Socket(session, receive, send, lambda: bool(self._ended([session])))
        self._open.add(socket)
        if self._watching is None or self._watching.done():
            self._watching = asyncio.create_task(self._watch(), name="session watcher")
        try:
            await app(scope, socket.receive, socket.send)
        finally:
            self._open.discard(socket)

    async def _watch(self) -> None:
        while self._open:
            await asyncio.sleep(CHECK_INTERVAL_S)
            ended = self._ended({socket.session for socket in self._open})
            for socket in self._open:
                if socket.session in ended:
                    socket.end()


class _Socket:
    """One WebSocket as its application sees it: the end of the session looks like the browser leaving."""

    def __init__(self, session: str, receive: Receive, send: Send, ended: Callable[[], bool]) -> None:
        self.session = session
        self._receive, self._send, self._ended = receive, send, ended
        self._end: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._closed = False

    def end(self) -> None:
        if not self._end.done():
            self._end.set_result(None)

    async def receive(self) -> Message:
        if not self._end.done():
            next_message: asyncio.Future[Any] = asyncio.ensure_future(self._receive())
            try:
                await asyncio.wait([next_message, self._end], return_when=asyncio.FIRST_COMPLETED)
            finally:
                if not next_message.done():
                    next_message.cancel()
            if not self._end.done():
                message: Message = next_message.result()
                # A callback must not run between the end of a session and the next look of the watcher.
                if message["type"] != "websocket.receive" or not self._ended():
                    return message
                self.end()
        await self._close()
        return {"type": "websocket.disconnect", "code": DENIED, "reason": REASON}

    async def send(self, message: Message) -> None:
        if not self._end.done():
            await self._send(message)

    async def _close(self) -> None:
        if not self._closed:
            self._closed = True
            # A browser that reads nothing must not keep the socket.
            with contextlib.suppress(Exception):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await self._send({"type": "websocket.close", "code": DENIED, "reason": REASON})


async def refuse(_scope: Scope, receive: Receive, send: Send) -> None:
    """Close a WebSocket before it is accepted."""
    await receive()
    await send({"type": "websocket.close", "code": DENIED, "reason": REASON})
