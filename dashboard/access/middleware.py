"""Access to everything the dashboard serves: pages, assets, callbacks and WebSockets."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from starlette.authentication import AuthenticationError
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.mqtt.endpoint import host_and_port, is_loopback
from dashboard.access import sign_in_page
from dashboard.access.accounts import VISITOR, AccessError, Visitor, problem, read_accounts
from dashboard.access.api_keys import KEYS, ApiKeys
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.cookies import Tickets
from dashboard.access.feeds import FEEDS, Feeds
from dashboard.access.language_choice import ViewerLanguage
from dashboard.access.login_throttle import LoginThrottle
from dashboard.access.openid import RETURN_PATH, START_PATH, OpenIdConnect
from dashboard.access.origin import ORIGIN
from dashboard.access.origin import origin_of as address_of
from dashboard.access.people import PEOPLE, People
from dashboard.access.problems import is_api, unauthorized
from dashboard.access.problems import problem as problem_of
from dashboard.access.proxies import BehindProxy
from dashboard.access.same_origin import SameOrigin
from dashboard.access.second_factor import UsedCodes
from dashboard.access.security_headers import SecurityHeaders
from dashboard.access.session_backend import RefusedKeyError, SessionBackend, is_open
from dashboard.access.sessions import SessionStore
from dashboard.access.sign_in import SignIn
from dashboard.access.sockets import Sockets, refuse
from dashboard.settings import Settings

LOG: Final = logging.getLogger("dashboard")
CREDENTIALS: Final = "Send an API key as: Authorization: Bearer pw_…, or sign in to the dashboard in the same browser."


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
        self._keys = ApiKeys(settings.data, self._store, self._trail, now)
        required = SignInRequired(app, sign_in, Sockets(self._store.ended), people, self._keys)
        backend = SessionBackend(self._store, self._keys)
        authenticated = AuthenticationMiddleware(required, backend, on_error=_unauthenticated)
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
                await self._keys.close()
                await self._trail.drain()
            await send(message)

        await self._app(scope, receive, send_when_written)


class SignInRequired:
    """Passes requests of signed-in visitors on with `VISITOR` set; answers all others itself."""

    def __init__(self, app: ASGIApp, sign_in: SignIn, sockets: Sockets, people: People, keys: ApiKeys) -> None:
        """Protect `app`."""
        self._app = app
        self._people, self._keys = people, keys
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
        if is_api(scope["path"]):
            response = _no_address(scope["path"]) if user.is_authenticated else unauthorized(CREDENTIALS)
        else:
            response = await self._response(Request(scope, receive))
        if response is None and user.is_authenticated:
            self._let_in(user)
        await (response or self._app)(scope, receive, send)

    def _let_in(self, visitor: Visitor) -> None:
        VISITOR.set(visitor)
        PEOPLE.set(self._people)
        KEYS.set(self._keys)

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


def _no_address(path: str) -> Response | None:
    """Return the problem of a path with a line break, which a mounted application is not asked for; None otherwise."""
    if "\n" not in path:
        return None
    return problem_of(404, "There is no such address: it has a line break; the routes are at /api/v1/openapi.json.")


def _unauthenticated(connection: HTTPConnection, error: AuthenticationError) -> Response:
    if isinstance(error, RefusedKeyError):
        return unauthorized(str(error), kind=error.kind)
    if is_api(connection.scope["path"]):
        return problem_of(503, str(error), kind="accounts-unreadable")
    if "text/html" in connection.headers.get("accept", "*/*"):
        return HTMLResponse(sign_in_page.unavailable(str(error)), 503, headers={"Cache-Control": "no-store"})
    return PlainTextResponse(str(error), 503)
