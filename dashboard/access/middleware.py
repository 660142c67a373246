"""Access to everything the dashboard serves: pages, assets, callbacks and WebSockets."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.authentication import AuthenticationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.mqtt.endpoint import host_and_port, is_loopback
from dashboard.access import sign_in_page
from dashboard.access.accounts import VISITOR, AccessError, Visitor, problem, read_accounts
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.cookies import Tickets
from dashboard.access.feeds import FEEDS, Feeds
from dashboard.access.language_choice import ViewerLanguage
from dashboard.access.login_throttle import LoginThrottle
from dashboard.access.openid import RETURN_PATH, START_PATH, OpenIdConnect
from dashboard.access.origin import ORIGIN
from dashboard.access.origin import origin_of as address_of
from dashboard.access.people import PEOPLE, People
from dashboard.access.proxies import HOST, BehindProxy
from dashboard.access.second_factor import UsedCodes
from dashboard.access.session_backend import SessionBackend, is_open
from dashboard.access.sessions import SessionStore
from dashboard.access.sign_in import SignIn
from dashboard.access.sockets import Sockets, refuse
from dashboard.settings import Settings, origin_of

LOG: Final = logging.getLogger("dashboard")
MAX_REFUSED_ORIGINS: Final = 20
LOCAL: Final = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?", re.ASCII | re.IGNORECASE)
HTTPS_ONLY_S: Final = 365 * 24 * 3600
PERMISSIONS: Final = (
    "camera=(), display-capture=(), microphone=(), geolocation=(), accelerometer=(), gyroscope=(), magnetometer=(), "
    "midi=(), payment=(), usb=(), serial=(), hid=(), bluetooth=(), publickey-credentials-get=()"
)
"""Features of browsers that no page uses."""


def demand_accounts(settings: Settings) -> None:
    """Raise `AccessError` if the dashboard would be reachable from other machines and there are no accounts.

    Behind a reverse proxy on this machine the shared key is enough, but the log says so. If there were accounts and
    they cannot be read, the dashboard starts, so that its page says so, and signs nobody in.
    """
    if not settings.openid and (text := problem(settings.data)):
        LOG.error("%s", text)
        return
    if settings.openid or read_accounts(settings.data):
        return
    advice = "pumpwatch user add NAME --role ROLE"
    if not is_loopback(settings.host):
        raise AccessError(
            f"{settings.host} is reachable from other machines and there are no accounts; "
            f"add one with: {advice}  (or serve at 127.0.0.1)"
        )
    if settings.public.url and not is_loopback(urlsplit(settings.public.url).hostname or ""):
        LOG.warning("No accounts: the shared key is all that protects %s; add some: %s", settings.public.url, advice)


class Access:
    """ASGI application that serves another to visitors who are signed in.

    Outermost first: security headers, reverse proxy, same-origin check, authentication, sign-in requirement.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        policy: str,
        now: Callable[[], int] = lambda: time.time_ns() // 10**6,
        trail: AuditTrail | None = None,
    ) -> None:
        """Protect `app`; `policy` is the Content-Security-Policy of its pages, `now` returns wall ms.

        `trail` is that of the pages; without one, this makes its own.
        """
        self._app = app
        self._host = settings.named_host
        self._public = settings.public
        self._store, self._trail = SessionStore(settings, now), trail or AuditTrail(settings.data, now)
        throttle, used = LoginThrottle(), UsedCodes(settings.data)
        tickets, self._feeds = Tickets(self._store.secret), Feeds(settings.data, self._store, now)
        self.openid = (
            OpenIdConnect(settings.openid, settings.public, tickets, self._store.cookies) if settings.openid else None
        )
        sign_in = SignIn(settings, self._store, self._trail, throttle=throttle, used=used, openid=self.openid, now=now)
        people = People(settings.data, self._store, self._trail, throttle=throttle, used=used, now=now)
        required = SignInRequired(app, sign_in, Sockets(self._store.ended), people)
        authenticated = AuthenticationMiddleware(required, SessionBackend(self._store), on_error=_unavailable)
        same_origin = SameOrigin(ViewerLanguage(authenticated), settings.public.origin)
        self._scheme = "http" if settings.tls is None else "https"
        self._protected = SecurityHeaders(BehindProxy(same_origin, settings.public), policy, settings)

    def address(self, port: int) -> str:
        """Return the address to open, with the shared key while there are no accounts."""
        url = self._public.url or f"{self._scheme}://{host_and_port(self._host, port)}{self._public.root}/"
        return url + (f"?key={self._store.key}" if self._store.by_key() else "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] != "lifespan":
            FEEDS.set(self._feeds)
            await self._protected(scope, receive, send)
            return

        async def send_when_written(message: Message) -> None:
            if message["type"] == "lifespan.shutdown.complete":  # what comes after it, the server cancels
                await self._store.close()
                await self._trail.drain()
            await send(message)

        await self._app(scope, receive, send_when_written)


class SignInRequired:
    """Passes requests of signed-in visitors on with `VISITOR` set; answers all others itself."""

    def __init__(self, app: ASGIApp, sign_in: SignIn, sockets: Sockets, people: People) -> None:
        """Protect `app`."""
        self._app = app
        self._people = people
        self._sign_in = sign_in
        self._sockets = sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket; the scope has a user."""
        user = HTTPConnection(scope).user
        ORIGIN.set(address_of(scope))
        if scope["type"] == "websocket":
            if not user.is_authenticated:
                await refuse(scope, receive, send)
                return
            self._let_in(user)
            await self._sockets.serve(self._app, user.session, scope, receive, send)
            return
        response = await self._response(Request(scope, receive))
        if response is None and user.is_authenticated:
            self._let_in(user)
        await (response or self._app)(scope, receive, send)

    def _let_in(self, visitor: Visitor) -> None:
        VISITOR.set(visitor)
        PEOPLE.set(self._people)

    async def _response(self, request: Request) -> Response | None:
        """Return the response to a sign-in, a sign-out or a visitor who is not signed in; None passes on."""
        # The path that is served; `request.url` also depends on the Host header, which the client chooses.
        path = request.scope["path"]
        if is_open(path):
            return None
        if request.method == "POST" and path == "/sign-out":
            return await self._sign_in.sign_out(request)
        if request.method == "POST" and path == "/sign-in":
            return await self._sign_in.post(request)
        if request.method == "GET" and path in (START_PATH, RETURN_PATH):
            signed_in = await self._sign_in.by_provider(request)
        else:
            signed_in = await self._sign_in.by_address(request)
        if signed_in is not None or request.user.is_authenticated:
            return signed_in
        if request.method == "GET" and "text/html" in request.headers.get("accept", "*/*"):
            return self._sign_in.page(path + (f"?{request.url.query}" if request.url.query else ""), 401)
        return PlainTextResponse("Sign in first.", 401)


class SameOrigin:
    """Refuses WebSockets and changing requests that come from a page of another origin.

    Allowed are the origin of the public address and that of the Host header.
    """

    def __init__(self, app: ASGIApp, public_origin: str) -> None:
        """Protect `app`; `public_origin` is empty if there is no public address."""
        self._app = app
        self._public_origin = public_origin
        self._refused: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        response: ASGIApp = self._app
        headers = Headers(scope=scope)
        if scope.get("method") not in {"GET", "HEAD"} and not self._allowed(headers):
            refused = PlainTextResponse(self._refusal(headers), 403)
            response = refuse if scope["type"] == "websocket" else refused
        await response(scope, receive, send)

    def _allowed(self, headers: Headers) -> bool:
        origin, host = origin_of(headers.get("origin", "")), headers.get("host", "")
        if not origin:
            return False
        served = origin_of(f"{origin.partition('://')[0]}://{host}") if HOST.fullmatch(host) else ""
        return origin in {self._public_origin, served}

    def _refusal(self, headers: Headers) -> str:
        """Return why, as text for the page; the log gets it once for each of the first `MAX_REFUSED_ORIGINS`."""
        origin = origin_of(headers.get("origin", ""))
        if not origin:
            return "Requests from other sites are refused."
        text = (
            f"Requests from other sites are refused: this page is at {origin}, the dashboard at "
            f"{self._public_origin or headers.get('host', 'an unknown host')}. "
            f"Behind a reverse proxy, start the dashboard with --public-url {origin}/"
        )
        if origin not in self._refused and len(self._refused) < MAX_REFUSED_ORIGINS:
            self._refused.add(origin)
            LOG.warning("%s", text)
        return text


class SecurityHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp, policy: str, settings: Settings) -> None:
        """Add `policy` as Content-Security-Policy; with TLS, responses tell browsers to use https only."""
        self._app = app
        self._headers = {
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "same-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": PERMISSIONS,
        }
        self._public = settings.public.url.startswith("https:")
        by_https = self._public or settings.tls is not None
        self._https_only = {"Strict-Transport-Security": f"max-age={HTTPS_ONLY_S}"} if by_https else {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        # For localhost it would also hold for every other server of this machine.
        local = not self._public and LOCAL.fullmatch(Headers(scope=scope).get("host", ""))
        headers = self._headers if local else {**self._headers, **self._https_only}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _unavailable(connection: HTTPConnection, error: AuthenticationError) -> Response:
    if "text/html" in connection.headers.get("accept", "*/*"):
        return HTMLResponse(sign_in_page.unavailable(str(error)), 503, headers={"Cache-Control": "no-store"})
    return PlainTextResponse(str(error), 503)
