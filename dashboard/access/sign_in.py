"""Signing in and out: checks the shared key or name and password, throttled, and writes the session."""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qs, urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dashboard.access import account_changes, sign_in_page
from dashboard.access.accounts import AccessError, Account, replace_hash
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.cookies import Devices, Tickets
from dashboard.access.login_throttle import Attempt, LoginThrottle
from dashboard.access.passwords import hash_password, needs_rehash, verify_password
from dashboard.access.proxies import path_of
from dashboard.access.second_factor import UsedCodes, matching_step, recovery_hash
from dashboard.access.sessions import SHARED_KEY, SessionStore
from dashboard.settings import Settings

LOG: Final = logging.getLogger("dashboard")
MAX_FORM_BYTES: Final = 4096
SECOND_STEP: Final = "second factor"
TICKET_S: Final = 300
"""How long the second page of a sign-in waits for its code."""
MAX_PARALLEL_HASHES: Final = 2
"""Each takes 19 MiB and one core."""


class SignIn:
    """The sign-in page and what it posts to."""

    def __init__(
        self,
        settings: Settings,
        store: SessionStore,
        trail: AuditTrail,
        *,
        throttle: LoginThrottle,
        used: UsedCodes,
        now: Callable[[], int],
    ) -> None:
        """Count attempts with `throttle`, codes with `used`, and record them in `trail`; `now` returns wall ms."""
        self._data, self._now = settings.data, now
        self._store, self._trail = store, trail
        self._tickets, self._used = Tickets(store.secret), used
        self._devices = Devices(self._tickets, store.cookies)
        self._throttle = throttle
        self._hashing = asyncio.Semaphore(MAX_PARALLEL_HASHES)

    async def post(self, request: Request) -> Response:
        """Sign in with the posted form."""
        return await self._attempt(request, await _form(request))

    async def by_address(self, request: Request) -> Response | None:
        """Sign in with the key in the address and redirect to the address without it.

        None if there is no key in the address, or if there are accounts: then the key is not valid.
        """
        if request.method != "GET" or "key" not in request.query_params or self._store.accounts():
            return None
        others = [(name, value) for name, value in request.query_params.multi_items() if name != "key"]
        target = request.scope["path"] + (f"?{urlencode(others)}" if others else "")
        return await self._attempt(request, {"key": request.query_params["key"], "next": target})

    async def sign_out(self, request: Request) -> Response:
        """End the session of the browser, on the server too; with `?everywhere=1`, all of the person."""
        ended = [self._store.digest_of(request)]
        if request.user.is_authenticated:
            everywhere = "everywhere" in request.query_params
            session = self._store.table.get(request.user.session)
            if everywhere and session is not None:
                ended = [one.digest for one in self._store.of(session.name)]
            text = "signed out everywhere" if everywhere else "signed out"
            self._trail.put("signed_out", who=request.user.name, origin=_address(request), text=text)
        await self._store.end(ended)
        response = RedirectResponse(path_of("/"), 303)
        self._store.forget(response)
        return response

    def page(self, target: str, status: int, error: str = "") -> HTMLResponse:
        """Return the sign-in page; after signing in, it leads to `target`."""
        html = sign_in_page.page(
            post_to=path_of("/sign-in"), by_name=bool(self._store.accounts()), target=target, error=error
        )
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})

    async def _attempt(self, request: Request, form: dict[str, str]) -> Response:
        accounts, target = self._store.accounts(), form.get("next", "/")
        ticket = self._tickets.content(SECOND_STEP, form.get("ticket", ""), TICKET_S)
        name = str(ticket.get("name", form.get("name", ""))) if accounts else ""
        attempt = Attempt(_address(request), name, self._devices.known(request, name))
        who = name or SHARED_KEY.name
        refusal = self._throttle.attempt(attempt)
        if refusal:
            self._trail.refused(refusal.window, refusal.wait_s, who=who, origin=attempt.address)
            page = self.page(target, 429, f"Too many attempts. Try again in {refusal.wait_s} s.")
            page.headers["Retry-After"] = str(refusal.wait_s)
            return page
        if ticket:
            good = await self._verify_code(accounts, ticket, form.get("code", ""))
        else:
            good = await self._verify(accounts, name, form)
        if not good:
            text = "wrong code" if ticket else "wrong name or password" if accounts else "wrong key"
            self._trail.put("sign_in_failed", who=who, origin=attempt.address, text=text)
            if ticket:
                return self._code_page(form["ticket"], target, 401, "Wrong code, or used before.")
            return self.page(target, 401, f"{text.capitalize()}.")
        self._throttle.succeeded(attempt)
        if not ticket and name and accounts[name].totp:
            content = {"name": name, "generation": accounts[name].generation}
            return self._code_page(self._tickets.seal(SECOND_STEP, content), target, 200)
        response = RedirectResponse(path_of(_local(target)), 303)
        await self._store.begin(request, response, name)
        self._devices.remember(request, response, name)
        self._trail.put("signed_in", who=who, origin=attempt.address, text="signed in")
        return response

    def _code_page(self, ticket: str, target: str, status: int, error: str = "") -> HTMLResponse:
        html = sign_in_page.code_page(
            post_to=path_of("/sign-in"), ticket=ticket, target=target, again=path_of(_local(target)), error=error
        )
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})

    async def _verify_code(self, accounts: dict[str, Account], ticket: dict[str, Any], code: str) -> bool:
        """Return whether a code, or a recovery code, is right for the account whose password was right before."""
        account = accounts.get(str(ticket.get("name")))
        if account is None or account.disabled or account.generation != ticket.get("generation"):
            return False
        step = matching_step(account.totp, code, self._now())
        if step is not None:
            return await asyncio.to_thread(self._used.use, account.name, step)
        used = account_changes.recovery_used(recovery_hash(code))
        try:
            await asyncio.to_thread(lambda: account_changes.change(self._data, account.name, used, at=self._now()))
        except (AccessError, OSError):
            return False
        self._trail.put("account_changed", who=account.name, origin="sign-in", text="used a recovery code")
        return True

    async def _verify(self, accounts: dict[str, Account], name: str, form: dict[str, str]) -> bool:
        if not accounts:
            return hmac.compare_digest(form.get("key", "").strip().encode(), self._store.key.encode())
        account, password = accounts.get(name), form.get("password", "")
        async with self._hashing:
            right = await asyncio.to_thread(verify_password, account.hash if account else None, password)
        right = right and account is not None and not account.disabled
        if right and account and needs_rehash(account.hash):
            await self._rehash(account, password)
        return right and name in self._store.accounts()

    async def _rehash(self, account: Account, password: str) -> None:
        """Replace an outdated hash; a sign-in does not fail because the file cannot be written."""
        async with self._hashing:
            password_hash = await asyncio.to_thread(hash_password, password)
        try:
            await asyncio.to_thread(replace_hash, self._data, account, password_hash)
        except (OSError, AccessError) as error:
            LOG.warning("New password hash of %s not stored (%s); retrying at the next sign-in", account.name, error)


def _address(request: Request) -> str:
    return request.client.host if request.client else "?"


def _local(target: str) -> str:
    """Return the target if it is a path of this site, else the start page."""
    return target if target.startswith("/") and not target.startswith(("//", "/\\", "/sign-")) else "/"


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form; none if it is larger than `MAX_FORM_BYTES`."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
