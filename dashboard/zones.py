"""Time zone of the viewer: the browser names it in a cookie, and texts and charts are written in it."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from broker.display.instants import instant

COOKIE: Final = "zone"
ZONE: Final[ContextVar[tzinfo]] = ContextVar("zone", default=UTC)
"""Set for each request by `ViewerZone`; UTC if the browser names none or one that is not known here."""
_NAME: Final = re.compile(r"[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,3}")
_MINUTE: Final = timedelta(minutes=1)

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


@dataclass(frozen=True)
class ChartZone:
    """Zone of a whole chart: its offset from UTC at the end of the time axis, in ms, and its label.

    One offset for all points: with two, a line would fold back on itself when the clocks are set back.
    """

    offset_ms: int = 0
    label: str = "UTC"


class ViewerZone:
    """ASGI middleware that sets `ZONE` from the cookie of a request."""

    def __init__(self, app: App) -> None:
        """Serve `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one request or WebSocket."""
        cookies = b"; ".join(value for name, value in scope.get("headers", ()) if name == b"cookie")
        ZONE.set(zone(_cookie(cookies.decode("latin-1"))))
        await self._app(scope, receive, send)


def zone(name: str) -> tzinfo:
    """Return a zone by its IANA name, such as "America/New_York"; UTC if there is none of that name."""
    if not _NAME.fullmatch(name):
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # KeyError: not found; OSError: a folder; ValueError: not a zone file
        return UTC


def label(at: datetime) -> str:
    """Return the name of a time's zone by its offset, which is unambiguous: "UTC", "UTC−5", "UTC+5:30"."""
    minutes = round((at.utcoffset() or timedelta()) / _MINUTE)
    hours, rest = divmod(abs(minutes), 60)
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{hours}{f':{rest:02d}' if rest else ''}" if minutes else "UTC"


def chart_zone(end_ms: int) -> ChartZone:
    """Return the viewer's zone for a chart whose time axis ends at `end_ms`."""
    at = instant(end_ms, ZONE.get())
    if at is None:
        return ChartZone()
    return ChartZone(round((at.utcoffset() or timedelta()) / timedelta(milliseconds=1)), label(at))


def _cookie(header: str) -> str:
    # Not http.cookies: it drops the whole header for one cookie that it cannot read, and proxies add their own.
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""
