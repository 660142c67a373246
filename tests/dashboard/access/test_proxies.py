"""Access behind a reverse proxy: whose headers are believed, which origins may change something, where links lead."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from dashboard.access.accounts import add_account
from dashboard.access.login_throttle import PER_MINUTE
from dashboard.access.middleware import Access, demand_accounts
from dashboard.access.proxies import BehindProxy
from dashboard.app import build
from dashboard.settings import Public, Settings, public_address

PUBLIC = public_address("https://ward.example/pumps-ward/", "", ())


def scope_of(client: str, headers: dict[str, str], path: str = "/") -> dict[str, Any]:
    return {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        "client": (client, 1234),
        "server": ("127.0.0.1", 8050),
    }


async def seen(public: Public, scope: dict[str, Any]) -> tuple[str, str, str]:
    """Return client, scheme and host that the application behind a proxy sees."""
    requests: list[Request] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        requests.append(Request(scope))
        await PlainTextResponse("")(scope, receive, send)

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(_message: Any) -> None:
        pass

    await BehindProxy(app, public)(scope, receive, send)
    (request,) = requests
    assert request.client is not None
    return request.client.host, request.url.scheme, request.headers["host"]


SENT = {
    "Host": "127.0.0.1:8050",
    "X-Forwarded-For": "203.0.113.9, 198.51.100.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "ward.example",
}


@pytest.mark.parametrize(
    ("proxies", "client", "expected"),
    [
        ((), "127.0.0.1", ("127.0.0.1", "http", "127.0.0.1:8050")),
        (("127.0.0.1",), "192.0.2.1", ("192.0.2.1", "http", "127.0.0.1:8050")),
        (("127.0.0.1",), "127.0.0.1", ("198.51.100.7", "https", "ward.example")),
        (("127.0.0.1",), "::ffff:127.0.0.1", ("198.51.100.7", "https", "ward.example")),
        (("::1",), "::1", ("198.51.100.7", "https", "ward.example")),
        (("127.0.0.1", "198.51.100.0/24"), "127.0.0.1", ("203.0.113.9", "https", "ward.example")),
    ],
)
async def test_only_a_trusted_proxy_names_client_scheme_and_host(
    proxies: tuple[str, ...], client: str, expected: tuple[str, str, str]
) -> None:
    assert await seen(public_address("", "", proxies), scope_of(client, SENT)) == expected


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X-Forwarded-For": "unknown"}, ("127.0.0.1", "http", "here")),
        ({"X-Forwarded-For": "203.0.113.9, [2001:db8::1]:443"}, ("2001:db8::1", "http", "here")),
        ({"X-Forwarded-For": "198.51.100.7:1234"}, ("198.51.100.7", "http", "here")),
        ({"X-Forwarded-Proto": "gopher"}, ("127.0.0.1", "http", "here")),
        ({"X-Forwarded-Host": "ward.example/evil?"}, ("127.0.0.1", "http", "here")),
    ],
)
async def test_what_a_proxy_garbles_is_ignored(headers: dict[str, str], expected: tuple[str, str, str]) -> None:
    public = public_address("", "", ("127.0.0.1",))
    assert await seen(public, scope_of("127.0.0.1", {"Host": "here", **headers})) == expected


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1:8050", "https://ward.example", 303),
        ("127.0.0.1:8050", "https://ward.example:443", 303),
        ("127.0.0.1:8050", "http://127.0.0.1:8050", 303),
        ("[::1]:8050", "http://[::1]:8050", 303),
        ("127.0.0.1:8050", "http://ward.example", 403),
        ("127.0.0.1:8050", "https://ward.example:8443", 403),
        ("127.0.0.1:8050", "https://ward.example.evil", 403),
        ("127.0.0.1:8050", "https://evil.example", 403),
        ("127.0.0.1:8050", "null", 403),
        ("127.0.0.1:8050", "", 403),
        ("", "", 403),
    ],
)
async def test_pages_of_the_public_address_and_of_the_served_host_may_post(
    host: str, origin: str, status: int, settings: Settings, browser_of: Callable[..., Any]
) -> None:
    async with browser_of(build(replace(settings, public=PUBLIC))) as client:
        headers = {"Host": host, "Origin": origin}
        answer = await client.post("/pumps-ward/sign-in", data={"key": "the-right-key"}, headers=headers)
    assert answer.status_code == status
    assert ("set-cookie" in answer.headers) is (status == 303)


async def test_a_refused_page_is_told_which_public_address_is_missing(dashboard: Access, browser_of: Any) -> None:
    async with browser_of(dashboard) as client:
        headers = {"Host": "127.0.0.1:8050", "Origin": "https://ward.example"}
        answer = await client.post("/live", headers=headers)
    assert answer.status_code == 403
    assert "start the dashboard with --public-url https://ward.example/" in answer.text


@pytest.mark.parametrize("stripped", [False, True])
async def test_under_a_path_everything_the_browser_gets_has_the_path(
    stripped: bool, settings: Settings, browser_of: Callable[..., Any]
) -> None:
    root = "" if stripped else "/pumps-ward"
    async with browser_of(build(replace(settings, public=PUBLIC))) as client:
        client.headers["Origin"] = "https://ward.example"
        page = await client.get(f"{root}/alarms?search=7", headers={"Accept": "text/html"})
        assert page.status_code == 401
        assert "action='/pumps-ward/sign-in'" in page.text
        assert "value='/alarms?search=7'" in page.text
        form = {"key": "the-right-key", "next": "/alarms?search=7"}
        answer = await client.post(f"{root}/sign-in", data=form)
        assert answer.headers["location"] == "/pumps-ward/alarms?search=7"
        cookie = answer.headers["set-cookie"]
        assert "; path=/pumps-ward;" in cookie.lower()
        assert "; secure" in cookie.lower()
        signed_in = {"Cookie": cookie.partition(";")[0]}
        html = (await client.get(f"{root}/", headers=signed_in)).text
        assert "/pumps-ward/assets/favicon.svg" in html
        assert 'src="/pumps-ward/assets/live.js' in html
        assert 'src="/assets' not in html
        layout = (await client.get(f"{root}/_dash-layout", headers=signed_in)).text.replace("\\u002f", "/")
        assert '"href":"/pumps-ward/"' in layout
        assert '"/pumps-ward/sign-out"' in layout
        assert '"href":"/"' not in layout
        assert (await client.get(f"{root}/assets/live.js", headers=signed_in)).status_code == 200
        left = await client.post(f"{root}/sign-out", headers=signed_in)
        assert left.headers["location"] == "/pumps-ward/"


async def test_the_path_without_its_slash_leads_to_the_path(settings: Settings, browser_of: Any) -> None:
    async with browser_of(build(replace(settings, public=PUBLIC))) as client:
        answer = await client.get("/pumps-ward?key=the-right-key")
    assert answer.headers["location"] == "/pumps-ward/?key=the-right-key"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_address_to_open_is_the_public_one(settings: Settings) -> None:
    assert build(replace(settings, public=PUBLIC)).address(8050) == "https://ward.example/pumps-ward/?key=the-right-key"
    below = replace(settings, public=public_address("", "/pumps-ward", ()))
    assert build(below).address(8050) == "http://127.0.0.1:8050/pumps-ward/?key=the-right-key"


@pytest.mark.parametrize(
    ("url", "root", "expected"),
    [
        ("https://Ward.Example", "", ("https://ward.example/", "https://ward.example", "")),
        ("https://ward.example:443/a/b/", "", ("https://ward.example/a/b/", "https://ward.example", "/a/b")),
        ("http://[::1]:81/", "/w/", ("http://[::1]:81/w/", "http://[::1]:81", "/w")),
        ("https://müller.example", "", ("https://xn--mller-kva.example/", "https://xn--mller-kva.example", "")),
        ("", "/pumps-ward", ("", "", "/pumps-ward")),
    ],
)
def test_a_public_address_is_read_as_browsers_write_it(url: str, root: str, expected: tuple[str, str, str]) -> None:
    public = public_address(url, root, ())
    assert (public.url, public.origin, public.root) == expected


@pytest.mark.parametrize(
    ("url", "root", "proxies", "sentence"),
    [
        ("ward.example", "", (), "public-url 'ward.example' is not an http or https address"),
        ("https://[ward", "", (), "is not an http or https address"),
        ("https://ward.example:99999", "", (), "is not an http or https address"),
        ("https://u:secret@ward.example", "", (), "public-url of ward.example has a user, query or fragment"),
        ("https://ward.example/?a=1", "", (), "has a user, query or fragment"),
        ("https://ward.example/a b", "", (), "the path '/a b' of public-url is not allowed"),
        ("", "pumps", (), "the path 'pumps' of root-path is not allowed"),
        ("", "/a/../b", (), "the path '/a/../b' of root-path is not allowed"),
        ("https://ward.example/a", "/b", (), "give the same path"),
        ("", "", ("nginx",), "trusted-proxy 'nginx' is not an address or network"),
        ("", "", ("*",), "trusted-proxy '*' is not an address or network"),
    ],
)
def test_an_invalid_public_address_is_refused_with_what_is_allowed(
    url: str, root: str, proxies: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(ValueError, match=r".") as refused:
        public_address(url, root, proxies)
    assert sentence in str(refused.value)
    assert "secret" not in str(refused.value)


async def test_wrong_keys_of_one_client_of_a_trusted_proxy_do_not_lock_out_another(
    settings: Settings, browser_of: Callable[..., Any]
) -> None:
    dashboard = build(replace(settings, public=public_address("", "", ("127.0.0.1",))))
    async with browser_of(dashboard) as client:
        guesser, nurse = ({"X-Forwarded-For": address} for address in ("203.0.113.9", "203.0.113.10"))
        tries = [await client.post("/sign-in", data={"key": "guess"}, headers=guesser) for _ in range(PER_MINUTE + 1)]
        assert tries[-1].status_code == 429
        assert (await client.post("/sign-in", data={"key": "the-right-key"}, headers=nurse)).status_code == 303


@pytest.mark.parametrize(("url", "warned"), [("https://ward.example", True), ("http://[::1]:81", False), ("", False)])
def test_a_public_address_without_accounts_is_a_warning(
    url: str, warned: bool, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    demand_accounts(replace(settings, public=public_address(url, "", ())))
    assert ("pumpwatch user add" in caplog.text) is warned
    add_account(settings.data, "maria", "operator", "correct horse")
    caplog.clear()
    demand_accounts(replace(settings, public=public_address(url, "", ())))
    assert caplog.text == ""
