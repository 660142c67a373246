"""What pages do with accounts and sessions: administrators with those of everybody, each person with their own."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dashboard.access import account_changes, second_factor
from dashboard.access.account_changes import Change, change
from dashboard.access.accounts import VISITOR, AccessError, Account, add_account, new_generation
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.login_throttle import Attempt, LoginThrottle
from dashboard.access.passwords import verify_password
from dashboard.access.second_factor import UsedCodes
from dashboard.access.session_table import Session, last_sign_ins
from dashboard.access.sessions import SessionStore
from dashboard.languages import tr, tr_later

MAX_ENROLLING: Final = 1_000
"""Sessions that may be setting up a second factor at the same time; the earliest starts again."""
ONLY_ADMINS: Final = "Not done: only admins may manage accounts."
MANAGED: Final[dict[str, tuple[Callable[[], Change], str]]] = {
    "disable": (lambda: account_changes.disabled(True), "disabled {name}"),
    "enable": (lambda: account_changes.disabled(False), "enabled {name}"),
    "remove": (lambda: account_changes.removed, "removed {name}"),
    "end": (lambda: account_changes.ended, "ended the sessions of {name}"),
    "reset": (lambda: account_changes.without_second_factor, "reset the second factor of {name}"),
}
"""What administrators do with an account, besides role and password: the change, and how the audit trail tells it."""


@dataclass(frozen=True)
class Done:
    """Result of a change: a sentence to show, and whether anything was done."""

    text: str
    good: bool


@dataclass(frozen=True)
class Person:
    """An account as the list of accounts shows it; `last_sign_in` is wall ms.

    With `provider`, the name belongs to a person of the identity provider, not to a local account.
    """

    account: Account
    sessions: int
    last_sign_in: int | None
    provider: bool = False


class People:
    """Accounts and sessions of one dashboard. Every method checks who asks, `VISITOR`, before it does anything."""

    def __init__(
        self,
        data: Path,
        store: SessionStore,
        trail: AuditTrail,
        *,
        throttle: LoginThrottle,
        used: UsedCodes,
        now: Callable[[], int],
    ) -> None:
        """Use what the sign-in uses; `now` returns wall ms."""
        self._data, self._store, self._trail, self._throttle, self._now = data, store, trail, throttle, now
        self._used = used
        self._enrolling: dict[str, str] = {}

    def listed(self) -> list[Person]:
        """Return every account by name, for administrators; nothing for others."""
        if not self._is_admin("list accounts"):
            return []
        try:
            last = last_sign_ins(self._data)
        except (sqlite3.Error, OSError):  # busy for a moment
            last = {}
        valid = self._store.valid()
        count = Counter(session.name for session in valid)
        accounts = sorted(self._store.accounts().values(), key=lambda account: account.name)
        others = {session.name: Account(session.name, session.role, "") for session in valid if session.role}
        return [
            *(Person(one, count[one.name], last.get(one.name)) for one in accounts),
            *(Person(one, count[one.name], last.get(one.name), provider=True) for one in others.values()),
        ]

    async def add(self, name: str, role: str, password: str) -> Done:
        """Add an account."""
        if not self._is_admin("add accounts"):
            return Done(ONLY_ADMINS, good=False)
        if name in self._store.accounts():
            return Done(f"Not added: there is an account {name} already.", good=False)
        try:
            await asyncio.to_thread(lambda: add_account(self._data, name, role, password, at=self._now()))
        except (AccessError, OSError) as error:
            return Done(f"Not added: {error}.", good=False)
        return self._done("account_added", f"added {name} as {role}")

    async def manage(self, kind: str, name: str, value: str = "") -> Done:
        """Do one of `MANAGED` with an account, or give it another "role" or "password" (`value`)."""
        if not self._is_admin("change accounts"):
            return Done(ONLY_ADMINS, good=False)
        if kind == "role":
            return await self._change(name, lambda: account_changes.role(value), f"made {name} {value}")
        if kind == "password":
            return await self._change(name, lambda: account_changes.password(value), f"changed the password of {name}")
        if kind == "end" and name not in self._store.accounts():
            await self._store.end([session.digest for session in self._store.of(name)])
            return self._done("signed_out", f"ended the sessions of {name}")
        if kind not in MANAGED:
            return Done(f"Not done: {kind[:20]!r} is nothing that can be done with an account.", good=False)
        make, text = MANAGED[kind]
        entry = "account_removed" if kind == "remove" else "account_changed"
        return await self._change(name, make, text.format(name=name), kind=entry)

    async def own_password(self, current: str, new: str) -> Done:
        """Change the password of the visitor, who knows the current one; other sessions of the account end."""
        wrong = await self._wrong_password(current)
        if wrong:
            return wrong
        generation = new_generation()
        return await self._change_own(
            lambda: account_changes.password(new, generation),
            generation,
            "changed their own password",
            tr_later("Changed your password."),
        )

    def begin_second_factor(self) -> str:
        """Return a new secret for the visitor; it counts once a code of it is confirmed."""
        session = VISITOR.get().session
        self._enrolling.pop(session, None)
        self._enrolling[session] = second_factor.new_secret()
        if len(self._enrolling) > MAX_ENROLLING:
            del self._enrolling[next(iter(self._enrolling))]
        return self._enrolling[session]

    async def confirm_second_factor(self, code: str) -> tuple[Done, list[str]]:
        """Turn the second factor on if the code is right; return the recovery codes, shown only now."""
        secret = self._enrolling.get(VISITOR.get().session)
        step = None if secret is None else second_factor.matching_step(secret, code, self._now())
        if secret is None or step is None or not await asyncio.to_thread(self._used.use, VISITOR.get().name, step):
            return Done(tr("Not turned on: the code is wrong; check the clock of your device."), good=False), []
        (codes, hashes), generation = second_factor.recovery_codes(), new_generation()
        done = await self._change_own(
            lambda: account_changes.with_second_factor(secret, hashes, generation),
            generation,
            "turned on their own second factor",
            tr_later("Turned on your second factor."),
        )
        if done.good:
            self._enrolling.pop(VISITOR.get().session, None)
        return done, codes if done.good else []

    async def end_second_factor(self, current: str) -> Done:
        """Turn the second factor of the visitor off, who knows the password."""
        wrong = await self._wrong_password(current)
        if wrong:
            return wrong
        generation = new_generation()
        return await self._change_own(
            lambda: account_changes.with_second_factor("", (), generation),
            generation,
            "turned off their own second factor",
            tr_later("Turned off your second factor."),
        )

    async def _wrong_password(self, current: str) -> Done | None:
        """Return why the visitor may not go on, None if the password is right; attempts are limited."""
        visitor = VISITOR.get()
        account = self.own_account()
        if account is None:
            return Done(tr("Not changed: your password is not kept here."), good=False)
        attempt = Attempt("", visitor.name, f"session {visitor.session}")
        refusal = self._throttle.attempt(attempt)
        if refusal:
            return Done(tr("Too many attempts. Try again in {seconds} s.", seconds=refusal.wait_s), good=False)
        if not await asyncio.to_thread(verify_password, account.hash, current):
            self._put("sign_in_failed", "wrong current password on the page Account")
            return Done(tr("Not changed: the current password is wrong."), good=False)
        self._throttle.succeeded(attempt)
        return None

    async def _change_own(self, make: Callable[[], Change], generation: int, text: str, said: str) -> Done:
        visitor = VISITOR.get()
        with self._store.kept(visitor.session, generation):
            done = await self._change(visitor.name, make, text)
        return Done(tr(said) if done.good else done.text, good=done.good)

    def own_account(self) -> Account | None:
        """Return the account of the visitor, None if there is none here."""
        return self._store.accounts().get(VISITOR.get().name)

    def own_sessions(self) -> list[Session]:
        """Return the sessions of the visitor, the one used last first."""
        current = self._store.table.get(VISITOR.get().session)
        return [] if current is None else self._store.of(current.name)

    async def end_own(self, handle: str) -> Done:
        """End one session of the visitor."""
        digests = [session.digest for session in self.own_sessions() if session.handle == handle]
        if not digests:
            return Done(tr("Not ended: this session has ended already."), good=False)
        await self._store.end(digests)
        self._put("signed_out", "ended another session of their own")
        return Done(tr("Ended your other session."), good=True)

    def denied(self, what: str) -> None:
        """Record that the visitor asked for what the role does not allow."""
        self._trail.deny(VISITOR.get(), what)

    async def _change(self, name: str, make: Callable[[], Change], text: str, kind: str = "account_changed") -> Done:
        try:
            await asyncio.to_thread(lambda: change(self._data, name, make(), at=self._now(), keep_admin=True))
        except (AccessError, OSError) as error:
            return Done(f"Not done: {error}.", good=False)
        return self._done(kind, text)

    def _is_admin(self, what: str) -> bool:
        if VISITOR.get().may("admin"):
            return True
        self.denied(what)
        return False

    def _done(self, kind: str, text: str) -> Done:
        self._put(kind, text)
        return Done(f"{text[0].upper()}{text[1:]}.", good=True)

    def _put(self, kind: str, text: str) -> None:
        self._trail.put(kind, who=VISITOR.get().name, origin=self._origin(), text=text)

    def _origin(self) -> str:
        session = self._store.table.get(VISITOR.get().session)
        return session.address if session else "?"


PEOPLE: Final[ContextVar[People | None]] = ContextVar("people", default=None)
"""Set for each request by the access middleware, as `VISITOR` is."""
