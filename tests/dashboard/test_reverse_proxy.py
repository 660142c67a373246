"""The dashboard in Chromium through real reverse proxies: sign-in, links, live updates, actions."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from broker.mqtt.endpoint import free_port
from dashboard.settings import public_address
from tests.dashboard import proxy_servers
from tests.dashboard.proxy_servers import HOST
from tests.dashboard.ward import NOTICED_IN_A_HURRY_MS, NOTICED_MS, Ward

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000
POLLING = "Live by polling: the proxy does not pass WebSockets"
UPGRADE = (
    "proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $http_connection;"
)


@pytest.fixture
def ward(tmp_path: Path, fleet: Any) -> Iterator[Ward]:
    ward = Ward(tmp_path / "data", fleet, tmp_path)
    (tmp_path / "data" / "snapshot").mkdir(parents=True)
    with ward.moving():
        yield ward


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Not the setting of a browser context: the worker that holds the WebSocket belongs to none.
        arguments = ["--no-sandbox", "--ignore-certificate-errors", f"--host-resolver-rules=MAP {HOST} 127.0.0.1"]
        found = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    yield page
    context.close()


def plain(location: str, port: int, dashboard: int, *, extra: str = "", to: str = "") -> str:
    """Return a server of nginx that passes a location on, by default with nothing but `proxy_pass`."""
    target = f"proxy_pass http://127.0.0.1:{dashboard}{to};"
    return f"server {{ listen 127.0.0.1:{port}; location {location} {{ {target} {extra} }} }}"


def expect_a_working_dashboard(page: Page, address: str, root: str) -> list[float]:
    """Sign in with the printed address, follow a link, and acknowledge an alarm; return when the page asked for data.

    The first entry is when it was opened; times go on being added.
    """
    asked = [time.monotonic()]
    page.on("request", lambda request: asked.append(time.monotonic()) if request.url.endswith("/live") else None)
    page.goto(address)
    expect(page.locator("#worst .alarm-row").first).to_be_visible(timeout=PATIENCE_MS)
    assert "key=" not in page.url
    page.evaluate("window.untouched = true")
    expect(page.locator("#therapy")).to_contain_text("UTC", timeout=PATIENCE_MS)
    page.locator("#worst .pump-link").first.click()
    expect(page.locator("#pump-head h1")).to_contain_text("ITB-", timeout=PATIENCE_MS)
    assert f"{HOST}" in page.url
    assert f"{root}/pump/ITB-" in page.url
    page.get_by_role("link", name="Alarms").click()
    expect(page.locator("#alarm-list .alarm-row").first).to_be_visible(timeout=PATIENCE_MS)
    page.locator("#alarm-list .alarm-row .button").first.click()
    expect(page.locator(".mantine-Notification-root")).to_contain_text("Not acknowledged: no broker at")
    expect(page.locator("#age")).to_have_attribute("data-state", "fresh", timeout=PATIENCE_MS)
    expect(page.locator("#stale")).to_be_empty()
    assert page.evaluate("window.untouched") is True
    return asked


def expect_live_by_socket(page: Page, asked: list[float], noticed_ms: int = NOTICED_IN_A_HURRY_MS) -> None:
    """Expect fresh data that nobody asked for, longer than it takes to notice that nothing is pushed."""
    until = time.monotonic() + 3 * noticed_ms / 1000
    while time.monotonic() - asked[-1] < noticed_ms / 1000:
        assert time.monotonic() < until, "the page asks for data instead of receiving it"
        page.wait_for_timeout(100)
    expect(page.locator("#age")).to_have_attribute("data-state", "fresh")
    expect(page.locator("#transport")).to_be_empty()


def test_nginx_as_documented_passes_everything_under_a_path(ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    url = f"https://{HOST}:{port}/pumps-ward/"
    flags = ("--public-url", url, "--trusted-proxy", "127.0.0.1")
    with ward.process(own, *flags) as address, proxy_servers.documented_nginx(port, own, ward.folder):
        assert address == f"{url}?key=the-right-key"
        asked = expect_a_working_dashboard(page, address, "/pumps-ward")
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
        session = cookies[f"pumpwatch-{own}"]
        assert (session["path"], session["secure"], session["sameSite"]) == ("/pumps-ward", True, "Lax")
        expect_live_by_socket(page, asked, NOTICED_MS)


def test_caddy_as_documented_passes_everything_under_a_path(ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    public = public_address(f"https://{HOST}:{port}/pumps-ward/", "", ("127.0.0.1",))
    with ward.in_a_hurry(own, public) as address, proxy_servers.documented_caddy(port, own, ward.folder):
        asked = expect_a_working_dashboard(page, address, "/pumps-ward")
        expect_live_by_socket(page, asked)


@pytest.mark.parametrize("strip", [False, True], ids=["path passed", "path stripped"])
def test_traefik_as_documented_passes_everything_under_a_path(strip: bool, ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    public = public_address(f"https://{HOST}:{port}/pumps-ward/", "", ("127.0.0.1",))
    traefik = proxy_servers.documented_traefik(port, own, ward.folder, strip=strip)
    with ward.in_a_hurry(own, public) as address, traefik:
        asked = expect_a_working_dashboard(page, address, "/pumps-ward")
        expect_live_by_socket(page, asked)


@pytest.mark.parametrize(
    ("extra", "path", "to"),
    [
        pytest.param("", "/", "", id="Host rewritten"),
        pytest.param("proxy_set_header Host $host;", "/", "", id="Host without its port, no Upgrade"),
        pytest.param("proxy_set_header Host $http_host;", "/pumps-ward/", "", id="Host, no Upgrade, under a path"),
        pytest.param("proxy_buffering off;", "/pumps-ward/", "/", id="Host rewritten, path stripped"),
    ],
)
def test_a_plain_nginx_is_live_by_polling_and_says_so(extra: str, path: str, to: str, ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    server = plain(path, port, own, extra=extra, to=to)
    with (
        ward.in_a_hurry(own, public_address(f"http://{HOST}:{port}{path}", "", ())) as address,
        proxy_servers.nginx(server, port, ward.folder),
    ):
        expect_a_working_dashboard(page, address, path.rstrip("/"))
        expect(page.locator("#transport")).to_have_text(POLLING, timeout=PATIENCE_MS)
        page.wait_for_timeout(1000 if extra else NOTICED_IN_A_HURRY_MS)
        assert page.evaluate("window.untouched") is True, "the page was loaded again"
        expect(page.locator("#stale")).to_be_empty()


def test_a_browser_that_cannot_share_a_socket_is_live_by_polling_and_says_so(ward: Ward, page: Page) -> None:
    own = free_port()
    page.add_init_script("delete globalThis.SharedWorker")
    with ward.in_a_hurry(own) as address:
        page.goto(address)
        expect(page.locator("#transport")).to_have_text(
            "Live by polling: this browser cannot share a WebSocket", timeout=PATIENCE_MS
        )
        expect(page.locator("#age")).to_have_attribute("data-state", "fresh")


def test_a_page_that_polls_still_says_when_nothing_comes(ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    public = public_address(f"http://{HOST}:{port}/", "", ())
    with proxy_servers.nginx(plain("/", port, own), port, ward.folder):
        with ward.in_a_hurry(own, public) as address:
            page.goto(address)
            expect(page.locator("#transport")).to_have_text(POLLING, timeout=PATIENCE_MS)
        expect(page.locator("#stale")).to_contain_text("this screen may be out of date", timeout=PATIENCE_MS)
        expect(page.locator("#transport")).to_be_empty()
        with ward.in_a_hurry(own, public):
            expect(page.locator("#age")).to_have_attribute("data-state", "fresh", timeout=PATIENCE_MS)
            expect(page.locator("#stale")).to_be_empty()


def test_a_trusted_proxy_names_the_host_and_the_root_path_is_enough(ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    server = plain("/", port, own, extra=f"{UPGRADE} proxy_set_header X-Forwarded-Host $http_host;")
    public = public_address("", "/pumps-ward", ("127.0.0.1",))
    with (
        ward.in_a_hurry(own, public, allowed_hosts=(HOST,)) as address,
        proxy_servers.nginx(server, port, ward.folder),
    ):
        assert address == f"http://127.0.0.1:{own}/pumps-ward/?key=the-right-key"
        asked = expect_a_working_dashboard(page, f"http://{HOST}:{port}/pumps-ward/?key=the-right-key", "/pumps-ward")
        expect_live_by_socket(page, asked)


def test_a_proxy_that_passes_upgrade_but_not_host_is_live_by_socket(ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    server = plain("/", port, own, extra=UPGRADE)
    with (
        ward.in_a_hurry(own, public_address(f"http://{HOST}:{port}", "", ())) as address,
        proxy_servers.nginx(server, port, ward.folder),
    ):
        asked = expect_a_working_dashboard(page, address, "")
        expect_live_by_socket(page, asked)


def test_a_proxy_that_nobody_announced_is_named_with_what_to_do(ward: Ward, page: Page) -> None:
    port, own = free_port(), free_port()
    with ward.in_a_hurry(own), proxy_servers.nginx(plain("/", port, own), port, ward.folder):
        page.goto(f"http://{HOST}:{port}/?key=the-right-key")
        expect(page.locator("#stale")).to_contain_text(f"--public-url http://{HOST}:{port}/", timeout=PATIENCE_MS)


def test_a_link_from_another_site_finds_the_visitor_signed_in(ward: Ward, page: Page) -> None:
    own = free_port()
    with ward.in_a_hurry(own) as address:
        page.goto(address)
        expect(page.locator("#worst .alarm-row").first).to_be_visible(timeout=PATIENCE_MS)
        page.route(f"http://{HOST}/mail", lambda route: route.fulfill(
            content_type="text/html", body=f"<a href='http://127.0.0.1:{own}/pumps?search=ITB-000002'>pump</a>"
        ))  # fmt: skip
        page.goto(f"http://{HOST}/mail")
        page.get_by_role("link", name="pump").click()
        expect(page.locator("#pump-note")).to_contain_text("1 of 20 pumps", timeout=PATIENCE_MS)


def test_a_page_of_another_site_can_neither_post_nor_open_a_socket(ward: Ward, page: Page) -> None:
    own = free_port()
    with ward.in_a_hurry(own) as address:
        page.goto(address)
        expect(page.locator("#worst .alarm-row").first).to_be_visible(timeout=PATIENCE_MS)
        page.route(f"http://127.0.0.1:{own + 1}/evil", lambda route: route.fulfill(
            content_type="text/html", body=f"<form method='post' action='http://127.0.0.1:{own}/sign-out'><button>go</button></form>"
        ))  # fmt: skip
        page.goto(f"http://127.0.0.1:{own + 1}/evil")
        # The same host on another port is the same site: the browser sends the cookie, the server must refuse.
        opened = page.evaluate(
            """url => new Promise(done => {
                const socket = new WebSocket(url);
                socket.onopen = () => done(true);
                socket.onclose = () => done(false);
            })""",
            f"ws://127.0.0.1:{own}/_dash-ws-callback",
        )
        assert opened is False
        page.get_by_role("button", name="go").click()
        expect(page.locator("body")).to_contain_text("Requests from other sites are refused")
        page.goto(f"http://127.0.0.1:{own}/")
        expect(page.locator("#worst .alarm-row").first).to_be_visible(timeout=PATIENCE_MS)
