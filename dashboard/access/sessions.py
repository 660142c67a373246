"""Sessions: who is signed in, by the secret in the cookie, for as long as credential, role and time allow."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import logging
import secrets
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from broker.display.printable import printable
from broker.store import account_files, secret_files
from broker.store.account_files import FILE, required
from dashboard.access.accounts import (
    AccessError,
    Account,
    MissingAccountsError,
    Visitor,
    missing,
    read_accounts,
)
from dashboard.access.cookies import Cookies
from dashboard.access.session_table import MAX_SESSIONS, Session, SessionTable
from dashboard.settings import Settings

LOG: Final = logging.getLogger("dashboard")
COOKIE: Final = "pumpwatch"
SIGNING_FILE: Final = "dashboard.secret"
MAX_PER_ACCOUNT: Final = 100
"""Sessions of one account; a further sign-in ends the one used longest ago."""
MAX_AGENT: Final = 160
SEEN_INTERVAL_MS: Final = 30_000
"""How exactly the last use of a session is known."""
SAVE_DELAY_S: Final = 5.0
REFRESH_INTERVAL_MS: Final = 500
SHARED_KEY: Final = Visitor("shared key", "engineer")
"""The visitor who signed in with the shared key."""


class SessionStore:
    """Current accounts, the shared key that is valid until there are any, and the sessions."""

    def __init__(self, settings: Settings, now: Callable[[], int]) -> None:
        """Read the sessions and the signing secret, and make a shared key if the settings have none.

        `now` returns wall ms.
        """
        self._data, self._now = settings.data, now
        self._idle_ms, self._max_ms = round(settings.session_idle_s * 1000), round(settings.session_max_s * 1000)
        self.cookies = Cookies(settings)
        self._provider = f"{settings.openid.issuer} {settings.openid.client_id}" if settings.openid else ""
        self._accounts: tuple[object, dict[str, Account]] = (None, {})
        self._successors: dict[str, str] = {}
        self._refreshed, self._saving = 0, False
        self.secret = session_secret(settings.data)
        self.key = settings.key or secrets.token_urlsafe(24)
        self.table = SessionTable(settings.data)

    def accounts(self) -> dict[str, Account]:
        """Return the accounts by name, none if there never were any; the file is read again when it changed.

        Raises `AccessError` while the accounts cannot be read, or are gone.
        """
        stamp = self._stamp()
        if stamp != self._accounts[0]:
            try:
                accounts = read_accounts(self._data)
            except MissingAccountsError:
                if self._provider:
                    return {}  # people from the identity provider have none
                raise
            if not accounts and required(self._data) and not self._provider:
                raise missing(self._data)
            self._accounts = (stamp, accounts)
        return self._accounts[1]

    def by_key(self) -> bool:
        """Return whether the shared key signs in: until there are accounts or an identity provider."""
        return not self._provider and not required(self._data)

    async def begin(self, request: Request, response: Response, name: str, role: str = "") -> None:
        """Begin a session of an account, or of the shared key if `name` is empty, in the browser of a request.

        `role` is that of an identity provider. A session that the browser had before ends.
        """
        await self.end([self.digest_of(request)])
        now, address = self._now(), request.client.host if request.client else "?"
        agent = printable(request.headers.get("user-agent", "")[:MAX_AGENT])
        token = secrets.token_urlsafe(32)
        others = self.of(name)[(MAX_PER_ACCOUNT if name else MAX_SESSIONS) - 1 :]
        self.table.end(session.digest for session in others)
        self.table.put(Session(_digest(token), name, self.generation(name, role), now, now, address, agent, role))
        await asyncio.to_thread(self.table.save)
        self.cookies.put(request, response, COOKIE, token, self._max_ms // 1000)

    def forget(self, response: Response) -> None:
        """Remove the cookie from the browser."""
        self.cookies.remove(response, COOKIE)

    async def end(self, digests: Collection[str]) -> None:
        """End sessions, durably: a restart does not bring them back."""
        if any(self.table.get(digest) for digest in digests):
            self.table.end(digests)
            await asyncio.to_thread(self.table.save)

    @contextlib.contextmanager
    def kept(self, digest: str, generation: int) -> Iterator[None]:
        """Keep a session while its account changes to a new generation; its other sessions end."""
        session = self.table.get(digest)
        role = self.accounts()[session.name].role if session else ""
        self._successors[digest] = f"{role} {generation}"
        try:
            yield
        finally:
            successor = self._successors.pop(digest)
            session = self.table.get(digest)
            if session and session.name in self.accounts() and self.generation(session.name) == successor:
                self.table.put(replace(session, generation=successor))
                self._save_soon()

    def of(self, name: str) -> list[Session]:
        """Return the valid sessions of an account, or of the shared key; the one used last first."""
        return [session for session in self.valid() if session.name == name]

    def valid(self) -> list[Session]:
        """Return the valid sessions of everybody; the one used last first."""
        self._refresh()
        accounts = self.accounts()
        return [session for session in self.table.all() if self._is_valid(session, accounts)]

    def digest_of(self, connection: HTTPConnection) -> str:
        """Return the digest of the secret in the cookie of a connection."""
        return _digest(self.cookies.get(connection, COOKIE))

    def visitor(self, digest: str) -> Visitor | None:
        """Return the visitor of a session; None if it ended, or its credential or role has changed since.

        Raises `AccessError` while the accounts cannot be read.
        """
        self._refresh()
        session, accounts = self.table.get(digest), self.accounts()
        if session is None or not self._is_valid(session, accounts):
            return None
        if self._now() - session.seen > SEEN_INTERVAL_MS:
            self.table.put(replace(session, seen=self._now()))
            self._save_soon()
        if not session.name:
            return replace(SHARED_KEY, session=digest)
        return Visitor(session.name, session.role or accounts[session.name].role, digest)

    def ended(self, digests: Collection[str]) -> set[str]:
        """Return those of some sessions that are no longer valid; all while the accounts cannot be read."""
        try:
            return {digest for digest in digests if self.visitor(digest) is None}
        except AccessError:
            return set(digests)

    def generation(self, name: str, role: str = "") -> str:
        """Return what a session is valid with now: the generation of its account, or a hash of the shared key."""
        if role:
            return f"{role} by {self._provider}"
        if name:
            return _of_account(self.accounts()[name])
        return hmac.new(self.secret.encode(), self.key.encode(), hashlib.sha256).hexdigest()

    async def close(self) -> None:
        """Write what is not written yet."""
        await asyncio.to_thread(self.table.save)

    def _is_valid(self, session: Session, accounts: dict[str, Account]) -> bool:
        now = self._now()
        if now - session.seen > self._idle_ms or now - session.started > self._max_ms:
            return False
        if not session.name:
            return self.by_key() and hmac.compare_digest(session.generation, self.generation(""))
        account = accounts.get(session.name)
        if session.role:
            return account is None and self._provider != "" and session.generation == self.generation("", session.role)
        if account is None or account.disabled:
            return False
        return _of_account(account) in (session.generation, self._successors.get(session.digest))

    def _refresh(self) -> None:
        now = self._now()
        if not 0 <= now - self._refreshed < REFRESH_INTERVAL_MS:
            self._refreshed = now
            self.table.refresh()

    def _save_soon(self) -> None:
        """Write in a few seconds: the time of the last use may be lost, and every request changes it."""
        if not self._saving:
            self._saving = True
            asyncio.get_running_loop().call_later(SAVE_DELAY_S, self._save)

    def _save(self) -> None:
        self._saving = False
        accounts = self._accounts[1]
        self.table.end([session.digest for session in self.table.all() if not self._is_valid(session, accounts)])
        asyncio.get_running_loop().run_in_executor(None, self.table.save)

    def _stamp(self) -> object:
        try:
            status = account_files.path(self._data).stat()
        except FileNotFoundError:
            return "gone" if required(self._data) else "none"
        except OSError as error:
            return f"unreadable: {error}"
        return status.st_ino, status.st_mtime_ns, status.st_size, (self._data / FILE).exists()


def session_secret(data: Path) -> str:
    """Return the secret that signs cookies; generated once and kept, so that they survive a restart."""
    path = secret_files.directory(data) / SIGNING_FILE
    if not path.exists():
        secret_files.write(path, secrets.token_urlsafe(32).encode())
    (data / SIGNING_FILE).unlink(missing_ok=True)  # of earlier versions, which kept it beside the data
    return path.read_text().strip()


def _of_account(account: Account) -> str:
    """Return what a session of an account is valid with; with the role, as people edit the file by hand too."""
    return f"{account.role} {account.generation}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
