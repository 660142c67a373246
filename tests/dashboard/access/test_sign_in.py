"""Sign-in: the shared key, passwords, the limit of attempts, and the sign-in page."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest

from dashboard.access import sign_in
from dashboard.access.accounts import add_account
from dashboard.access.login_throttle import PER_MINUTE
from dashboard.access.middleware import Access
from dashboard.access.sign_in_page import page
from dashboard.app import build
from dashboard.settings import Settings

pytestmark = pytest.mark.usefixtures("cheap_hashes")


async def test_the_printed_address_signs_in_and_redirects_without_the_key(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.get("/alarms?key=the-right-key")
        assert (answer.status_code, answer.headers["location"]) == (303, "/alarms")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/live")).json()["pumps"] == 0


async def test_a_wrong_key_is_denied_and_the_form_accepts_the_right_one(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        assert (await client.get("/?key=wrong")).status_code == 401
        assert (await client.post("/sign-in", data={"key": "wrong"})).status_code == 401
        assert (await client.post("/sign-in", data={"key": "the-right-key", "next": "/pumps"})).headers[
            "location"
        ] == "/pumps"
        assert (await client.get("/")).status_code == 200


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "evil"])
async def test_signing_in_redirects_to_no_other_site(dashboard: Access, target: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post("/sign-in", data={"key": "the-right-key", "next": target})
    assert answer.headers["location"] == "/"


async def test_attempts_are_limited(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        tries = [(await client.post("/sign-in", data={"key": f"guess {number}"})).status_code for number in range(8)]
        right = await client.post("/sign-in", data={"key": "the-right-key"})
    assert tries == [401] * PER_MINUTE + [429] * (8 - PER_MINUTE)
    assert right.status_code == 429
    assert 1 <= int(right.headers["retry-after"]) <= 60
    assert "Too many attempts" in right.text
    assert "set-cookie" not in right.headers


async def test_keys_in_the_address_are_limited_too(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        tries = [(await client.get(f"/?key=guess{number}")).status_code for number in range(8)]
    assert tries == [401] * PER_MINUTE + [429] * (8 - PER_MINUTE)


async def test_parallel_attempts_are_counted_before_any_of_them_is_hashed(
    settings: Settings, browser_of: Any, monkeypatch: Any
) -> None:
    add_account(settings.data, "maria", "operator", "correct horse")
    hashed: list[str] = []

    def verify(_stored: str | None, password: str) -> bool:
        hashed.append(password)
        return False

    monkeypatch.setattr(sign_in, "verify_password", verify)
    async with browser_of(build(settings)) as client:
        posts = [
            client.post("/sign-in", data={"name": "maria", "password": f"guess {number}"}) for number in range(200)
        ]
        statuses = [answer.status_code for answer in await asyncio.gather(*posts)]
    assert len(hashed) == PER_MINUTE
    assert (statuses.count(401), statuses.count(429)) == (PER_MINUTE, 200 - PER_MINUTE)


async def test_signing_in_often_is_not_limited(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        statuses = {(await client.get("/?key=the-right-key")).status_code for _ in range(3 * PER_MINUTE)}
    assert statuses == {303}


async def test_signing_in_between_guesses_gives_no_more_guesses(settings: Settings, browser_of: Any) -> None:
    for name, role in (("vera", "viewer"), ("eva", "engineer")):
        add_account(settings.data, name, role, f"password of {name}")
    own = {"name": "vera", "password": "password of vera"}
    guesses = [{"name": "eva", "password": f"guess {number}"} for number in range(3 * PER_MINUTE)]
    async with browser_of(build(settings)) as client:
        statuses = []
        for guess in guesses:
            await client.post("/sign-in", data=own)
            statuses.append((await client.post("/sign-in", data=guess)).status_code)
    assert statuses.count(401) == PER_MINUTE


async def test_with_accounts_passwords_are_valid_and_the_shared_key_is_not(settings: Settings, browser_of: Any) -> None:
    add_account(settings.data, "maria", "operator", "correct horse")
    async with browser_of(build(settings)) as client:
        assert (await client.get("/?key=the-right-key")).status_code == 401
        assert (await client.post("/sign-in", data={"key": "the-right-key"})).status_code == 401
        assert (await client.post("/sign-in", data={"name": "maria", "password": "wrong"})).status_code == 401
        assert (await client.post("/sign-in", data={"name": "nobody", "password": "wrong"})).status_code == 401
        assert (await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})).status_code == 303
        layout = (await client.get("/_dash-layout")).text
    assert "maria" in layout
    assert "operator" in layout


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
async def test_only_our_own_page_signs_in_or_out(dashboard: Access, path: str, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post(path, data={"key": "the-right-key"}, headers={"Origin": "http://evil"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


async def test_a_form_larger_than_the_limit_signs_nobody_in(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        answer = await client.post("/sign-in", data={"key": "the-right-key", "next": "x" * 5000})
    assert answer.status_code == 401


def test_a_key_is_generated_if_none_is_given(settings: Settings) -> None:
    first, second = (build(replace(settings, key="")).address(8050) for _ in range(2))
    assert first != second
    assert len(parse_qs(first.split("?")[1])["key"][0]) >= 32


def test_the_sign_in_page_escapes_its_texts() -> None:
    assert "<script>" not in page(
        post_to="/sign-in", by_name=False, target="'><script>alert(1)</script>", error="<script>"
    )
