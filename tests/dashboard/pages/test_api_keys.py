"""Page API keys: admins create keys, which are shown once, and revoke them; nobody else does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from broker.store import secret_files
from dashboard.access.account_changes import change, disabled
from dashboard.access.accounts import VISITOR, Visitor, add_account
from dashboard.access.api_key_file import FILE, read_keys
from dashboard.access.api_keys import KEYS, ApiKeys, KeyRefusedError
from dashboard.access.audit_trail import AuditTrail
from dashboard.access.sessions import SessionStore
from dashboard.pages import api_keys as page
from dashboard.settings import Settings
from tests.dashboard.conftest import WALL_MS


@pytest.fixture
def keys(settings: Settings) -> Iterator[ApiKeys]:
    add_account(settings.data, "ada", "admin", "a-long-password")
    store = SessionStore(settings, lambda: WALL_MS)
    made = ApiKeys(settings.data, store, AuditTrail(settings.data, lambda: WALL_MS), lambda: WALL_MS)
    tokens = KEYS.set(made), VISITOR.set(Visitor("ada", "admin"))
    yield made
    KEYS.reset(tokens[0])
    VISITOR.reset(tokens[1])


def text_of(component: Any) -> str:
    return json.dumps(component, default=lambda one: one.to_plotly_json(), ensure_ascii=False)


def token_of(shown: Any) -> str:
    return str(shown.children[1].children)


async def test_a_key_is_shown_once_and_kept_as_a_hash_for_its_owner_alone(keys: ApiKeys, settings: Settings) -> None:
    _, notices, shown, _ = await page.created("nightly", "operator", 30)
    token = token_of(shown)
    assert notices[0]["message"] == "Created the API key nightly."
    file = secret_files.path(settings.data) / FILE
    assert token not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert token not in text_of(page.layout())
    assert "never" in text_of(page.listed())
    assert keys.visitor(f"Bearer {token}") == Visitor("API key nightly", "operator")
    assert "never" not in text_of(page.listed())
    await keys.close()


@pytest.mark.parametrize(
    ("name", "role", "days", "why"),
    [
        ("", "viewer", 30, "invalid name"),
        ("a b", "viewer", 30, "invalid name"),
        ("x", "king", 30, "unknown role"),
        ("x", "viewer", 0, "1 to 365"),
        ("x", "viewer", 366, "1 to 365"),
        ("x", "viewer", None, "1 to 365"),
    ],
)
async def test_bad_input_is_refused_with_the_reason(keys: ApiKeys, name: str, role: str, days: Any, why: str) -> None:
    assert why in text_of((await page.created(name, role, days))[1])
    assert keys.all() == []


async def test_a_revoked_key_and_one_whose_creator_is_disabled_are_refused_at_once(
    keys: ApiKeys, settings: Settings
) -> None:
    add_account(settings.data, "bob", "admin", "a-long-password")
    first, second = [token_of((await page.created(name, "viewer", 30))[2]) for name in ("first", "second")]
    await page.revoked("first")
    with pytest.raises(KeyRefusedError, match="revoked"):
        keys.visitor(f"Bearer {first}")
    change(settings.data, "ada", disabled(True), at=WALL_MS)
    with pytest.raises(KeyRefusedError, match="account ada"):
        keys.visitor(f"Bearer {second}")
    assert "not valid" in text_of(page.listed())
    await keys.close()


async def test_who_is_no_admin_neither_sees_nor_creates_nor_revokes_keys(keys: ApiKeys, settings: Settings) -> None:
    await page.created("first", "viewer", 30)
    VISITOR.set(Visitor("eve", "engineer"))
    assert "first" not in text_of(page.listed())
    assert "only admins" in text_of((await page.created("second", "viewer", 30))[1])
    assert "only admins" in text_of((await page.revoked("first"))[1])
    assert [one.name for one in read_keys(settings.data)] == ["first"]


async def test_accounts_of_an_identity_provider_are_sent_to_the_command_line(keys: ApiKeys) -> None:
    VISITOR.set(Visitor("olga", "admin"))
    assert "pumpwatch apikey add" in text_of((await page.created("x", "viewer", 30))[1])
