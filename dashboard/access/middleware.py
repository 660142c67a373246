"""This file stands before everything the dashboard serves: pages, assets, callbacks and WebSockets alike."""

from __future__ import annotations

import asyncio
import hmac
import time
from ipaddress import ip_address
from typing import Final
from urllib.parse import parse_qs, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.access import sign_in_page
from dashboard.access.accounts import VISITOR, AccessError, Visitor, add_account, read_accounts, verify
from dashboard.access.login_throttle import Guesses
from dashboard.access.sessions import SESSION_S, Sessions
from dashboard.settings import Settings

__all__ = ["Access", "AccessError", "Visitor", "add_account", "demand_accounts"]

OPEN_PATHS: Final = frozenset({"/healthz"})
MAX_FORM_BYTES: Final = 4096


def demand_accounts(settings: Settings) -> None:
    """Raise `AccessError` where the dashboard would be reachable from other machines and nobody has an account."""
    if not _loopback(settings.host) and not read_accounts(settings.data):
        raise AccessError(
            f"the dashboard would be open to other machines at {settings.host}, and nobody has an account yet; "
            "add one with: pumpwatch user add NAME --role ROLE  (or serve at 127.0.0.1)"
        )


class Access:
    """An ASGI application around another: lets through who signed in, and puts the security headers on."""

    def __init__(self, app: ASGIApp, settings: Settings, policy: str) -> None:
        """`policy` is the Content-Security-Policy of the pages behind."""
        self._app = app
        self._host = settings.host
        self._policy = policy
        self._sessions = Sessions(settings)
        self._guesses = Guesses()
        self._hashing = asyncio.Semaphore(2)

    def address(self, port: int) -> str:
        """Return the address to open; it bears the key as long as nobody has an account."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{port}/" + ("" if self._sessions.accounts() else f"?key={self._sessions.key}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._http(scope, receive, self._with_headers(send))

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        visitor = self._visitor(headers)
        if visitor is None or not _same_origin(headers):
            await receive()
            await send({"type": "websocket.close", "code": 4003, "reason": "sign in first"})
            return
        VISITOR.set(visitor)
        await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        if request.method not in {"GET", "HEAD"} and not _same_origin(request.headers):
            await PlainTextResponse("This came from another page and is refused.", 403)(scope, receive, send)
            return
        visitor = self._visitor(request.headers)
        answer = await self._door(request, visitor)
        if answer is None and visitor is not None:
            VISITOR.set(visitor)
            await self._app(scope, receive, send)
        elif answer is not None:
            await answer(scope, receive, send)

    async def _door(self, request: Request, visitor: Visitor | None) -> Response | None:
        """Answer what concerns signing in and out, and everybody who is not signed in; None lets through."""
        if request.url.path == "/sign-out" and request.method == "POST":
            gone = RedirectResponse("/", 303)
            gone.delete_cookie(self._sessions.cookie)
            return gone
        if request.url.path == "/sign-in" and request.method == "POST":
            return await self._sign_in(request, await _form(request))
        if request.method == "GET" and "key" in request.query_params and not self._sessions.accounts():
            rest = [(name, value) for name, value in request.query_params.multi_items() if name != "key"]
            target = request.url.path + (f"?{urlencode(rest)}" if rest else "")
            return await self._sign_in(request, {"key": request.query_params["key"], "next": target})
        if visitor is not None:
            return None
        if request.method == "GET" and "text/html" in request.headers.get("accept", "*/*"):
            return self._page(request.url.path, 401)
        return PlainTextResponse("Sign in first.", 401)

    async def _sign_in(self, request: Request, form: dict[str, str]) -> Response:
        address = request.client.host if request.client else "?"
        target = form.get("next", "/")
        wait_s = self._guesses.wait_s(address, time.monotonic())
        if wait_s:
            page = self._page(target, 429, f"Too many wrong tries. Wait {wait_s:.0f} s, then try again.")
            page.headers["Retry-After"] = f"{wait_s:.0f}"
            return page
        name = form.get("name", "")
        if not await self._right(name, form):
            self._guesses.wrong(address, time.monotonic())
            by_name = bool(self._sessions.accounts())
            said = "That name and password do not belong together." if by_name else "That is not the key."
            return self._page(target, 401, said)
        self._guesses.right(address)
        return self._welcome(request, name if self._sessions.accounts() else "", target)

    async def _right(self, name: str, form: dict[str, str]) -> bool:
        accounts = self._sessions.accounts()
        if not accounts:
            return hmac.compare_digest(form.get("key", "").strip().encode(), self._sessions.key.encode())
        async with self._hashing:
            return await asyncio.to_thread(verify, accounts.get(name), form.get("password", ""))

    def _welcome(self, request: Request, name: str, target: str) -> Response:
        safe = target if target.startswith("/") and not target.startswith(("//", "/\\", "/sign-")) else "/"
        answer = RedirectResponse(safe, 303)
        secure = request.url.scheme == "https"
        answer.set_cookie(
            self._sessions.cookie,
            self._sessions.token(name),
            max_age=SESSION_S,
            httponly=True,
            samesite="strict",
            secure=secure,
        )
        return answer

    def _visitor(self, headers: Headers) -> Visitor | None:
        return self._sessions.visitor(cookie_parser(headers.get("cookie", "")).get(self._sessions.cookie, ""))

    def _page(self, target: str, status: int, said: str = "") -> HTMLResponse:
        html = sign_in_page.page(by_name=bool(self._sessions.accounts()), target=target, said=said)
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})

    def _with_headers(self, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = self._policy
                headers["X-Content-Type-Options"] = "nosniff"
                headers["X-Frame-Options"] = "DENY"
                headers["Referrer-Policy"] = "same-origin"
                headers["Cross-Origin-Opener-Policy"] = "same-origin"
                headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
            await send(message)

        return sending


def _loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _same_origin(headers: Headers) -> bool:
    origin, host = headers.get("origin", ""), headers.get("host", "")
    return bool(host) and urlsplit(origin).netloc == host


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
