"""Cookies and signed texts that browsers keep for the server: attributes, signatures, and which devices are known."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from itsdangerous import BadData, URLSafeTimedSerializer
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from dashboard.settings import Settings

DEVICE_S: Final = 400 * 24 * 3600
"""How long a browser stays known; browsers keep no cookie longer."""
MAX_NAMES: Final = 8
"""Accounts that one browser is known for, such as those who share the computer of a ward."""


@dataclass(frozen=True)
class Tickets:
    """Texts signed with the secret of the server; each is for one purpose, and for a limited time."""

    secret: str

    def seal(self, purpose: str, content: dict[str, Any]) -> str:
        """Return the content as signed text, which its holder can read."""
        return self._serializer(purpose).dumps(content)

    def content(self, purpose: str, text: str, max_age_s: int) -> dict[str, Any]:
        """Return the content of a signed text; empty if it is forged, too old or for another purpose."""
        try:
            content = self._serializer(purpose).loads(text, max_age=max_age_s)
        except BadData:
            return {}
        return content if isinstance(content, dict) else {}

    def _serializer(self, purpose: str) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(self.secret, salt=purpose)


class Cookies:
    """Sets and removes the cookies of one dashboard; each installation on a host has its own, named by its port."""

    def __init__(self, settings: Settings) -> None:
        """Use the path and scheme of the public address."""
        self._suffix = f"-{settings.port}"
        self._https, self._path = settings.public.url.startswith("https:"), settings.public.root or "/"

    def get(self, connection: HTTPConnection, name: str) -> str:
        """Return the value of a cookie, empty if the browser sent none."""
        return connection.cookies.get(name + self._suffix, "")

    def put(self, request: Request, response: Response, name: str, value: str, max_age_s: int) -> None:
        """Set a cookie that scripts cannot read, and that goes over https only if the request came by https.

        Lax sends it with links from mail and chat; nothing changes by GET, and `SameOrigin` refuses everything else.
        """
        response.set_cookie(
            name + self._suffix,
            value,
            max_age=max_age_s,
            path=self._path,
            secure=self._https or request.scope.get("scheme") == "https",
            httponly=True,
            samesite="lax",
        )

    def remove(self, response: Response, name: str) -> None:
        """Remove a cookie."""
        response.delete_cookie(name + self._suffix, path=self._path, httponly=True, samesite="lax")


class Devices:
    """Which browsers an account has signed in from: a signed cookie, as OWASP describes against lock-outs.

    https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies
    """

    _COOKIE: Final = "pumpwatch-device"

    def __init__(self, tickets: Tickets, cookies: Cookies) -> None:
        """Sign with the secret of the tickets."""
        self._tickets, self._cookies = tickets, cookies

    def known(self, request: Request, name: str) -> str:
        """Return the id of the browser if this account has signed in from it, else an empty string."""
        return self._names(request).get(name, "")

    def remember(self, request: Request, response: Response, name: str) -> None:
        """Remember that an account has signed in from the browser."""
        names = self._names(request)
        device = names.pop(name, "") or secrets.token_urlsafe(12)
        kept = dict([*names.items()][-(MAX_NAMES - 1) :])
        text = self._tickets.seal(self._COOKIE, {"names": {**kept, name: device}})
        self._cookies.put(request, response, self._COOKIE, text, DEVICE_S)

    def _names(self, request: Request) -> dict[str, str]:
        content = self._tickets.content(self._COOKIE, self._cookies.get(request, self._COOKIE), DEVICE_S)
        return dict(content.get("names", {}))
