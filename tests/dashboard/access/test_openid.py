"""OpenID Connect: sign-in through a provider that the test runs, and every way to forge it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse, PlainTextResponse

from broker.store import journal_query
from dashboard.access.accounts import ROLES, VISITOR, add_account
from dashboard.access.middleware import Access, demand_accounts
from dashboard.settings import OpenId, Settings, openid_provider
from tests.dashboard.access.identity_provider import (
    CLIENT,
    ISSUER,
    OTHER_KEY,
    SECRET,
    IdentityProvider,
    unsigned,
)

pytestmark = pytest.mark.usefixtures("cheap_hashes")
OPENID = OpenId(ISSUER, CLIENT, SECRET, "roles", (("ward-nurses", "operator"), ("clinic-it", "admin")))


async def whoami(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse(f"{VISITOR.get().name} {VISITOR.get().role}")(scope, receive, send)


@pytest.fixture
def provider() -> IdentityProvider:
    return IdentityProvider()


def application(settings: Settings, provider: IdentityProvider, openid: OpenId | None = OPENID) -> Access:
    made = Access(whoami, replace(settings, openid=openid), "")
    if made.openid:
        made.openid._transport = httpx2.ASGITransport(provider)
    return made


async def begun(client: Any, provider: IdentityProvider, target: str = "/alarms") -> str:
    """Begin a sign-in and return the address that the provider sends the browser back to."""
    answer = await client.get(f"/sign-in/oidc/start?next={target}")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"{ISSUER}/authorization_endpoint?")
    return provider.authorize(answer.headers["location"])


async def test_the_provider_signs_people_in_with_the_role_of_its_claim(
    settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    served = application(settings, provider)
    async with browser_of(served) as client:
        page = await client.get("/alarms", headers={"Accept": "text/html"})
        assert "/sign-in/oidc/start?next=%2Falarms" in page.text
        answer = await client.get(await begun(client, provider))
        assert (answer.status_code, answer.headers["location"]) == (303, "/alarms")
        assert (await client.get("/")).text == "nils operator"
    await served._trail.drain()
    (entry,) = journal_query.entries(settings.data, journal_query.Query(limit=10)).to_dicts()
    assert (entry["kind"], entry["who"]) == ("signed_in", "nils")
    assert f"signed in as operator by {ISSUER}" in entry["text"]


async def test_of_several_roles_the_highest_counts_also_in_a_nested_claim(
    settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    provider.claims = {"email": "eva@ward.example", "realm_access": {"roles": ["ward-nurses", "clinic-it", "x"]}}
    openid = replace(OPENID, role_claim="realm_access.roles")
    async with browser_of(application(settings, provider, openid)) as client:
        await client.get(await begun(client, provider))
        assert (await client.get("/")).text == "eva@ward.example admin"


@pytest.mark.parametrize("roles", [["visitors"], [], "", None, {"admin": True}, 7])
async def test_without_a_known_role_there_is_no_access_and_a_sentence_says_why(
    roles: Any, settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    provider.claims["roles"] = roles
    async with browser_of(application(settings, provider)) as client:
        answer = await client.get(await begun(client, provider))
        assert answer.status_code == 403
        assert "gives you no role here; ask its administrator for one in the claim roles" in answer.text
        assert (await client.get("/")).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"exp": 1},
        {"preferred_username": "<script>alert(1)</script>"},
    ],
    ids=lambda claims: next(iter(claims)),
)
async def test_a_token_with_a_wrong_claim_signs_nobody_in(
    claims: dict[str, Any], settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    provider.claims |= claims
    async with browser_of(application(settings, provider)) as client:
        answer = await client.get(await begun(client, provider))
        assert (answer.status_code, "<script>" in answer.text) == (403, False)
        assert (await client.get("/")).status_code == 401


async def test_a_token_with_another_signature_or_none_signs_nobody_in(
    settings: Settings, provider: IdentityProvider, browser_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with browser_of(application(settings, provider)) as client:
        provider.key = OTHER_KEY
        assert (await client.get(await begun(client, provider))).status_code == 403
        claims = {"iss": ISSUER, "aud": CLIENT, "sub": "1", "exp": 9e9, "iat": 1, **provider.claims}
        answer = JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": unsigned(claims)})
        monkeypatch.setattr(provider, "token", lambda *_: answer)
        assert (await client.get(await begun(client, provider))).status_code == 403
        assert (await client.get("/")).status_code == 401


async def test_a_forged_state_or_another_browser_asks_the_provider_nothing(
    settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    served = application(settings, provider)
    async with browser_of(served) as client, browser_of(served) as victim:
        back = await begun(client, provider)
        before = len(provider.asked)
        assert (await victim.get(back)).status_code == 403
        assert (await client.get(back[:-4] + "abcd")).status_code == 403
        assert (await client.get("/sign-in/oidc?code=x")).status_code == 403
        assert (await client.get("/sign-in/oidc?state=%C3%A9&code=x")).status_code == 403
        assert len(provider.asked) == before
        assert (await client.get(back)).status_code == 303
        assert (await client.get(back)).status_code == 403, "neither state nor code is good twice"


@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/sign-out"])
async def test_the_provider_leads_back_to_no_other_site(
    target: str, settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    async with browser_of(application(settings, provider)) as client:
        assert (await client.get(await begun(client, provider, target))).headers["location"] == "/"


async def test_a_local_account_is_not_taken_over_by_the_same_name_at_the_provider(
    settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    served = application(settings, provider)
    async with browser_of(served) as client:
        await client.get(await begun(client, provider))
        assert (await client.get("/")).status_code == 200
        add_account(settings.data, "nils", "viewer", "correct horse")
        assert (await client.get("/")).status_code == 401
        answer = await client.get(await begun(client, provider))
        assert "nils has an account here: sign in with its password" in answer.text


async def test_with_a_provider_the_shared_key_is_not_valid_not_even_when_the_provider_is_gone(
    settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    served = application(settings, provider)
    demand_accounts(replace(settings, openid=OPENID, host="0.0.0.0"))
    assert "key=" not in served.address(8050)
    async with browser_of(served) as client:
        assert (await client.get("/?key=the-right-key")).status_code == 401
        await client.get(await begun(client, provider))
        cookies = dict(client.cookies)
    async with browser_of(application(settings, provider, openid=None)) as client:
        client.cookies.update(cookies)
        assert (await client.get("/")).status_code == 503
        assert (await client.get("/?key=the-right-key")).status_code == 503


async def test_a_provider_that_is_down_or_another_is_said_in_a_sentence(
    settings: Settings, provider: IdentityProvider, browser_of: Any
) -> None:
    provider.issuer = "https://another.example"
    served = application(settings, provider)
    async with browser_of(served) as client:
        assert "calls itself" in (await client.get("/sign-in/oidc/start")).text
        served.openid._transport = httpx2.MockTransport(lambda _: httpx2.Response(503))  # type: ignore[union-attr]
        answer = await client.get("/sign-in/oidc/start")
    assert (answer.status_code, "does not answer. Try again in a minute" in answer.text) == (403, True)


@pytest.mark.parametrize(
    ("issuer", "client", "roles", "text"),
    [
        ("http://login.example", "c", ("a=viewer",), "use an https address"),
        ("https://login.example", "", ("a=viewer",), "oidc-client-id"),
        ("https://login.example", "c", (), "oidc-role is missing"),
        ("https://login.example", "c", ("a=king",), "oidc-role a=king: write VALUE=ROLE"),
    ],
)
def test_invalid_settings_are_refused(issuer: str, client: str, roles: tuple[str, ...], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        openid_provider(issuer, client, "", "roles", roles=roles, known=ROLES)
