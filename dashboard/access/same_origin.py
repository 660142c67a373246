"""Same-origin check of WebSockets and of requests that change something."""

from __future__ import annotations

import logging
from typing import Final

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.access.problems import is_api, problem
from dashboard.access.proxies import HOST
from dashboard.access.sockets import refuse
from dashboard.settings import origin_of

LOG: Final = logging.getLogger("dashboard")
MAX_REFUSED_ORIGINS: Final = 20


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
        api = scope["type"] == "http" and is_api(scope["path"])
        checked = scope.get("method") not in {"GET", "HEAD"} and not (api and not _by_cookie(headers))
        if checked and not self._allowed(headers):
            text = self._refusal(headers)
            refused = problem(403, text, kind="other-site") if api else PlainTextResponse(text, 403)
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


def _by_cookie(headers: Headers) -> bool:
    """Return whether a request to the API may be one that a browser sends by itself, with the cookie of a session.

    One with a header `Authorization` is authenticated by it alone (`SessionBackend`), and no page of another site can
    send that header.
    """
    return "cookie" in headers and "authorization" not in headers
