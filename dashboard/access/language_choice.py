"""The viewer's language for each request: chosen by a link that sets a cookie, else what the browser prefers."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.datastructures import Headers, QueryParams
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.access.proxies import local_path, path_of
from dashboard.languages import LANGUAGE, NAMES, language, preferred

PATH: Final = "/language"
COOKIE: Final = "language"
COOKIE_S: Final = 365 * 86_400


class ViewerLanguage:
    """Sets `LANGUAGE` for each request, and answers the links that choose one."""

    def __init__(self, app: ASGIApp) -> None:
        """Serve `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        chosen = _cookie("; ".join(headers.getlist("cookie")))
        LANGUAGE.set(language(chosen if chosen in NAMES else preferred(headers.get("accept-language", ""))))
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        query = QueryParams(scope["query_string"].decode("latin-1"))
        response = RedirectResponse(path_of(local_path(query.get("next", "/"))), 303)
        if (code := query.get("to", "")) in NAMES:
            response.set_cookie(COOKIE, code, COOKIE_S, path=path_of("/"), samesite="lax", httponly=True)
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)


def link(code: str, target: str) -> str:
    """Return the address that chooses a language and goes on to `target`, a path of this site."""
    return path_of(f"{PATH}?{urlencode({'to': code, 'next': target})}")


def _cookie(header: str) -> str:
    # Not http.cookies: it drops the whole header for one cookie that it cannot read, and proxies add their own.
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
