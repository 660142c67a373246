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
from dashboard.access.account_changes import LastAdminError, change, disabled, removed, role
from dashboard.access.accounts import (
    FILE,
    AccessError,
    accounts_path,
    add_account,
    problem,
    read_accounts,
    replace_hash,
)
from dashboard.access.middleware import demand_accounts
from dashboard.access.passwords import needs_rehash
from dashboard.app import build, run
from dashboard.settings import Settings


@pytest.mark.parametrize("path", ["/", "/live", "/?key=the-right-key"])
@pytest.mark.parametrize("change", ["unreadable", "deleted", "emptied"])
async def test_while_the_accounts_cannot_be_read_nothing_is_served(
    path: str, change: str, settings: Settings, browser_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    add_account(settings.data, "maria", "operator", "correct horse")
    async with browser_of(build(settings)) as client:
        await client.post("/sign-in", data={"name": "maria", "password": "correct horse"})
        file = accounts_path(settings.data)
        if change == "deleted":
            file.unlink()
        else:
            file.write_text("not json" if change == "unreadable" else '{"format": 3, "accounts": []}')
        answer = await client.get(path)
        key = await client.post("/sign-in", data={"key": "the-right-key"})
        health = await client.get("/healthz")
    assert (answer.status_code, key.status_code, str(settings.data) in answer.text) == (503, 503, False)
    assert "Nobody can sign in" in answer.text
    assert "pumpwatch doctor" in answer.text
    assert health.status_code == 200
    reason = f"{file} cannot be read" if change == "unreadable" else "pumpwatch user add NAME --role admin"
    assert reason in caplog.text
    assert reason in problem(settings.data)


async def test_a_dashboard_whose_accounts_are_gone_starts_and_signs_nobody_in(
    settings: Settings, browser_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    add_account(settings.data, "maria", "operator", "correct horse")
    accounts_path(settings.data).unlink()
    demand_accounts(replace(settings, host="0.0.0.0"))
    assert "pumpwatch user add NAME --role admin" in caplog.text
    application = build(settings)
    assert "key=" not in application.address(8050)
    async with browser_of(application) as client:
        assert (await client.get("/?key=the-right-key")).status_code == 503
    add_account(settings.data, "vera", "admin", "correct horse")
    async with browser_of(application) as client:
        assert (await client.post("/sign-in", data={"name": "vera", "password": "correct horse"})).status_code == 303


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "pumps.example", "127.example", "localhost.example"])
def test_it_does_not_start_on_a_reachable_address_without_accounts(settings: Settings, host: str) -> None:
    with pytest.raises(AccessError, match="pumpwatch user add NAME --role ROLE"):
        demand_accounts(replace(settings, host=host))
    add_account(settings.data, "maria", "operator", "correct horse")
    demand_accounts(replace(settings, host=host))


async def test_run_does_not_start_without_accounts_either(settings: Settings) -> None:
    with pytest.raises(AccessError):
        await run(replace(settings, host="0.0.0.0"), asyncio.Event(), print)


@pytest.mark.parametrize(
    ("name", "role", "password"),
    [("ma ria", "operator", "correct horse"), ("m", "boss", "correct horse"), ("m", "operator", "short")],
)
def test_an_invalid_account_is_refused(tmp_path: Path, name: str, role: str, password: str) -> None:
    with pytest.raises(AccessError):
        add_account(tmp_path, name, role, password)
    assert read_accounts(tmp_path) == {}


def test_only_the_owner_can_read_the_accounts_and_they_contain_no_password(tmp_path: Path) -> None:
    add_account(tmp_path, "maria", "operator", "correct horse")
    path = accounts_path(tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert "correct horse" not in path.read_text()
    (row,) = json.loads(path.read_bytes())["accounts"]
    assert sorted(row) == ["changed_at", "disabled", "generation", "hash", "name", "recovery", "role", "totp"]
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


def test_the_file_of_an_earlier_version_moves_to_the_secrets_and_staff_become_operators(tmp_path: Path) -> None:
    write_scrypt_accounts(tmp_path, "maria")
    (tmp_path / FILE).chmod(0o644)
    assert read_accounts(tmp_path)["maria"].role == "operator"
    assert not (tmp_path / FILE).exists()
    assert accounts_path(tmp_path).stat().st_mode & 0o777 == 0o600
    write_scrypt_accounts(tmp_path, "mallory")
    with pytest.raises(AccessError, match="both exist; remove the one that is out of date"):
        read_accounts(tmp_path)


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
        list(pool.map(lambda name: add_account(tmp_path, name, "operator", "correct horse"), names))
    assert set(read_accounts(tmp_path)) == names


def test_adding_an_account_does_not_overwrite_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("not json")
    with pytest.raises(AccessError, match="cannot be read"):
        add_account(tmp_path, "maria", "operator", "correct horse")
    assert accounts_path(tmp_path).read_text() == "not json"


def test_accounts_of_a_later_version_are_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 4, "accounts": []}')
    with pytest.raises(AccessError, match="has format 4; this version reads up to 3: upgrade"):
        read_accounts(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{}", '{"accounts": [{"name": "maria"}]}', "not json"])
def test_accounts_that_cannot_be_read_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    with pytest.raises(AccessError, match="cannot be read"):
        read_accounts(tmp_path)


@pytest.mark.parametrize("made", [role("viewer"), disabled(True), removed], ids=["downgraded", "disabled", "removed"])
def test_the_last_admin_who_can_sign_in_stays(tmp_path: Path, made: Any) -> None:
    add_account(tmp_path, "eva", "admin", "correct horse")
    add_account(tmp_path, "otto", "admin", "correct horse")
    change(tmp_path, "otto", disabled(True), at=1)
    with pytest.raises(LastAdminError, match="eva is the only admin who can sign in"):
        change(tmp_path, "eva", made, at=2, keep_admin=True)
    assert read_accounts(tmp_path)["eva"].role == "admin"
    change(tmp_path, "otto", disabled(False), at=3)
    change(tmp_path, "eva", made, at=4, keep_admin=True)


async def test_a_disabled_account_signs_nobody_in(settings: Settings, browser_of: Any) -> None:
    add_account(settings.data, "maria", "operator", "correct horse")
    form = {"name": "maria", "password": "correct horse"}
    async with browser_of(build(settings)) as client:
        assert (await client.post("/sign-in", data=form)).status_code == 303
        change(settings.data, "maria", disabled(True), at=1)
        assert (await client.get("/")).status_code == 401
        assert (await client.post("/sign-in", data=form)).status_code == 401
        change(settings.data, "maria", disabled(False), at=2)
        assert (await client.post("/sign-in", data=form)).status_code == 303
