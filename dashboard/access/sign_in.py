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
from dashboard.access.accounts import AccessError, Account, replace_hash, require
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.cookies import Devices, Tickets
from dashboard.access.login_throttle import Attempt, LoginThrottle
from dashboard.access.openid import ELSEWHERE, SAID, START_PATH, OpenIdConnect, OpenIdError
from dashboard.access.passwords import hash_password, needs_rehash, verify_password
from dashboard.access.proxies import local_path, path_of
from dashboard.access.second_factor import UsedCodes, matching_step, recovery_hash
from dashboard.access.sessions import SHARED_KEY, SessionStore
from dashboard.languages import tr, tr_sentence
from dashboard.settings import Settings

LOG: Final = logging.getLogger("dashboard")
MAX_FORM_BYTES: Final = 4096
SECOND_STEP: Final = "second factor"
TICKET_S: Final = 300
"""How long the second page of a sign-in waits for its code."""
FORGED_WINDOW_S: Final = 60.0
"""For so long, returns from the identity provider that did not begin here are one entry of the audit trail."""
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
        openid: OpenIdConnect | None,
        now: Callable[[], int],
    ) -> None:
        """Count attempts with `throttle`, codes with `used`, and record them in `trail`; `now` returns wall ms."""
        self._data, self._now, self._openid = settings.data, now, openid
        self._store, self._trail = store, trail
        self._tickets, self._used = Tickets(store.secret), used
        self._devices = Devices(self._tickets, store.cookies)
        self._throttle = throttle
        self._hashing = asyncio.Semaphore(MAX_PARALLEL_HASHES)

    async def post(self, request: Request) -> Response:
        """Sign in with the posted form."""
        return await self._attempt(request, await _form(request))

    async def by_provider(self, request: Request) -> Response | None:
        """Send the browser to the identity provider, or sign in who comes back from it; None if there is none."""
        if self._openid is None:
            return None
        address, attempt = _address(request), Attempt(_address(request))
        try:
            if request.scope["path"] == START_PATH:
                return await self._openid.begin(request)
            ticket = self._openid.ticket(request)
        except OpenIdError as error:  # anybody can cause it, as often as they like
            text = f"identity provider: {error}"
            self._trail.refused(START_PATH, FORGED_WINDOW_S, who="?", origin=address, kind="sign_in_failed", text=text)
            return self.page("/", 403, tr_sentence(str(error), SAID))
        refusal = self._throttle.attempt(attempt)
        if refusal:
            self._trail.refused(refusal.window, refusal.wait_s, who="?", origin=address)
            return self.page("/", 429, tr("Too many attempts. Try again in {seconds} s.", seconds=refusal.wait_s))
        try:
            identity = await self._openid.finish(request, ticket)
            if identity.name in self._store.accounts():
                raise OpenIdError(ELSEWHERE.format(name=identity.name))  # noqa: TRY301
        except OpenIdError as error:
            self._trail.put("sign_in_failed", who="?", origin=address, text=f"identity provider: {error}")
            return self.page("/", 403, tr_sentence(str(error), SAID))
        self._throttle.succeeded(attempt)
        await asyncio.to_thread(require, self._data)
        response = RedirectResponse(path_of(local_path(identity.target)), 303)
        await self._store.begin(request, response, identity.name, identity.role)
        self._openid.forget(response)
        text = f"signed in as {identity.role} by {self._openid.issuer}"
        self._trail.put("signed_in", who=identity.name, origin=address, text=text)
        return response

    async def by_address(self, request: Request) -> Response | None:
        """Sign in with the key in the address and redirect to the address without it.

        None if there is no key in the address, or if there are accounts: then the key is not valid.
        """
        if request.method != "GET" or "key" not in request.query_params or not self._store.by_key():
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
        provider = path_of(f"{START_PATH}?{urlencode({'next': target})}") if self._openid else ""
        html = sign_in_page.page(
            post_to=path_of("/sign-in"),
            by_name=not self._store.by_key(),
            target=target,
            provider=provider,
            error=error,
        )
        return HTMLResponse(html, status, headers={"Cache-Control": "no-store"})

    async def _attempt(self, request: Request, form: dict[str, str]) -> Response:
        accounts, target = self._store.accounts(), form.get("next", "/")
        ticket = self._tickets.content(SECOND_STEP, form.get("ticket", ""), TICKET_S)
        by_key = self._store.by_key()
        name = "" if by_key else str(ticket.get("name", form.get("name", "")))
        attempt = Attempt(_address(request), name, self._devices.known(request, name))
        who = name or SHARED_KEY.name
        refusal = self._throttle.attempt(attempt)
        if refusal:
            self._trail.refused(refusal.window, refusal.wait_s, who=who, origin=attempt.address)
            page = self.page(target, 429, tr("Too many attempts. Try again in {seconds} s.", seconds=refusal.wait_s))
            page.headers["Retry-After"] = str(refusal.wait_s)
            return page
        if ticket:
            good = await self._verify_code(accounts, ticket, form.get("code", ""))
        else:
            good = await (self._verify_key(form) if by_key else self._verify(accounts, name, form))
        if not good:
            text = "wrong code" if ticket else "wrong key" if by_key else "wrong name or password"
            self._trail.put("sign_in_failed", who=who, origin=attempt.address, text=text)
            if ticket:
                return self._code_page(form["ticket"], target, 401, tr("Wrong code, or used before."))
            return self.page(target, 401, tr("Wrong key.") if by_key else tr("Wrong name or password."))
        self._throttle.succeeded(attempt)
        if not ticket and name and accounts[name].totp:
            content = {"name": name, "generation": accounts[name].generation}
            return self._code_page(self._tickets.seal(SECOND_STEP, content), target, 200)
        response = RedirectResponse(path_of(local_path(target)), 303)
        await self._store.begin(request, response, name)
        self._devices.remember(request, response, name)
        self._trail.put("signed_in", who=who, origin=attempt.address, text="signed in")
        return response

    def _code_page(self, ticket: str, target: str, status: int, error: str = "") -> HTMLResponse:
        html = sign_in_page.code_page(
            post_to=path_of("/sign-in"), ticket=ticket, target=target, again=path_of(local_path(target)), error=error
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

    async def _verify_key(self, form: dict[str, str]) -> bool:
        return hmac.compare_digest(form.get("key", "").strip().encode(), self._store.key.encode())

    async def _verify(self, accounts: dict[str, Account], name: str, form: dict[str, str]) -> bool:
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


async def _form(request: Request) -> dict[str, str]:
    """Return the fields of a posted form; none if it is larger than `MAX_FORM_BYTES`."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return {}
    return {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
