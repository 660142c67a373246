"""Sessions: what ends them, forged cookies, and the attributes of the cookie."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from dashboard.access.accounts import accounts_path, add_account
from dashboard.access.middleware import Access
from dashboard.access.sessions import SESSION_S
from dashboard.app import build
from dashboard.settings import Settings


async def test_a_new_password_ends_the_sign_ins_made_with_the_old_one(settings: Settings, browser_of: Any) -> None:
    add_account(settings.data, "maria", "operator", "correct horse")
    async with browser_of(build(settings)) as client:
        await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        assert (await client.get("/")).status_code == 200
        add_account(settings.data, "maria", "operator", "battery staple")
        assert (await client.get("/")).status_code == 401


async def test_a_restart_ends_sign_ins_only_if_the_key_changed(settings: Settings, browser_of: Any) -> None:
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        cookies = dict(client.cookies)
    for key, status in (("the-right-key", 200), ("another", 401)):
        async with browser_of(build(replace(settings, key=key))) as client:
            client.cookies.update(cookies)
            assert (await client.get("/")).status_code == status


async def test_a_new_role_or_a_removed_account_ends_its_sign_ins(settings: Settings, browser_of: Any) -> None:
    for name in ("maria", "vera"):
        add_account(settings.data, name, "engineer", "correct horse")
    path = accounts_path(settings.data)
    async with browser_of(build(settings)) as client:
        for change in (lambda row: {**row, "role": "viewer"}, lambda row: {**row, "name": "another"}):
            content = json.loads(path.read_bytes())
            await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
            assert (await client.get("/")).status_code == 200
            path.write_text(json.dumps({**content, "accounts": [change(row) for row in content["accounts"]]}))
            assert (await client.get("/")).status_code == 401


async def test_the_first_account_ends_the_sign_ins_with_the_shared_key(settings: Settings, browser_of: Any) -> None:
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        assert (await client.get("/")).status_code == 200
        add_account(settings.data, "maria", "operator", "correct horse")
        assert (await client.get("/")).status_code == 401


async def test_a_changed_or_forged_cookie_signs_nobody_in(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        ((name, cookie),) = client.cookies.items()
        client.cookies.clear()
        changed = cookie[:-5] + ("A" if cookie[-5] != "A" else "B") + cookie[-4:]
        for forged in (changed, cookie.partition(".")[0], "null", "", "é"):
            answer = await client.get("/", headers={b"Cookie": f"{name}={forged}".encode()})
            assert answer.status_code == 401


async def test_a_session_ends_after_thirty_days(dashboard: Access, browser_of: Any, monkeypatch: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/?key=the-right-key")
        assert f"Max-Age={SESSION_S};" in answer.headers["set-cookie"]
        cookie, started = {"Cookie": answer.headers["set-cookie"].partition(";")[0]}, time.time()
        for age_s, status in ((SESSION_S - 60, 200), (SESSION_S + 60, 401)):
            monkeypatch.setattr("itsdangerous.timed.time.time", lambda age_s=age_s: started + age_s)
            assert (await client.get("/", headers=cookie)).status_code == status


@pytest.mark.parametrize(("scheme", "secure"), [("http", False), ("https", True)])
async def test_the_cookie_is_secure_exactly_under_https(
    dashboard: Access, scheme: str, secure: bool, browser_of: Any
) -> None:
    async with browser_of(dashboard) as client:
        client.base_url = f"{scheme}://pumpwatch"
        answer = await client.get("/?key=the-right-key", headers={"Origin": f"{scheme}://pumpwatch"})
        assert ("; secure" in answer.headers["set-cookie"].lower()) is secure
        assert (await client.get("/")).status_code == 200


async def test_signing_out_removes_the_cookie(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        await client.get("/?key=the-right-key")
        assert (await client.get("/")).status_code == 200
        await client.post("/sign-out")
        assert not client.cookies
        assert (await client.get("/")).status_code == 401
