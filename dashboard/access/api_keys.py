"""API keys of a running dashboard: whose request this is, how long a key is valid, when it was used last."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Final

from broker.store import secret_files
from dashboard.access import api_key_file
from dashboard.access.accounts import ROLES, VISITOR, AccessError, Visitor
from dashboard.access.api_key_file import FILE, TOKEN, ApiKey, add_key, day, digest_of, read_keys, revoke_key
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.origin import ORIGIN
from dashboard.access.sessions import SessionStore

LOG: Final = logging.getLogger("dashboard")
SAVE_INTERVAL_S: Final = 60.0
_SESSION: Final = "key "
"""Begins `Visitor.session` of a request with a key."""


class KeyRefusedError(Exception):
    """A key is not accepted; the text says why, `kind` names the reason for programs."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class ApiKeys:
    """The keys of a dashboard; the file is read again when it changed, so that a revoked key is refused at once."""

    def __init__(self, data: Path, store: SessionStore, trail: AuditTrail, now: Callable[[], int]) -> None:
        """Use the accounts of `store`; `now` returns wall ms."""
        self._data, self._store, self._trail, self._now = data, store, trail, now
        self._read: tuple[object, dict[str, ApiKey]] = (None, {})
        self._uses = api_key_file.last_uses(data)
        self._saving: asyncio.TimerHandle | None = None

    def all(self) -> list[tuple[ApiKey, str, int | None]]:
        """Return every key, the newest first, with why it is not valid ("" if it is) and its last use (wall ms).

        Raises `AccessError` if the keys cannot be read.
        """
        keys = reversed(self._keys().values())
        return [(key, self._problem(key)[1], self._uses.get(key.id)) for key in keys]

    def visitor(self, header: str) -> Visitor:
        """Return the visitor of a header `Authorization`. Raises `KeyRefusedError` or `AccessError`."""
        scheme, _, token = header.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer":
            raise KeyRefusedError("authorization", "Send an API key as: Authorization: Bearer pw_…")
        key = self._keys().get(digest_of(self._data, token)) if TOKEN.fullmatch(token) else None
        if key is None:
            raise KeyRefusedError("unknown-key", "This API key does not exist, or it was revoked; ask an admin.")
        kind, text = self._problem(key)
        if kind:
            raise KeyRefusedError(kind, text)
        self._uses[key.id] = self._now()
        self._save_soon()
        return Visitor(f"API key {key.name}", key.role, _SESSION + key.id)

    def is_valid(self, visitor: Visitor) -> bool:
        """Return whether key or session of a visitor still is valid; False while keys or accounts cannot be read."""
        if not visitor.session.startswith(_SESSION):
            return not self._store.ended([visitor.session])
        name = visitor.session.removeprefix(_SESSION)
        with contextlib.suppress(AccessError):
            return any(key.id == name and not self._problem(key)[0] for key in self._keys().values())
        return False

    async def make(self, name: str, role: str, days: int) -> str:
        """Make a key for the visitor, an admin with an account here, and return its secret, which is not kept.

        Raises `AccessError` or `OSError`.
        """
        visitor = self._admin("create an API key")
        if visitor.name not in self._store.accounts():
            raise AccessError(
                "accounts of an identity provider cannot create API keys, because Pumpwatch does not learn when they "
                "are closed; create it on the dashboard's machine: pumpwatch apikey add NAME --role ROLE"
            )
        key, token = await asyncio.to_thread(
            lambda: add_key(self._data, name, role, days, at=self._now(), creator=visitor.name, limit=visitor.role)
        )
        self._put(visitor, f"created the API key {name} as {role} until {day(key.expires)}")
        return token

    async def revoke(self, name: str) -> None:
        """Revoke a key for the visitor, an admin. Raises `AccessError` or `OSError`."""
        visitor = self._admin("revoke an API key")
        await asyncio.to_thread(revoke_key, self._data, name)
        self._put(visitor, f"revoked the API key {name}")

    async def close(self) -> None:
        """Write when the keys were used."""
        if self._saving is not None:
            self._saving.cancel()
            await asyncio.to_thread(self._save)

    def _admin(self, what: str) -> Visitor:
        visitor = VISITOR.get()
        if not visitor.may("admin"):
            self._trail.deny(visitor, what)
            raise AccessError("only admins may manage API keys")
        return visitor

    def _put(self, visitor: Visitor, text: str) -> None:
        self._trail.put("api_key_changed", who=visitor.name, origin=ORIGIN.get(), text=text)

    def _problem(self, key: ApiKey) -> tuple[str, str]:
        """Return kind and text of why a key is not valid, two empty texts if it is. Raises `AccessError`."""
        if key.expires <= self._now():
            return "expired-key", f"This API key expired on {day(key.expires)}; ask an admin for another."
        if not key.creator:
            return "", ""
        account = self._store.accounts().get(key.creator)
        if account is None or account.disabled or ROLES.index(account.role) < ROLES.index(key.role):
            text = f"The account {key.creator} that made this API key is closed, disabled or has a lower role now"
            return "creator-gone", f"{text}; ask an admin for another key."
        return "", ""

    def _keys(self) -> dict[str, ApiKey]:
        path = secret_files.path(self._data) / FILE
        try:
            status = path.stat()
            stamp: object = (status.st_ino, status.st_mtime_ns, status.st_size)
        except OSError as error:
            stamp = str(error)
        if stamp != self._read[0]:
            self._read = (stamp, {key.digest: key for key in read_keys(self._data)})
        return self._read[1]

    def _save_soon(self) -> None:
        if self._saving is None:
            loop = asyncio.get_running_loop()
            self._saving = loop.call_later(SAVE_INTERVAL_S, lambda: loop.run_in_executor(None, self._save))

    def _save(self) -> None:
        self._saving = None
        known = {key.id for key in self._read[1].values()}
        uses = {name: at for name, at in self._uses.items() if name in known}
        try:
            api_key_file.write_uses(self._data, uses)
        except OSError as error:
            LOG.warning("The last uses of API keys cannot be kept: %s", error)


KEYS: Final[ContextVar[ApiKeys | None]] = ContextVar("api keys", default=None)
"""Set for each request by the access middleware, as `VISITOR` is."""
