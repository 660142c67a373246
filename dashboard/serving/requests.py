"""Requests: the outermost application, which refuses strange hosts, large bodies and malformed WebSocket messages."""

from __future__ import annotations

import collections
import contextlib
from typing import Any, Final

import msgspec
from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.access.problems import is_api, problem
from dashboard.serving.counted_log import CountedLog
from dashboard.serving.hosts import Hosts
from dashboard.settings import Settings

DISCONNECT: Final[dict[str, Message]] = {
    "http": {"type": "http.disconnect"},
    "websocket": {"type": "websocket.disconnect", "code": 1006},
}
MALFORMED: Final = 1007
"""Close code of a WebSocket whose client sent what nobody expects (RFC 6455, 7.4.1)."""
FAILED: Final = 1011
HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}


class Limited:
    """Passes requests on to `app` that are for this host, of a permitted size and shape; answers all others itself."""

    def __init__(self, app: ASGIApp, settings: Settings, log: CountedLog) -> None:
        """Protect `app`; `log` counts what is refused."""
        self._app = app
        self._hosts = Hosts(settings)
        self._limits, self._root = settings.limits, settings.public.root
        self._log = log
        self._cookie = f"pumpwatch-{settings.port}"
        self._sockets: collections.Counter[str] = collections.Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif refused := self._hosts.refusal(scope):
            self._log.note("host", f"Request from {_client(scope)} refused: {refused[1]}")
            await self._refuse(scope, receive, send, *refused)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request; its body is counted as it arrives, and never held here."""
        size, started, refused = 0, False, False

        async def refuse() -> None:
            nonlocal refused
            refused = True
            self._log.note("size", f"Request from {_client(scope)} refused: its body is too large")
            if not started:
                text = f"The request body is larger than {self._limits.body:,} bytes."
                await self._refuse(scope, receive, send, 413, text)

        async def counted() -> Message:
            nonlocal size
            message = DISCONNECT["http"] if refused else await receive()
            size += len(message.get("body", b""))
            if size > self._limits.body and not refused:
                await refuse()
            return DISCONNECT["http"] if refused else message

        async def unless_refused(message: Message) -> None:
            nonlocal started
            started = True
            if not refused:
                await send(message)

        # Whatever is no number never gets here: h11 refuses it.
        if int(Headers(scope=scope).get("content-length", "0")) > self._limits.body:
            await refuse()
            return
        try:
            await self._app(scope, counted, unless_refused)
        except Exception:
            if not refused:
                raise

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, of which each session has a bounded number."""
        session = self._session(scope)
        if self._sockets[session] >= self._limits.sockets_per_session:
            text = f"At most {self._limits.sockets_per_session} live connections of one session; close other windows."
            self._log.note("sockets", f"WebSocket from {_client(scope)} refused: {text}")
            await self._refuse(scope, receive, send, 429, text)
            return
        self._sockets[session] += 1
        try:
            await self._checked(scope, receive, send)
        finally:
            self._sockets[session] -= 1
            if not self._sockets[session]:
                del self._sockets[session]

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on well-formed messages; close the WebSocket at the first other one, and if the application fails."""
        closed = False

        async def close(code: int, reason: str) -> None:
            nonlocal closed
            closed = True
            with contextlib.suppress(RuntimeError, OSError):
                await send({"type": "websocket.close", "code": code, "reason": reason})

        async def well_formed() -> Message:
            message = DISCONNECT["websocket"] if closed else await receive()
            if message["type"] == "websocket.receive" and not is_well_formed(message):
                self._log.note("message", f"WebSocket of {_client(scope)} closed: a message of it is malformed")
                await close(MALFORMED, "malformed message")
                return DISCONNECT["websocket"]
            return message

        async def while_open(message: Message) -> None:
            if not closed:
                await send(message)

        try:
            await self._app(scope, well_formed, while_open)
        except Exception as error:  # noqa: BLE001  # one line instead of a traceback for each
            if not closed:
                text = f"WebSocket of {_client(scope)} closed: {type(error).__name__}: {str(error)[:200]}"
                self._log.note("socket", text)
                await close(FAILED, "the message could not be processed")

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, status: int, text: str) -> None:
        if scope["type"] == "http":
            of_api = is_api(scope["path"].removeprefix(self._root))
            answer = problem(status, text, headers=HEADERS) if of_api else PlainTextResponse(text, status, HEADERS)
            await answer(scope, receive, send)
            return
        await receive()
        raw = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "websocket.http.response.start", "status": status, "headers": raw})
        await send({"type": "websocket.http.response.body", "body": text.encode()})

    def _session(self, scope: Scope) -> str:
        """Return what stands for the session; cookies that nobody issued are refused later, and soon."""
        return cookie_parser(Headers(scope=scope).get("cookie", "")).get(self._cookie, "")


def is_well_formed(message: Message) -> bool:
    """Return whether a WebSocket message is a JSON object of the shape that pages send."""
    try:
        content: Any = msgspec.json.decode(message.get("text") or b"")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
    if not isinstance(content, dict) or not isinstance(content.get("type"), str):
        return False
    if not isinstance(content.get("requestId", ""), str) or not isinstance(content.get("rendererId", ""), str):
        return False
    if content["type"] != "callback_request":
        return True
    payload = content.get("payload")
    if not isinstance(payload, dict) or not isinstance(payload.get("output"), str) or "requestId" not in content:
        return False
    # Dash prints a traceback for each callback that fails over a WebSocket. Ours there has no inputs.
    return not any(payload.get(name) for name in ("inputs", "state", "changedPropIds"))


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "a client"
