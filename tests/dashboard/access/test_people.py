"""The pages Users and Account: administrators manage accounts, each person their own, and nobody else anything."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from broker.store import journal_query
from dashboard.access.accounts import add_account, read_accounts
from dashboard.access.middleware import Access
from dashboard.app import build
from dashboard.pages.account import browser_name
from dashboard.settings import Settings

pytestmark = pytest.mark.usefixtures("cheap_hashes")
ROLES = {"eva": "admin", "otto": "engineer", "maria": "operator", "vera": "viewer"}
PASSWORD = "correct horse"


@pytest.fixture
def application(settings: Settings) -> Access:
    for name, role in ROLES.items():
        add_account(settings.data, name, role, PASSWORD)
    return build(settings)


async def signed_in(browser_of: Any, application: Access, name: str) -> httpx.AsyncClient:
    client: httpx.AsyncClient = browser_of(application)
    assert (await client.post("/sign-in", data={"name": name, "password": PASSWORD})).status_code == 303
    return client


async def callback(client: httpx.AsyncClient, pressed: str, **values: Any) -> str:
    """Send Dash the callback that a button or store triggers, as a browser or a forger does, and return the answer.

    `values` are by id, with "_" for "-".
    """
    given = {name.replace("_", "-"): value for name, value in values.items()}
    spec = next(
        one
        for one in (await client.get("/_dash-dependencies")).json()
        if not one["clientside_function"]
        and pressed in [wire["id"] for wire in one["inputs"]]
        and (pressed != "url" or one["output"] == "page.children")
    )

    def filled(wires: list[dict[str, str]]) -> list[dict[str, Any]]:
        return [{**wire, "value": given.get(wire["id"], 1 if wire["id"] == pressed else None)} for wire in wires]

    names = spec["output"].strip(".").split("...")
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
    pressed_property = next(wire["property"] for wire in spec["inputs"] if wire["id"] == pressed)
    answer = await client.post(
        "/_dash-update-component",
        json={
            "output": spec["output"],
            "outputs": outputs if spec["output"].startswith("..") else outputs[0],
            "inputs": filled(spec["inputs"]),
            "state": filled(spec["state"]),
            "changedPropIds": [f"{pressed}.{pressed_property}"],
        },
    )
    assert answer.status_code in {200, 204}, answer.text
    return answer.text


FORGED: dict[str, dict[str, Any]] = {
    "new-add": {"new_name": "mallory", "new_role": "admin", "new_password": PASSWORD},
    "account-role-set": {"account": {"name": "vera"}, "account_role": "admin"},
    "account-password-set": {"account": {"name": "eva"}, "account_password": "battery staple"},
    "account-disable": {"account": {"name": "eva"}},
    "account-end": {"account": {"name": "eva"}},
    "account-reset": {"account": {"name": "eva"}},
    "account-removal": {"account": {"name": "eva"}},
}


@pytest.mark.parametrize("name", ["vera", "maria", "otto"])
async def test_no_other_role_reaches_accounts_neither_by_page_nor_by_direct_callback(
    name: str, application: Access, settings: Settings, browser_of: Any
) -> None:
    before = read_accounts(settings.data)
    client = await signed_in(browser_of, application, name)
    assert "/users" not in (await client.get("/_dash-layout")).text
    page = await callback(client, "url", url="/users")
    assert "Access denied" in page
    assert "eva" not in page
    assert "eva" not in await callback(client, "accounts-changed", accounts_changed={"n": 1})
    for button, values in FORGED.items():
        assert "only admins may manage accounts" in await callback(client, button, **values), button
    assert read_accounts(settings.data) == before
    await application._trail.drain()
    entries = journal_query.entries(settings.data, journal_query.Query(limit=50, who=name))
    denied = entries.filter(kind="denied")["text"].to_list()[::-1]
    refusal = f"not allowed for the role {ROLES[name]}"
    at_once = [f"{what} accounts: {refusal}" for what in ("list", "add", "change")]
    # Each at once, and in the end how often again: nothing that was tried is missing.
    assert denied == [f"see the page Users: {refusal}", *at_once, f"change accounts: {refusal}; 5 more within 60 s"]


async def test_an_admin_lists_adds_changes_and_removes_accounts(
    application: Access, settings: Settings, browser_of: Any
) -> None:
    client = await signed_in(browser_of, application, "eva")
    vera = await signed_in(browser_of, application, "vera")
    page = await callback(client, "url", url="/users")
    assert all(name in page for name in ROLES)
    form = {"new_name": "nils", "new_role": "operator", "new_password": PASSWORD}
    assert "Added nils as operator" in await callback(client, "new-add", **form)
    assert "there is an account nils already" in await callback(client, "new-add", **form)
    changed = await callback(client, "account-role-set", account={"name": "vera"}, account_role="engineer")
    assert "Made vera engineer" in changed
    assert (await vera.get("/")).status_code == 401
    assert "Removed nils" in await callback(client, "account-removal", account={"name": "nils"})
    accounts = read_accounts(settings.data)
    assert (accounts["vera"].role, "nils" in accounts) == ("engineer", False)
    await application._trail.drain()
    entries = journal_query.entries(settings.data, journal_query.Query(limit=50, who="eva")).reverse()
    assert entries["kind"].to_list() == ["signed_in", "account_added", "account_changed", "account_removed"]


@pytest.mark.parametrize("button", ["account-role-set", "account-disable", "account-removal"])
async def test_the_page_never_takes_away_the_last_admin(
    button: str, application: Access, settings: Settings, browser_of: Any
) -> None:
    client = await signed_in(browser_of, application, "eva")
    answer = await callback(client, button, account={"name": "eva"}, account_role="viewer")
    assert "eva is the only admin who can sign in" in answer
    assert read_accounts(settings.data)["eva"].role == "admin"


async def test_the_own_password_ends_the_other_sessions_and_keeps_this_one(
    application: Access, browser_of: Any
) -> None:
    here = await signed_in(browser_of, application, "maria")
    elsewhere = await signed_in(browser_of, application, "maria")
    new = {"own_new": "battery staple", "own_repeated": "battery staple"}
    wrong = await callback(here, "own-change", own_current="wrong", **new)
    assert "the current password is wrong" in wrong
    differs = await callback(here, "own-change", own_current=PASSWORD, own_new="battery staple", own_repeated="other")
    assert "differ" in differs
    assert "Password changed" in await callback(here, "own-change", own_current=PASSWORD, **new)
    assert ((await here.get("/")).status_code, (await elsewhere.get("/")).status_code) == (200, 401)
    assert (await elsewhere.post("/sign-in", data={"name": "maria", "password": "battery staple"})).status_code == 303


async def test_guessing_the_current_password_in_a_session_is_limited(application: Access, browser_of: Any) -> None:
    client = await signed_in(browser_of, application, "maria")
    new = {"own_new": "battery staple", "own_repeated": "battery staple"}
    answers = [await callback(client, "own-change", own_current=f"guess {one}", **new) for one in range(6)]
    assert "Too many attempts" in answers[-1]


async def test_own_sessions_are_listed_and_ended_one_by_one_or_all(application: Access, browser_of: Any) -> None:
    here, there, elsewhere = [await signed_in(browser_of, application, "maria") for _ in range(3)]
    other = await signed_in(browser_of, application, "vera")
    page = json.loads(await callback(here, "url", url="/account"))
    handles = [json.loads(text)["handle"] for text in found(page, "data-session")]
    assert len(handles) == 2
    assert "has ended already" in await callback(other, "session", session={"handle": handles[0]})
    await callback(here, "session", session={"handle": handles[0]})
    assert sorted([(await one.get("/")).status_code for one in (there, elsewhere)]) == [200, 401]
    await here.post("/sign-out?everywhere=1")
    assert [(await one.get("/")).status_code for one in (here, there, elsewhere, other)] == [401, 401, 401, 200]


def found(part: Any, name: str) -> list[str]:
    """Return every value of a property in a layout."""
    if isinstance(part, dict):
        here = [part[name]] if name in part else []
        return here + [value for one in part.values() for value in found(one, name)]
    return [value for one in part for value in found(one, name)] if isinstance(part, list) else []


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36", "Chrome on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 20_0 like Mac OS X) Version/20.0 Safari/604.1", "Safari on iPhone"),
        ("python-httpx/0.28", "python-httpx/0.28"),
        ("", "unknown"),
    ],
)
def test_browsers_are_named_as_people_name_them(agent: str, name: str) -> None:
    assert browser_name(agent) == name
