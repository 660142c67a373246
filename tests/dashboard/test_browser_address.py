"""Every view is a link, in a real Chromium: the address follows the controls, and the controls follow the address."""

from __future__ import annotations

import dataclasses

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from broker.store.journal import Journal
from dashboard.settings import Public
from tests.dashboard.pages.test_history import alarm
from tests.dashboard.test_browser import (  # noqa: F401 - fixtures
    PATIENCE_MS,
    TOGETHER_MS,
    Screen,
    browser,
    page,
    screen,
    served,
)

pytestmark = pytest.mark.browser


def test_a_filtered_list_is_still_there_after_back_and_for_whom_the_address_was_copied(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
) -> None:
    screen.settings = dataclasses.replace(screen.settings, public=Public(root="/ward"))
    screen.show(500, alarms=3)
    page.set_viewport_size({"width": 1440, "height": 1080})
    with served(screen) as address:
        page.goto(address)
        page.evaluate("window.untouched = true")
        cells = page.locator("#map .cell")
        expect(cells).to_have_count(500, timeout=PATIENCE_MS)
        assert page.locator("#map").evaluate("map => map.scrollHeight <= map.clientHeight"), "no site is out of sight"
        page.locator("#map").evaluate("map => { map.style.maxHeight = map.clientHeight - 80 + 'px'; }")
        page.wait_for_function(
            "() => { const map = document.getElementById('map'); return map.scrollHeight <= map.clientHeight; }"
        )
        cells.first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page.locator("#pump-head h1")).to_have_text("ITB-000008", timeout=PATIENCE_MS)
        page.go_back()
        page.locator("a.count.high").click()
        page.wait_for_url("**/ward/pumps?state=high", timeout=PATIENCE_MS)
        expect(page.locator("#pump-note")).to_have_text("1 of 500 pumps: 1 high", timeout=PATIENCE_MS)
        page.locator(".nav-link:visible", has_text="Pumps").click()
        search, note = page.locator("#pump-search"), page.locator("#pump-note")
        search.fill("00042")
        expect(note).to_contain_text("11 of 500 pumps", timeout=PATIENCE_MS)
        page.locator(".ag-header-cell", has_text="Battery").click()
        page.wait_for_url("**/ward/pumps?search=00042&sort=battery_v", timeout=PATIENCE_MS)
        copied = page.url
        page.locator(".ag-row .pump-link").first.click()
        expect(page.locator("#pump-head h1")).to_be_visible(timeout=PATIENCE_MS)
        page.go_back()
        expect(search).to_have_value("00042", timeout=PATIENCE_MS)
        expect(note).to_contain_text("11 of 500 pumps", timeout=PATIENCE_MS)
        expect(page.locator('.ag-header-cell[col-id="battery_v"]')).to_have_attribute("aria-sort", "ascending")
        search.fill("")
        page.wait_for_url("**/ward/pumps?sort=battery_v", timeout=PATIENCE_MS)
        assert page.evaluate("window.untouched") is True
        page.goto(copied)
        expect(search).to_have_value("00042", timeout=PATIENCE_MS)
        expect(note).to_contain_text("11 of 500 pumps", timeout=PATIENCE_MS)


def test_back_goes_through_the_steps_of_a_page_and_a_bad_address_shows_the_default(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
) -> None:
    screen.show(10, alarms=0)
    journal = Journal(screen.settings.data)
    raised = [alarm(f"ITB-{number:06d}", "no_flow", ("raised", 5, None))[0] for number in range(250)]
    journal.append(pl.DataFrame(raised, infer_schema_length=None))
    journal.close()
    with served(screen) as address:
        page.goto(address)
        page.goto(f"{address.partition('?')[0]}alarm-health?operators=0")
        expect(page.locator("#address-note")).to_have_text(
            "The address asks for operators “0”: allowed are whole numbers from 1 to 1,000. The default is shown.",
            timeout=PATIENCE_MS,
        )
        expect(page.locator("#health-operators")).to_have_value("1")
        page.locator(".nav-link", has_text="Audit").click()
        page.locator("#audit-hours").click()
        page.get_by_role("option", name="Last hour").click()
        page.wait_for_url("**/audit?hours=1", timeout=PATIENCE_MS)
        expect(page.locator("#address-note")).to_be_empty()
        page.locator("#audit-hours").click()
        page.get_by_role("option", name="Last 7 days").click()
        page.wait_for_url("**/audit?hours=168", timeout=PATIENCE_MS)
        page.go_back()
        expect(page.locator("#audit-hours")).to_have_value("Last hour", timeout=PATIENCE_MS)
        page.go_back()
        expect(page.locator("#audit-hours")).to_have_value("Any time", timeout=PATIENCE_MS)
        page.locator(".nav-link", has_text="History").click()
        expect(page.locator("#history-note")).to_have_text("250 alarms, page 1 of 3.", timeout=PATIENCE_MS)
        page.locator("#history-page").get_by_role("button", name="2", exact=True).click()
        expect(page.locator("#history-note")).to_have_text("250 alarms, page 2 of 3.", timeout=PATIENCE_MS)
        page.wait_for_timeout(TOGETHER_MS)
        page.locator("#history-priority").click()
        page.get_by_role("option", name="High").click()
        page.wait_for_url("**/history?priority=high", timeout=PATIENCE_MS)
        expect(page.locator("#history-note")).to_have_text("250 alarms, page 1 of 3.", timeout=PATIENCE_MS)
        page.go_back()
        expect(page.locator("#history-note")).to_have_text("250 alarms, page 2 of 3.", timeout=PATIENCE_MS)
        page.wait_for_url("**/history?page=2", timeout=PATIENCE_MS)
