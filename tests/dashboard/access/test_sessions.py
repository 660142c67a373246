"""Sessions: what ends them, forged cookies, and the attributes of the cookie."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import httpx
import pytest
from starlette.responses import PlainTextResponse

from broker.store import account_files, secret_files
from dashboard.access import session_table, sessions
from dashboard.access.accounts import add_account
from dashboard.access.middleware import Access
from dashboard.app import build
from dashboard.settings import Settings

pytestmark = pytest.mark.usefixtures("cheap_hashes")

HOUR_MS: Final = 3_600_000


def protected(settings: Settings, now: Callable[[], int]) -> Access:
    """Return an application that answers "served" to who is signed in, with a clock of its own."""
    return Access(PlainTextResponse("served"), settings, "", now)


def cookie_of(client: httpx.AsyncClient) -> dict[str, str]:
    """Return the header with the cookies of a browser."""
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}


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
    path = account_files.path(settings.data)
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
        name, cookie = "pumpwatch-8050", client.cookies["pumpwatch-8050"]
        client.cookies.clear()
        changed = cookie[:-5] + ("A" if cookie[-5] != "A" else "B") + cookie[-4:]
        for forged in (changed, "null", "", "é"):
            answer = await client.get("/", headers={b"Cookie": f"{name}={forged}".encode()})
            assert answer.status_code == 401


@pytest.mark.parametrize(
    ("used_every_h", "ends_after_h"), [(13, 12), (11, 7 * 24)], ids=["left alone", "used all the time"]
)
async def test_a_session_ends_some_time_after_its_last_use_and_a_week_after_its_sign_in(
    settings: Settings, browser_of: Any, used_every_h: int, ends_after_h: int
) -> None:
    clock = [0]
    async with browser_of(protected(settings, lambda: clock[0])) as client:
        await client.get("/?key=the-right-key")
        while (await client.get("/")).status_code == 200:
            clock[0] += used_every_h * HOUR_MS
    assert ends_after_h * HOUR_MS < clock[0] <= (ends_after_h + used_every_h) * HOUR_MS


async def test_a_copied_cookie_is_worth_nothing_after_sign_out_not_even_after_a_restart(
    settings: Settings, browser_of: Any
) -> None:
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        copied = cookie_of(client)
        await client.post("/sign-out")
        assert (await client.get("/", headers=copied)).status_code == 401
    async with browser_of(build(settings)) as client:
        assert (await client.get("/", headers=copied)).status_code == 401


async def test_signing_in_again_ends_the_session_that_the_browser_had(settings: Settings, browser_of: Any) -> None:
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        copied = cookie_of(client)
        await client.get("/?key=the-right-key")
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/", headers=copied)).status_code == 401


async def test_sessions_are_bounded_and_the_one_used_longest_ago_ends(
    settings: Settings, browser_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "MAX_PER_ACCOUNT", 3)
    monkeypatch.setattr(session_table, "MAX_SESSIONS", 4)
    for name in ("maria", "vera"):
        add_account(settings.data, name, "viewer", "correct horse")
    clock, cookies = [0], []
    application = protected(settings, lambda: clock[0])
    for name in ("maria", "maria", "maria", "maria", "vera", "vera"):
        clock[0] += 1
        async with browser_of(application) as client:
            await client.post("/sign-in", data={"name": name, "password": "correct horse"})
            cookies.append(cookie_of(client))
    async with browser_of(application) as client:
        statuses = [(await client.get("/", headers=cookie)).status_code for cookie in cookies]
    assert statuses == [401, 401, 200, 200, 200, 200]


async def test_the_server_keeps_no_secret_of_a_cookie_and_only_its_owner_reads_the_table(
    settings: Settings, browser_of: Any
) -> None:
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        cookie = client.cookies["pumpwatch-8050"]
    files = list((settings.data / "secrets").iterdir())
    assert not any(cookie.encode() in path.read_bytes() for path in files)
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (settings.data / "secrets").stat().st_mode & 0o777 == 0o700


async def test_a_disk_that_refuses_prevents_no_sign_in_and_the_log_says_so(
    settings: Settings, browser_of: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError("no space left")

    application = build(settings)
    monkeypatch.setattr(session_table, "_write", refuse)
    async with browser_of(application) as client:
        await client.get("/?key=the-right-key")
        assert (await client.get("/")).status_code == 200
    assert "Sessions not written" in caplog.text


def test_a_change_that_is_written_while_the_table_is_read_is_not_undone(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    table, read = session_table.SessionTable(settings.data), session_table._read
    stays, ends = (session_table.Session(name, "maria", "1", 1, 1, "192.0.2.1") for name in ("stays", "ends"))
    table.put(ends)
    table.save()
    table.put(stays)
    table.end(["ends"])

    def read_before_it_is_written(*args: Any, **options: Any) -> list[session_table.Session]:
        found = read(*args, **options)
        table.save()
        return found

    monkeypatch.setattr(session_table, "_read", read_before_it_is_written)
    table.refresh()
    assert table.all() == [stays]

    monkeypatch.undo()
    elsewhere = session_table.SessionTable(settings.data)
    elsewhere.end(["stays"])
    elsewhere.save()
    table.put(stays)
    table.save()
    assert session_table.SessionTable(settings.data).all() == [], "it was ended elsewhere before it was used here"


async def test_a_table_that_cannot_be_read_is_replaced(settings: Settings, browser_of: Any) -> None:
    secret_files.directory(settings.data)
    (settings.data / "secrets" / "sessions.sqlite").write_bytes(b"not a database" * 100)
    async with browser_of(build(settings)) as client:
        await client.get("/?key=the-right-key")
        assert (await client.get("/")).status_code == 200


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
        assert list(client.cookies) == ["pumpwatch-device-8050"]
        assert (await client.get("/")).status_code == 401
