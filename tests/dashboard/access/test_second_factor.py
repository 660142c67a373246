"""Second factor: set-up on the page Account, codes that are valid once, recovery codes, and its reset by an admin."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any, Final

import httpx
import pyotp
import pytest

from dashboard.access.accounts import add_account, read_accounts
from dashboard.access.login_throttle import PER_MINUTE
from dashboard.access.middleware import Access
from dashboard.access.second_factor import UsedCodes, matching_step, recovery_codes, recovery_hash
from dashboard.app import build
from dashboard.settings import Settings
from tests.dashboard.access.test_people import callback, found

pytestmark = pytest.mark.usefixtures("cheap_hashes")
FORM: Final = {"name": "maria", "password": "correct horse"}
NOW_MS: Final = 1_790_000_000_000


class Phone:
    """The authenticator app of a person, with a clock that the dashboard shares."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_ms = NOW_MS
        self.secret = ""
        monkeypatch.setattr("dashboard.access.middleware.time.time_ns", lambda: self.now_ms * 1_000_000)

    def code(self) -> str:
        """Wait for the next code and return it."""
        self.now_ms += 30_000
        return pyotp.TOTP(self.secret).at(self.now_ms // 1000)


@pytest.fixture
def phone(monkeypatch: pytest.MonkeyPatch) -> Phone:
    return Phone(monkeypatch)


@pytest.fixture
def application(settings: Settings, phone: Phone) -> Access:
    for name, role in (("maria", "operator"), ("eva", "admin")):
        add_account(settings.data, name, role, "correct horse")
    return build(settings)


async def enrolled(client: httpx.AsyncClient, phone: Phone) -> list[str]:
    """Sign maria in, turn her second factor on, and return her recovery codes."""
    await client.post("/sign-out")
    assert (await client.post("/sign-in", data=FORM)).status_code == 303
    shown = json.loads(await callback(client, "factor-begin"))
    (grouped,) = [
        text for text in found(shown, "children") if isinstance(text, str) and re.fullmatch("[A-Z2-7 ]{39}", text)
    ]
    assert any("data:image/svg+xml" in text for text in found(shown, "src"))
    phone.secret = grouped.replace(" ", "")
    assert "the code is wrong" in await callback(client, "factor-confirm", factor_code="000000")
    on = await callback(client, "factor-confirm", factor_code=phone.code())
    codes = re.findall(r"[a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5}", on)
    assert len(codes) == 10
    return codes


def ticket(page: httpx.Response) -> dict[str, str]:
    """Return the hidden field of the second page of a sign-in."""
    (text,) = re.findall("name='ticket' value='([^']+)'", page.text)
    return {"ticket": unescape(text)}


async def test_signing_in_takes_password_and_code_and_no_code_works_twice(
    application: Access, settings: Settings, phone: Phone, browser_of: Any
) -> None:
    async with browser_of(application) as client:
        await enrolled(client, phone)
        assert (await client.get("/")).status_code == 200, "the session that turned it on stays"
        await client.post("/sign-out")
        first = await client.post("/sign-in", data=FORM)
        assert (first.status_code, "pumpwatch-8050" in client.cookies) == (200, False)
        assert (await client.get("/")).status_code == 401
        code = phone.code()
        assert (await client.post("/sign-in", data={**ticket(first), "code": "123456"})).status_code == 401
        assert (await client.post("/sign-in", data={**ticket(first), "code": code})).status_code == 303
        assert (await client.get("/")).status_code == 200
    async with browser_of(build(settings)) as other:
        again = await other.post("/sign-in", data=FORM)
        replayed = await other.post("/sign-in", data={**ticket(again), "code": code})
        assert (replayed.status_code, "used before" in replayed.text) == (401, True)


async def test_a_forged_old_or_foreign_ticket_skips_no_password(
    application: Access, phone: Phone, browser_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with browser_of(application) as client:
        await enrolled(client, phone)
        await client.post("/sign-out")
        right = ticket(await client.post("/sign-in", data=FORM))["ticket"]
        device = client.cookies["pumpwatch-device-8050"]
        for forged in ("forged", right[:-3] + "abc", device, ""):
            assert (await client.post("/sign-in", data={"ticket": forged, "code": phone.code()})).status_code == 401
        assert "pumpwatch-8050" not in client.cookies


async def test_codes_are_limited_as_passwords_are(application: Access, phone: Phone, browser_of: Any) -> None:
    async with browser_of(application) as client:
        await enrolled(client, phone)
        await client.post("/sign-out")
        sealed = ticket(await client.post("/sign-in", data=FORM))
        statuses = [
            (await client.post("/sign-in", data={**sealed, "code": f"{number:06}"})).status_code for number in range(8)
        ]
    assert statuses == [401] * PER_MINUTE + [429] * (8 - PER_MINUTE)


async def test_a_recovery_code_signs_in_once(
    application: Access, settings: Settings, phone: Phone, browser_of: Any
) -> None:
    async with browser_of(application) as client:
        codes = await enrolled(client, phone)
        assert codes[0] not in json.dumps(read_accounts(settings.data)["maria"].recovery)
        for status in (303, 401):
            await client.post("/sign-out")
            sealed = ticket(await client.post("/sign-in", data=FORM))
            typed = codes[0].upper().replace("-", " ")
            assert (await client.post("/sign-in", data={**sealed, "code": typed})).status_code == status
    assert len(read_accounts(settings.data)["maria"].recovery) == 9


async def test_an_admin_resets_it_and_its_owner_turns_it_off_with_the_password(
    application: Access, settings: Settings, phone: Phone, browser_of: Any
) -> None:
    async with browser_of(application) as client, browser_of(application) as admin:
        await enrolled(client, phone)
        assert "wrong" in await callback(client, "factor-end", factor_password="wrong password")
        off = await callback(client, "factor-end", factor_password="correct horse")
        assert "Turned the own second factor off" in off
        await enrolled(client, phone)
        await admin.post("/sign-in", data={**FORM, "name": "eva"})
        assert "Reset the second factor of maria" in await callback(admin, "account-reset", account={"name": "maria"})
        assert (await client.get("/")).status_code == 401
        assert (await client.post("/sign-in", data=FORM)).status_code == 303
    assert read_accounts(settings.data)["maria"].totp == ""


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_may_be_one_step_early_or_late(steps: int, accepted: bool) -> None:
    secret = pyotp.random_base32()
    code = pyotp.TOTP(secret).at(NOW_MS // 1000 + 30 * steps)
    assert (matching_step(secret, f" {code[:3]} {code[3:]}", NOW_MS) is not None) is accepted


def test_an_earlier_code_is_refused_after_a_later_one_also_after_a_restart(settings: Settings) -> None:
    used = UsedCodes(settings.data)
    assert [used.use("maria", step) for step in (5, 5, 4, 6)] == [True, False, False, True]
    assert [UsedCodes(settings.data).use("maria", step) for step in (6, 7)] == [False, True]
    assert UsedCodes(settings.data).use("vera", 1)


def test_recovery_codes_are_recognized_however_they_are_typed() -> None:
    codes, hashes = recovery_codes()
    assert len(set(codes)) == len(hashes) == 10
    assert recovery_hash(codes[0].upper().replace("-", "  ")) == hashes[0]
