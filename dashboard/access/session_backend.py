"""Authentication of connections by their sessions, for Starlette's middleware."""

from __future__ import annotations

import logging
from typing import Final

from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError
from starlette.requests import HTTPConnection

from dashboard.access.accounts import RIGHTS, AccessError, Visitor
from dashboard.access.api_keys import ApiKeys, KeyRefusedError
from dashboard.access.feeds import PATH as FEED_PATH
from dashboard.access.problems import is_api
from dashboard.access.sessions import SessionStore

LOG: Final = logging.getLogger("dashboard")
OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""Served to everybody, also while the accounts cannot be read."""
METRICS: Final = "/metrics"
"""Served to whoever is signed in, and to programs with an API key."""

UNREADABLE: Final = (
    "Nobody can sign in: the accounts cannot be read. The dashboard's log, and pumpwatch doctor on its machine, say "
    "why and what to do."
)


class RefusedKeyError(AuthenticationError):
    """A request to the API or the metrics has a key that is not accepted; `kind` names the reason."""

    def __init__(self, error: KeyRefusedError) -> None:
        super().__init__(str(error))
        self.kind = error.kind


class SessionBackend(AuthenticationBackend):
    """Authenticates a connection, for Starlette's `AuthenticationMiddleware`.

    By the session in its cookie; to the API and the metrics, by the key in its header `Authorization` if it has one,
    and then by nothing else.
    """

    def __init__(self, store: SessionStore, keys: ApiKeys) -> None:
        """Use the accounts and sessions of a store, and its API keys."""
        self._store, self._keys = store, keys
        self._logged = ""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Visitor] | None:
        """Return rights and visitor, or None if the connection is not signed in.

        Raises `AuthenticationError` while the accounts cannot be read: then nobody can be authenticated.
        Raises `RefusedKeyError` if there is an API key that is not accepted.
        """
        path, header = conn.scope["path"], conn.headers.get("authorization")
        if is_open(path):
            return None
        try:
            if header is not None and conn.scope["type"] == "http" and (is_api(path) or path == METRICS):
                visitor: Visitor | None = self._keys.visitor(header)
            else:
                visitor = self._store.visitor(self._store.digest_of(conn))
        except KeyRefusedError as error:
            raise RefusedKeyError(error) from error
        except AccessError as error:
            if self._logged != str(error):
                LOG.warning("Requests denied: %s", error)
            self._logged = str(error)
            raise AuthenticationError(UNREADABLE) from error
        self._logged = ""
        return None if visitor is None else (AuthCredentials(sorted(RIGHTS[visitor.role])), visitor)


def is_open(path: str) -> bool:
    """Return whether a path is served to everybody: those of `OPEN_PATHS`, and feeds, which check their own token."""
    return path in OPEN_PATHS or FEED_PATH.fullmatch(path) is not None
