"""Attacks on the sign-in: nobody gets more guesses than the limits allow, and nobody can lock another out."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from starlette.responses import PlainTextResponse

from broker.store import audit, journal_query
from dashboard.access import sign_in
from dashboard.access.accounts import add_account
from dashboard.access.login_throttle import ACCOUNT_PER_MINUTE, PER_MINUTE, TOTAL_PER_MINUTE
from dashboard.access.middleware import Access
from dashboard.settings import Public, Settings

pytestmark = pytest.mark.usefixtures("cheap_hashes")

RIGHT = {"name": "maria", "password": "correct horse"}
WRONG = {"name": "maria", "password": "wrong"}


def browser(application: Access, address: str, **headers: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(application, client=(address, 1)),  # type: ignore[arg-type]
        base_url="http://pumpwatch",
        headers={"Origin": "http://pumpwatch", **headers},
    )


@pytest.fixture
def application(settings: Settings) -> Access:
    return access(settings)


def access(settings: Settings) -> Access:
    add_account(settings.data, "maria", "operator", "correct horse")
    return Access(PlainTextResponse("served"), settings, "")


async def statuses(client: httpx.AsyncClient, form: dict[str, str], count: int) -> list[int]:
    return [(await client.post("/sign-in", data=form)).status_code for _ in range(count)]


async def test_guesses_from_the_same_address_do_not_lock_out_a_browser_that_signed_in_before(
    application: Access,
) -> None:
    async with browser(application, "192.0.2.1") as maria, browser(application, "192.0.2.1") as stranger:
        assert await statuses(maria, RIGHT, 1) == [303]
        await maria.post("/sign-out")
        assert (await statuses(stranger, WRONG, 20))[-1] == 429
        assert await statuses(stranger, RIGHT, 1) == [429]
        assert await statuses(maria, RIGHT, 1) == [303]


async def test_guesses_from_many_addresses_do_not_lock_out_a_browser_that_signed_in_before(application: Access) -> None:
    found: list[int] = []
    async with browser(application, "192.0.2.1") as maria:
        assert await statuses(maria, RIGHT, 1) == [303]
        for number in range(1, 30):
            async with browser(application, f"198.51.100.{number}") as stranger:
                found += await statuses(stranger, WRONG, 1)
        assert (found.count(401), found.count(429)) == (ACCOUNT_PER_MINUTE, 29 - ACCOUNT_PER_MINUTE)
        assert await statuses(maria, RIGHT, 1) == [303]


async def test_the_cookie_of_a_known_device_gives_no_attempts_at_another_account(
    application: Access, settings: Settings
) -> None:
    add_account(settings.data, "mallory", "viewer", "correct horse")
    async with browser(application, "192.0.2.1") as mallory:
        assert await statuses(mallory, {**RIGHT, "name": "mallory"}, 1) == [303]
        assert (await statuses(mallory, WRONG, 10)).count(401) == PER_MINUTE
        mallory.cookies.set("pumpwatch-device-8050", "forged")
        assert await statuses(mallory, WRONG, 1) == [429]


@pytest.mark.parametrize("proxies", [(), (ip_network("10.0.0.0/8"),)], ids=["no proxy is named", "another is named"])
async def test_varied_forwarded_headers_of_a_stranger_give_no_more_attempts(settings: Settings, proxies: Any) -> None:
    application = access(replace(settings, public=Public(proxies=proxies)))
    found = []
    async with browser(application, "192.0.2.66") as stranger:
        for number in range(40):
            stranger.headers["X-Forwarded-For"] = f"198.51.100.{number}"
            found += await statuses(stranger, WRONG, 1)
    assert found == [401] * PER_MINUTE + [429] * (40 - PER_MINUTE)


async def test_behind_a_named_proxy_the_address_that_it_adds_counts_and_not_those_before(settings: Settings) -> None:
    application = access(replace(settings, public=Public(proxies=(ip_network("10.0.0.0/8"),))))
    found = []
    async with browser(application, "10.0.0.1") as proxy:
        for number in range(40):
            proxy.headers["X-Forwarded-For"] = f"198.51.100.{number}, 192.0.2.66"
            found += await statuses(proxy, WRONG, 1)
        assert found == [401] * PER_MINUTE + [429] * (40 - PER_MINUTE)
        proxy.headers["X-Forwarded-For"] = "192.0.2.67"
        assert await statuses(proxy, WRONG, 1) == [401]


async def test_thousands_of_attempts_cost_few_hashes_and_few_audit_entries(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(sign_in, "verify_password", lambda _stored, password: hashed.append(password))
    application = access(settings)
    body = b"name=maria&password=wrong"
    found = [await post(application, f"203.0.113.{number % 250}", body) for number in range(10_000)]
    await application._trail.drain()
    assert len(hashed) == ACCOUNT_PER_MINUTE
    assert (found.count(401), found.count(429)) == (ACCOUNT_PER_MINUTE, 10_000 - ACCOUNT_PER_MINUTE)
    entries = journal_query.entries(settings.data, journal_query.Query(limit=1000))
    assert entries["kind"].value_counts(sort=True).rows() == [("sign_in_failed", ACCOUNT_PER_MINUTE), ("locked_out", 1)]
    (text,) = entries.filter(kind="locked_out")["text"]
    assert "sign-ins of maria from unknown devices refused: 9,990 attempts" in text


async def test_made_up_names_from_made_up_addresses_cost_no_more_than_the_total(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    monkeypatch.setattr(sign_in, "verify_password", lambda _stored, password: hashed.append(password))
    application = access(settings)
    for number in range(1000):
        await post(application, f"10.9.{number // 250}.{number % 250}", f"name=person{number}&password=wrong".encode())
    assert len(hashed) == TOTAL_PER_MINUTE


async def post(application: Access, address: str, body: bytes) -> int:
    """Post a sign-in form without the cost of a client, and return the status."""
    headers = {b"host": b"pumpwatch", b"origin": b"http://pumpwatch"}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/sign-in",
        "query_string": b"",
        "scheme": "http",
        "headers": list(headers.items()),
        "client": (address, 1),
        "server": ("pumpwatch", 80),
    }
    found: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            found.append(message["status"])

    await application(scope, receive, send)
    return found[0]


async def test_signing_in_and_out_is_in_the_audit_trail_with_who_and_from_where(
    application: Access, settings: Settings
) -> None:
    async with browser(application, "192.0.2.1") as client:
        await client.post("/sign-in", data=WRONG)
        await client.post("/sign-in", data=RIGHT)
        await client.post("/sign-out")
        await client.post("/sign-out")
    await application._trail.drain()
    entries = journal_query.entries(settings.data, journal_query.Query(limit=10)).reverse()
    assert entries["kind"].to_list() == ["sign_in_failed", "signed_in", "signed_out"]
    assert set(entries["who"]) == {"maria"}


async def test_a_journal_that_cannot_be_written_hides_no_sign_in(
    application: Access, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(audit, "record", refuse)
    async with browser(application, "192.0.2.1") as client:
        assert await statuses(client, RIGHT, 1) == [303]
    await application._trail.drain()
    assert "Not in the audit trail (no space left on device): signed_in by maria from 192.0.2.1" in caplog.text
