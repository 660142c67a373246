"""The dashboard in a real Chromium: it moves by itself, says when it does not, and acts."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import polars as pl
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from broker.store import file_lock, part_troubles
from broker.store.part_troubles import PartTrouble
from broker.store.snapshot import Snapshot
from broker.store.snapshot_files import write
from dashboard.access.accounts import add_account
from dashboard.settings import Settings
from tests.conftest import ROOT
from tests.dashboard.ward import serving

pytestmark = pytest.mark.browser
PATIENCE_MS = 60_000
TOGETHER_MS = 400
"""After this time, a change on a page is a step of its own, to which Back returns."""


@dataclass
class Screen:
    """A served dashboard, and the processor's hand that writes its snapshots."""

    settings: Settings
    fleet: Any
    version: int = 0

    def show(self, pumps: int, *, alarms: int, values_s: float = 0.0) -> None:
        """Write a snapshot whose values are `values_s` older than its alarms."""
        self.version += 1
        now = time.time_ns() // 1_000_000
        snapshot = self.fleet(pumps, alarms=alarms, version=self.version, written=now)
        table = dataclasses.replace(snapshot.table, values_at=now - round(1000 * values_s), forecasts_at=now)
        write(self.settings.snapshots, dataclasses.replace(snapshot, table=table))

    @contextlib.contextmanager
    def moving(self, pumps: int, *, alarms: int) -> Iterator[None]:
        """Write a snapshot five times a second as long as this lasts."""
        ended = threading.Event()

        def keep() -> None:
            while not ended.wait(0.2):
                self.show(pumps, alarms=alarms)

        hand = threading.Thread(target=keep)
        hand.start()
        try:
            yield
        finally:
            ended.set()
            hand.join()


def served(screen: Screen) -> contextlib.AbstractContextManager[str]:
    return serving(screen.settings)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # No name is resolved: the network is cut off but for this machine.
        arguments = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
        found = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield found
        found.close()


@pytest.fixture
def screen(settings: Settings, free_port: int, fleet: Any) -> Screen:
    return Screen(Settings(settings.broker, settings.data, port=free_port, key="the-right-key"), fleet)


def strangers(context: BrowserContext) -> list[str]:
    """Return a list that gets the address of every request to another server, even if it is only tried."""
    asked: list[str] = []

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob"} and address.hostname != "127.0.0.1":
            asked.append(request.url)

    context.on("request", note)
    return asked


READ_TWICE: Final = "body stream already read"
"""What Dash says when it reads an answer twice that is an error, as that of a server that is ending."""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1366, "height": 768}, color_scheme="light")
    third_parties = strangers(context)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)) if READ_TWICE not in str(error) else None)
    page.on(
        "console",
        lambda message: errors.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield page
    context.close()
    assert errors == []
    assert third_parties == []


def test_a_new_alarm_appears_on_top_without_a_reload(screen: Screen, page: Page) -> None:
    screen.show(40, alarms=0)
    with served(screen) as address:
        page.goto(address)
        expect(page.locator("#worst-nothing")).to_have_text("No open alarms.", timeout=PATIENCE_MS)
        page.evaluate("window.untouched = true")
        screen.show(40, alarms=3)
        first = page.locator("#worst .alarm-row").first
        expect(first).to_contain_text("ITB-000001", timeout=PATIENCE_MS)
        expect(first).to_contain_text("Interrogate the pump")
        expect(first).to_contain_text(re.compile(r"for \d+ min \(\d+ (s|min) here\)"))
        expect(page.locator("#worst")).to_contain_text(re.compile(r"\d+ min ago"))
        expect(page.locator("#nav-alarms")).to_have_text("2")
        assert page.evaluate("window.untouched") is True
        assert "key=" not in page.url


def test_a_person_signs_in_by_name_gets_live_updates_and_signs_out(screen: Screen, page: Page) -> None:
    add_account(screen.settings.data, "maria", "operator", "correct horse")
    screen.show(40, alarms=0)
    with served(screen) as address:
        page.goto(f"{address}alarms")
        for password in ("wrong", "correct horse"):
            page.get_by_label("Name").fill("maria")
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Sign in").click()
            if password == "wrong":
                expect(page.get_by_role("alert")).to_have_text("Wrong name or password.")
        page.wait_for_url(f"{address}alarms")
        expect(page.get_by_text("No alarms.")).to_be_visible(timeout=PATIENCE_MS)
        screen.show(40, alarms=3)
        expect(page.locator("#nav-alarms")).to_have_text("2", timeout=PATIENCE_MS)
        screen.show(40, alarms=3, values_s=240)
        expect(page.locator("#age")).to_contain_text(re.compile(r"alarms .*, values 4 min old"), timeout=PATIENCE_MS)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_a_screen_that_stops_hearing_says_so_and_recovers(screen: Screen, page: Page) -> None:
    with screen.moving(10, alarms=1), served(screen) as address:
        page.goto(address)
        expect(page.locator("#age")).to_contain_text("s old", timeout=PATIENCE_MS)
        expect(page.locator("#stale")).to_be_empty()
    expect(page.locator("#stale")).to_contain_text("this screen may be out of date", timeout=PATIENCE_MS)
    assert "aged" in (page.locator("html").get_attribute("class") or "")
    with screen.moving(10, alarms=1), served(screen):
        expect(page.locator("#age")).to_have_attribute("data-state", "fresh", timeout=PATIENCE_MS)
        expect(page.locator("#stale")).to_be_empty()


def test_it_tells_a_silent_processor_from_a_lost_server(screen: Screen, page: Page) -> None:
    screen.show(10, alarms=1)
    with served(screen) as address:
        page.goto(address)
        expect(page.locator("#stale")).to_contain_text(
            "The stream processor has stopped updating.", timeout=PATIENCE_MS
        )
        with file_lock.hold(screen.settings.data / part_troubles.RUN_LOCK):
            trouble = PartTrouble(
                "processor", "was killed (SIGKILL) 6 times in a row", round(1000 * time.time()) + 60_000
            )
            part_troubles.write(screen.settings.data, [trouble])
            expect(page.locator("#stale")).to_contain_text(
                re.compile(r"The processor was killed \(SIGKILL\) 6 times in a row; next try in \d+ s."),
                timeout=PATIENCE_MS,
            )


PATHS = sorted(
    re.sub("<.*>", "ITB-000001", path)
    for page in (ROOT / "dashboard" / "pages").glob("*.py")
    for path in re.findall(r'add_page\(.*path="([^"]+)"', page.read_text("utf-8"))
)
OPENED = ("/pump/ITB-000001", "/refills")


def test_a_page_opens_from_its_own_address_in_the_dark_without_complaint_and_asks_no_third_party(
    screen: Screen, browser: Browser
) -> None:
    """Some pages; that none complains or asks a third party is seen by `test_browser_barriers`, which opens all."""
    assert set(OPENED) < set(PATHS)
    screen.show(40, alarms=5)
    with served(screen) as address:
        context = browser.new_context(viewport={"width": 1366, "height": 768}, color_scheme="dark")
        third_parties = strangers(context)
        page = context.new_page()
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(f"{page.url}: {error}"))
        page.on(
            "console",
            lambda message: errors.append(f"{page.url}: {message.text}") if message.type == "error" else None,
        )
        page.goto(address)
        for path in OPENED:
            page.goto(address.split("?")[0].rstrip("/") + path)
            expect(page.locator("#therapy")).to_contain_text("12 Jan 2026", timeout=PATIENCE_MS)
            expect(page.locator("#page h1")).to_have_count(1, timeout=PATIENCE_MS)
            assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(18, 22, 26)", path
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        context.close()
        assert errors == []
        assert third_parties == []


def test_a_click_leads_to_the_pump_and_the_chart_follows_the_scheme(screen: Screen, page: Page) -> None:
    with screen.moving(40, alarms=5), served(screen) as address:
        page.goto(address)
        page.evaluate("window.untouched = true")
        page.locator("#worst .pump-link").first.click()
        expect(page.locator("#pump-head h1")).to_have_text("ITB-000004", timeout=PATIENCE_MS)
        expect(page.locator("#pump-trends .main-svg").first).to_be_visible(timeout=PATIENCE_MS)
        page.locator("#scheme-toggle").click()
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
        colour = "document.querySelector('#pump-trends').querySelector('.js-plotly-plot')._fullLayout.font.color"
        # Not page.wait_for_function: that evaluates text in the page, which the page's own policy forbids.
        deadline = time.monotonic() + PATIENCE_MS / 1000
        while page.evaluate(colour) != "#E6EAEE" and time.monotonic() < deadline:
            page.wait_for_timeout(100)
        assert page.evaluate(colour) == "#E6EAEE"
        assert page.evaluate("window.untouched") is True


def test_one_click_acknowledges_and_says_when_it_could_not(screen: Screen, page: Page) -> None:
    screen.show(10, alarms=1)
    with served(screen) as address:
        page.goto(address)
        page.locator("#worst .alarm-row .button").first.click()
        expect(page.locator(".mantine-Notification-root")).to_contain_text("Not acknowledged", timeout=PATIENCE_MS)


def test_a_long_list_of_pumps_scrolls_and_is_searched(screen: Screen, page: Page) -> None:
    asked: list[str] = []
    screen.show(5000, alarms=3)
    with served(screen) as address:
        page.goto(address.replace("/?", "/pumps?"))
        expect(page.locator("#pump-note")).to_contain_text("5,000 pumps: 1 high", timeout=PATIENCE_MS)
        page.locator("#pump-search").fill("00042")
        expect(page.locator("#pump-note")).to_contain_text("11 of 5,000 pumps", timeout=PATIENCE_MS)
        expect(page.locator(".ag-row .pump-link").first).to_have_text("ITB-000042", timeout=PATIENCE_MS)
        page.on("request", lambda request: asked.append(request.url))
        page.locator(".ag-center-cols-container .ag-row").first.evaluate("row => { window.row = row }")
        screen.show(5000, alarms=60)
        expect(page.locator(".ag-pinned-left-cols-container .ag-row").first).to_contain_text("low", timeout=PATIENCE_MS)
        expect(page.locator("#pump-note")).to_contain_text("11 of 5,000 pumps: 1 low", timeout=PATIENCE_MS)
        assert page.evaluate("window.row.isConnected"), "a row in view is brought up to date, not replaced"
        assert not [url for url in asked if "_dash-update-component" in url], "without a callback of Dash"


def test_names_that_look_like_markup_stay_text(screen: Screen, page: Page) -> None:
    hostile = screen.fleet(3, name="<img src=x onerror=window.hacked=1>", written=time.time_ns() // 1_000_000)
    title = pl.lit("<script>window.hacked=1</script>")
    alarms = hostile.alarms.with_columns(title.alias("title"), title.alias("action"))
    write(screen.settings.snapshots, Snapshot.of(hostile.pumps, alarms, hostile.gateways, hostile.health))
    with served(screen) as address:
        page.goto(address)
        expect(page.locator("#worst")).to_contain_text("<script>window.hacked=1</script>", timeout=PATIENCE_MS)
        page.goto(address.split("?")[0] + "alarms")
        expect(page.locator("#alarm-list .alarm-row").first).to_contain_text("<img src=x", timeout=PATIENCE_MS)
        assert page.evaluate("window.hacked") is None


def test_pumps_are_stopped_only_after_it_was_confirmed_which(screen: Screen, page: Page) -> None:
    screen.show(40, alarms=0)
    with served(screen) as address:
        page.goto(address)
        page.goto(f"{address.partition('?')[0].rstrip('/')}/programmer?pumps=ITB-000002")
        expect(page.locator("#command-chosen")).to_contain_text("ITB-000002", timeout=PATIENCE_MS)
        page.locator("#command-kind").click()
        page.get_by_role("option", name="Stop").click()
        expect(page.locator("#command-description")).to_contain_text("Stops the pumps", timeout=PATIENCE_MS)
        page.locator("#command-send").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("Stop 1 pump: ITB-000002?", timeout=PATIENCE_MS)
        dialog.get_by_role("button", name="Cancel").last.click()
        expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
        expect(page.locator("#command-responses")).to_contain_text("No responses yet.")
        page.locator("#command-send").click()
        dialog.get_by_role("button", name="Confirm").click()
        expect(page.locator("#command-responses")).to_contain_text("no broker at", timeout=PATIENCE_MS)
        expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
