"""Sessions: Starlette's signed cookies, and the check that the credential they were issued for is still valid."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from pathlib import Path
from typing import Any, Final

from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from broker.store import secret_files
from dashboard.access.accounts import (
    FILE,
    RIGHTS,
    AccessError,
    Account,
    Visitor,
    accounts_path,
    missing,
    read_accounts,
    required,
)
from dashboard.settings import Public, Settings

LOG: Final = logging.getLogger("dashboard")
SIGNING_FILE: Final = "dashboard.secret"
SESSION_S: Final = 30 * 24 * 3600
"""Wall displays stay signed in for a month."""
OPEN_PATHS: Final = frozenset({"/healthz"})
"""Served to everybody, also while the accounts cannot be read."""
UNREADABLE: Final = (
    "Nobody can sign in: the accounts cannot be read. The dashboard's log, and pumpwatch doctor on its machine, say "
    "why and what to do."
)
SHARED_KEY: Final = Visitor("shared key", "engineer")
"""The visitor who signed in with the shared key."""


class SessionStore:
    """Current accounts, the shared key that is valid while there are none, and the content of session cookies."""

    def __init__(self, settings: Settings) -> None:
        """Read or generate the signing secret and, if the settings have none, the shared key."""
        self._data = settings.data
        self._accounts: tuple[object, dict[str, Account]] = (None, {})
        self.secret = session_secret(settings.data)
        self.cookie = f"pumpwatch-{settings.port}"
        self.key = settings.key or secrets.token_urlsafe(24)

    def accounts(self) -> dict[str, Account]:
        """Return the accounts by name, none if there never were any; the file is read again when it changed.

        Raises `AccessError` while the accounts cannot be read, or are gone.
        """
        stamp = self._stamp()
        if stamp != self._accounts[0]:
            accounts = read_accounts(self._data)
            if not accounts and required(self._data):
                raise missing(self._data)
            self._accounts = (stamp, accounts)
        return self._accounts[1]

    def by_key(self) -> bool:
        """Return whether the shared key signs in: until there are accounts."""
        return not required(self._data)

    def session(self, name: str) -> dict[str, str]:
        """Return the content of the cookie for a name; an empty name stands for the shared key."""
        return {"name": name, "proof": self._proof(name)}

    def visitor(self, session: dict[str, Any]) -> Visitor | None:
        """Return the visitor of a session; None if the key, password, role or account has changed since sign-in."""
        accounts = self.accounts()
        name, proof = session.get("name"), session.get("proof")
        if not isinstance(name, str) or not isinstance(proof, str) or bool(name) != bool(accounts):
            return None
        if (name and (name not in accounts or accounts[name].disabled)) or not hmac.compare_digest(
            proof, self._proof(name)
        ):
            return None
        return Visitor(name, accounts[name].role) if name else SHARED_KEY

    def _proof(self, name: str) -> str:
        """Return a keyed hash of the credential and role: a cookie with another one is no longer valid."""
        account = self.accounts()[name] if name else None
        credential = f"{account.role} {account.generation}" if account else self.key
        return hmac.new(self.secret.encode(), credential.encode(), hashlib.sha256).hexdigest()

    def _stamp(self) -> object:
        try:
            status = accounts_path(self._data).stat()
        except FileNotFoundError:
            return "none" if not required(self._data) else "gone"
        return status.st_ino, status.st_mtime_ns, status.st_size, (self._data / FILE).exists()


class SessionBackend(AuthenticationBackend):
    """Authenticates a connection by the session in its cookie, for Starlette's `AuthenticationMiddleware`."""

    def __init__(self, store: SessionStore) -> None:
        """Use the accounts and key of a store."""
        self._store = store
        self._logged = ""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Visitor] | None:
        """Return rights and visitor, or None if the connection is not signed in.

        Raises `AuthenticationError` while the accounts cannot be read: then nobody can be authenticated.
        """
        if conn.scope["path"] in OPEN_PATHS:
            return None
        try:
            visitor = self._store.visitor(conn.session)
        except AccessError as error:
            if self._logged != str(error):
                LOG.warning("Requests denied: %s", error)
            self._logged = str(error)
            raise AuthenticationError(UNREADABLE) from error
        self._logged = ""
        return None if visitor is None else (AuthCredentials(sorted(RIGHTS[visitor.role])), visitor)


class SessionCookies:
    """Starlette's `SessionMiddleware`, with `Secure` cookies for requests that arrived by https.

    Starlette decides on `Secure` once, when it is set up; the dashboard serves http to this machine and https behind a
    proxy at the same time, so there is one instance for each. `SameSite=Lax` sends the cookie with links from mail and
    chat; nothing changes by GET, and `SameOrigin` refuses all else from other sites.
    """

    def __init__(self, app: ASGIApp, store: SessionStore, public: Public) -> None:
        """Sign cookies with the secret of the store, for the path of the public address."""
        path = public.root or "/"
        plain, secure = (
            SessionMiddleware(app, store.secret, store.cookie, SESSION_S, path, "lax", https_only=https_only)
            for https_only in (False, True)
        )
        self._https = secure
        self._http = secure if public.url.startswith("https:") else plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the session from the cookie into the scope, and set the cookie when the session changed."""
        middleware = self._https if scope.get("scheme") in {"https", "wss"} else self._http
        await middleware(scope, receive, send)


def session_secret(data: Path) -> str:
    """Return the secret that signs cookies; generated once and kept, so that they survive a restart."""
    path = secret_files.directory(data) / SIGNING_FILE
    if not path.exists():
        secret_files.write(path, secrets.token_urlsafe(32).encode())
    (data / SIGNING_FILE).unlink(missing_ok=True)  # of earlier versions, which kept it beside the data
    return path.read_text().strip()
