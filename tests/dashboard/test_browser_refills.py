"""Refills in a real Chromium: chips, days of the calendar, the address, and sheets to print."""

from __future__ import annotations

import re
import time

import pytest
from playwright.sync_api import Page, expect

from broker.store.snapshot_files import write
from tests.dashboard.due import due_fleet
from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
PRINT_WITH_SLOW_DRAWING = """
const box = document.getElementById("refill-sheets");
window.print = () => { window.printed = box.childElementCount; };
new MutationObserver((_, observer) => {
    const drawn = [...box.children].slice(1);
    observer.disconnect();
    drawn.forEach((one) => one.remove());
    setTimeout(() => box.append(...drawn), 500);
}).observe(box, { childList: true });
"""
"""Counts the sheets when the page is printed; all but the first are drawn half a second late."""


def test_a_day_of_the_month_leads_to_its_list_which_is_a_link_and_prints(screen: Screen, page: Page) -> None:  # noqa: F811
    fleet = due_fleet([0.0, 4.0, 4.0, 60.0], health={"written": time.time_ns() // 1_000_000})
    write(screen.settings.snapshots, fleet)
    with served(screen) as address:
        page.goto(address)
        page.goto(f"{address.partition('?')[0]}refills?span=7")
        rows, title = page.locator(".refill-table tbody tr"), page.locator("#refill-title")
        expect(rows).to_have_count(3, timeout=PATIENCE_MS)
        expect(rows.first).to_contain_text("overdue")
        page.get_by_text("Month", exact=True).click()
        page.get_by_role("button", name="15 2 refills").click()
        expect(title).to_have_text("Clinic day Thu 15 Jan 2026: 2 tasks")
        expect(page).to_have_url(re.compile("day=2026-01-15"))
        page.get_by_role("button", name="1 year 4").click()
        expect(rows).to_have_count(4)
        page.evaluate(PRINT_WITH_SLOW_DRAWING)
        page.get_by_role("button", name="Print").click()
        page.wait_for_function("() => window.printed !== undefined")
        assert page.evaluate("window.printed") == 4, "all sheets are there when the page is printed"


def test_the_month_that_is_shown_is_in_the_address(screen: Screen, page: Page) -> None:  # noqa: F811
    write(screen.settings.snapshots, due_fleet([4.0], health={"written": time.time_ns() // 1_000_000}))
    with served(screen) as address:
        page.goto(address)
        page.goto(f"{address.partition('?')[0]}refills?view=month&ahead=1")
        expect(page.locator("#refill-title")).to_have_text("February 2026", timeout=PATIENCE_MS)
        page.get_by_role("button", name="Later").click()
        expect(page.locator("#refill-title")).to_have_text("March 2026", timeout=PATIENCE_MS)
        page.wait_for_url("**/refills?view=month&ahead=2", timeout=PATIENCE_MS)
