"""The frame in Chromium: navigation on a phone, everything by keyboard, installation."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from broker.store.snapshot_files import write
from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
AHEAD_MS = 3_600_000
PHONE, ZOOMED, DESKTOP = (390, 844), (683, 384), (1366, 768)


def focused(page: Page) -> str:  # noqa: F811
    return str(page.evaluate("document.activeElement.innerText || document.activeElement.textContent")).strip()


def resize(page: Page, size: tuple[int, int]) -> None:  # noqa: F811
    page.set_viewport_size({"width": size[0], "height": size[1]})


def test_phone_zoom_and_keyboard_reach_everything(screen: Screen, page: Page) -> None:  # noqa: F811
    ahead = time.time_ns() // 1_000_000 + AHEAD_MS  # it must not grow old meanwhile
    write(screen.settings.snapshots, screen.fleet(20, alarms=4, written=ahead))
    expect.set_options(timeout=PATIENCE_MS)
    resize(page, PHONE)
    with served(screen) as address:
        page.goto(address)
        expect(page.locator("#therapy")).to_contain_text("12 Jan 2026")
        errors = page.context.new_cdp_session(page).send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert [error for error in errors if error["errorId"] != "in-incognito"] == []
        for shown in ("#therapy", "#age", ".badge-sim", "#more-button"):
            expect(page.locator(shown)).to_be_in_viewport()
        expect(page.get_by_role("link", name="Alarms 3")).to_be_in_viewport()
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
        page.locator("#more-button").click()
        expect(page.get_by_role("button", name="Sign out")).to_be_in_viewport()
        page.keyboard.press("Escape")
        expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
        assert focused(page) == "More"
        acknowledge = page.locator("#page").get_by_role("button", name=re.compile("^Acknowledge"))
        expect(acknowledge.first).to_be_visible()
        page.evaluate("document.querySelector('.frame').dataset.rights = ''")  # as a viewer's frame has it
        expect(acknowledge).to_have_count(0)
        resize(page, ZOOMED)
        page.locator("#more-button").click()
        page.locator("#more").get_by_role("link", name="Pipeline").click()
        expect(page.locator("#page h1")).to_have_text("Pipeline")
        expect(page.locator("#more-button")).to_have_attribute("aria-expanded", "false")

        resize(page, DESKTOP)
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
        expect(dialog).to_contain_text("Go to Overview")
        page.keyboard.press("Escape")
        expect(dialog).to_have_count(0)
        page.keyboard.press("g")
        page.keyboard.press("p")
        expect(page.locator(".ag-row .pump-link").first).to_be_visible()
        assert focused(page) == "Pumps"
        page.keyboard.press("j")
        page.keyboard.press("j")
        serial = page.locator(".ag-row[row-index='1'] .pump-link").inner_text()
        page.keyboard.press("Enter")
        expect(page.locator("#pump-head h1")).to_have_text(serial)
        expect(page.locator("#pump-head h1")).to_be_focused()
