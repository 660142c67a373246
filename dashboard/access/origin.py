"""Where a request comes from, for the audit trail."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

UNKNOWN: Final = "unknown"
ORIGIN: Final[ContextVar[str]] = ContextVar("origin", default=UNKNOWN)
"""Address of the visitor; set for each request by the access middleware, from the proxies that are trusted."""


def origin_of(scope: Any) -> str:
    """Return the address of the client of an ASGI request."""
    client = scope.get("client")
    return str(client[0]) if client else UNKNOWN
