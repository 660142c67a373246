"""Accounts: the file, its migration, and addresses that require accounts."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dashboard.access import sign_in
from dashboard.access.accounts import FILE, AccessError, add_account, read_accounts, replace_hash
from dashboard.access.middleware import demand_accounts
from dashboard.access.passwords import needs_rehash
from dashboard.app import build, run
from dashboard.settings import Settings


@pytest.mark.parametrize("path", ["/", "/live", "/healthz", "/?key=the-right-key"])
async def test_while_the_accounts_cannot_be_read_nothing_is_served(
    path: str, settings: Settings, browser_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    add_account(settings.data, "maria", "staff", "correct horse")
    async with browser_of(build(settings)) as client:
        await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        (settings.data / FILE).write_text("not json")
        answer = await client.get(path)
    assert (answer.status_code, str(settings.data) in answer.text) == (503, False)
    assert f"Request denied: {settings.data / FILE} cannot be read" in caplog.text


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "pumps.example", "127.example", "localhost.example"])
def test_it_does_not_start_on_a_reachable_address_without_accounts(settings: Settings, host: str) -> None:
    with pytest.raises(AccessError, match="pumpwatch user add NAME --role ROLE"):
        demand_accounts(replace(settings, host=host))
    add_account(settings.data, "maria", "staff", "correct horse")
    demand_accounts(replace(settings, host=host))


async def test_run_does_not_start_without_accounts_either(settings: Settings) -> None:
    with pytest.raises(AccessError):
        await run(replace(settings, host="0.0.0.0"), asyncio.Event(), print)


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [("ma ria", "staff", "correct horse"), ("m", "boss", "correct horse"), ("m", "staff", "short")],
)
def test_an_invalid_account_is_refused(tmp_path: Path, name: str, role: str, password: str) -> None:
    with pytest.raises(AccessError):
        add_account(tmp_path, name, role, password)
    assert read_accounts(tmp_path) == {}


def test_only_the_owner_can_read_the_accounts_and_they_contain_no_password(tmp_path: Path) -> None:
    add_account(tmp_path, "maria", "staff", "correct horse")
    path = tmp_path / "accounts.json"
    assert path.stat().st_mode & 0o077 == 0
    assert "correct horse" not in path.read_text()
    (row,) = json.loads(path.read_bytes())["accounts"]
    assert sorted(row) == ["hash", "name", "role"]
    assert row["hash"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


def write_scrypt_accounts(data: Path, *names: str) -> None:
    """Write `accounts.json` as earlier versions did, for the password "correct horse"."""
    salt = b"sixteen bytes ok"
    digest = hashlib.scrypt(b"correct horse", salt=salt, n=2**14, r=8, p=1)
    texts = {"salt": base64.b64encode(salt).decode(), "digest": base64.b64encode(digest).decode()}
    rows = [{"name": name, "role": "staff", **texts} for name in names]
    data.mkdir(parents=True, exist_ok=True)
    (data / FILE).write_text(json.dumps({"accounts": rows}))


async def test_accounts_of_earlier_versions_sign_in_and_get_a_new_hash(settings: Settings, browser_of: Any) -> None:
    write_scrypt_accounts(settings.data, "maria", "vera")
    async with browser_of(build(settings)) as client:
        assert (await client.post("/sign-in", data={"name": "maria", "password": "wrong"})).status_code == 401
        assert all(needs_rehash(account.hash) for account in read_accounts(settings.data).values())
        assert (await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})).status_code == 303
        assert (await client.get("/")).status_code == 200
    found = read_accounts(settings.data)
    assert {name: needs_rehash(account.hash) for name, account in found.items()} == {"maria": False, "vera": True}
    async with browser_of(build(settings)) as client:
        for name in ("maria", "vera"):
            assert (await client.post("/sign-in", data={"name": name, "password": "correct horse"})).status_code == 303
    assert not any(needs_rehash(account.hash) for account in read_accounts(settings.data).values())


async def test_a_new_hash_that_cannot_be_stored_does_not_prevent_the_sign_in(
    settings: Settings, browser_of: Any, monkeypatch: Any, caplog: Any
) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError("read-only")

    write_scrypt_accounts(settings.data, "maria")
    monkeypatch.setattr(sign_in, "replace_hash", refuse)
    async with browser_of(build(settings)) as client:
        assert (await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})).status_code == 303
        assert (await client.get("/")).status_code == 200
    assert "New password hash of maria not stored (read-only)" in caplog.text


def test_a_new_hash_does_not_overwrite_a_password_changed_meanwhile(tmp_path: Path) -> None:
    write_scrypt_accounts(tmp_path, "maria")
    before = read_accounts(tmp_path)["maria"]
    add_account(tmp_path, "maria", "viewer", "battery staple")
    changed = read_accounts(tmp_path)["maria"]
    replace_hash(tmp_path, before, "$argon2id$of-the-old-password")
    assert read_accounts(tmp_path) == {"maria": changed}


def test_accounts_added_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    names = {f"person-{number}" for number in range(8)}
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(lambda name: add_account(tmp_path, name, "staff", "correct horse"), names))
    assert set(read_accounts(tmp_path)) == names


def test_adding_an_account_does_not_overwrite_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not json")
    with pytest.raises(AccessError, match="cannot be read"):
        add_account(tmp_path, "maria", "staff", "correct horse")
    assert (tmp_path / FILE).read_text() == "not json"


def test_accounts_of_a_later_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 3, "accounts": []}')
    with pytest.raises(AccessError, match="has format 3; this version reads up to 2: upgrade"):
        read_accounts(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"accounts": [{"name": "maria"}]}', "not json"])
def test_accounts_that_cannot_be_read_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(AccessError, match="cannot be read"):
        read_accounts(tmp_path)
