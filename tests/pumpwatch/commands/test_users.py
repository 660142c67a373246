"""`pumpwatch user`: accounts on the command line, and what the audit trail says of them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from broker.store import journal_query
from dashboard.access.accounts import accounts_path, read_accounts
from dashboard.access.middleware import Access
from dashboard.settings import Settings
from pumpwatch.__main__ import app


def user(data: Path, *words: str, typed: str = "", fails: str = "") -> str:
    """Run `pumpwatch user` and return its output; `fails` is what its one sentence says."""
    result = CliRunner().invoke(app, ["user", *words, "--data", str(data)], input=typed)
    if fails:
        assert result.exit_code != 0
        assert fails in str(result.exception)
    else:
        assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, role in (("eva", "admin"), ("vera", "operator")):
        user(tmp_path, "add", name, "--role", role, "--password-stdin", typed="correct horse\n")
    return tmp_path


def test_accounts_are_changed_and_listed(data: Path) -> None:
    user(data, "role", "vera", "engineer")
    user(data, "disable", "vera")
    rows = json.loads(user(data, "list", "--json"))
    assert [(row["name"], row["role"], row["disabled"]) for row in rows] == [
        ("eva", "admin", False),
        ("vera", "engineer", True),
    ]
    assert "hash" not in rows[0]
    assert "disabled" in user(data, "list")
    user(data, "enable", "vera")
    before = read_accounts(data)["vera"]
    user(data, "password", "vera", "--password-stdin", typed="battery staple\n")
    after = read_accounts(data)["vera"]
    assert (before.hash != after.hash, before.generation != after.generation) == (True, True)
    user(data, "reset-second-factor", "vera")
    user(data, "remove", "vera")
    assert list(read_accounts(data)) == ["eva"]


def test_every_change_is_in_the_audit_trail_with_who_made_it(data: Path) -> None:
    user(data, "role", "vera", "viewer")
    user(data, "remove", "vera")
    events = journal_query.entries(data, journal_query.Query(limit=10)).select("kind", "who", "text").rows()
    assert [kind for kind, _, _ in events] == ["account_removed", "account_changed", "account_added", "account_added"]
    assert all(who for _, who, _ in events)
    assert "made vera viewer" in events[1][2]


@pytest.mark.parametrize("words", [("role", "eva", "viewer"), ("disable", "eva"), ("remove", "eva")])
def test_the_last_admin_needs_force(data: Path, words: tuple[str, ...]) -> None:
    user(data, *words, fails="eva is the only admin who can sign in; make another account admin first, or use --force")
    user(data, *words, "--force")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("role", "nobody", "viewer"), "there is no account 'nobody'"),
        (("role", "vera", "king"), "unknown role 'king': use one of viewer, operator, engineer, admin"),
        (("password", "vera"), "there is no terminal to ask for the password; give it with --password-stdin"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(data: Path, words: tuple[str, ...], text: str) -> None:
    user(data, *words, fails=text)


def test_accounts_that_are_gone_can_be_made_again(data: Path) -> None:
    accounts_path(data).unlink()
    user(data, "list", fails="is missing or names nobody; restore it from a backup")
    output = user(data, "add", "eva", "--role", "admin", "--password-stdin", typed="correct horse\n")
    assert "this account is now the only one" in output


async def test_sessions_are_listed_and_ended_on_the_command_line(data: Path) -> None:
    async def served(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    application = Access(served, Settings("mqtt://127.0.0.1:1", data), "")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(application, client=("192.0.2.7", 1)),
        base_url="http://pumpwatch",
        headers={"Origin": "http://pumpwatch", "User-Agent": "Ward PC"},
    ) as client:
        await client.post("/sign-in", data={"name": "vera", "password": "correct horse"})
        assert (await client.get("/")).status_code == 200
        (row,) = json.loads(await asyncio.to_thread(user, data, "sessions", "vera", "--json"))
        assert (row["address"], row["agent"]) == ("192.0.2.7", "Ward PC")
        assert "192.0.2.7" in await asyncio.to_thread(user, data, "sessions", "vera", "--end")
        assert (await client.get("/")).status_code == 401
    assert json.loads(await asyncio.to_thread(user, data, "sessions", "vera", "--json")) == []


def test_the_doctor_says_that_nobody_can_sign_in(data: Path) -> None:
    from pumpwatch.commands.doctor import sign_in

    assert [(finding.state, finding.text) for finding in sign_in(data)] == [("ok", "2 accounts")]
    accounts_path(data).unlink()
    (finding,) = sign_in(data)
    assert (finding.state, "nobody can sign in" in finding.text) == ("failed", True)
