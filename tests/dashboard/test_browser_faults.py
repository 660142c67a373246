"""The Faults page in a real Chromium: the form keeps its values while the tab is open."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


def test_the_injection_form_keeps_its_values_when_one_comes_back(screen: Screen, page: Page) -> None:  # noqa: F811
    screen.show(20, alarms=0)
    with served(screen) as address:
        page.goto(address)
        page.get_by_role("link", name="Faults").click()
        page.get_by_label("Motor stall", exact=True).check()
        page.get_by_label("Pumps", exact=True).fill("3, 7-9")
        page.get_by_label("How many").fill("4")
        page.locator("#fault-draw-model").click()
        page.get_by_role("option").filter(visible=True).last.click()
        model = page.locator("#fault-draw-model").input_value()
        page.get_by_role("link", name="Overview").click()
        expect(page.locator("#fault-inject")).to_have_count(0, timeout=PATIENCE_MS)
        page.get_by_role("link", name="Faults").click()
        expect(page.get_by_label("Motor stall", exact=True)).to_be_checked(timeout=PATIENCE_MS)
        expect(page.get_by_label("Pumps", exact=True)).to_have_value("3, 7-9")
        expect(page.get_by_label("How many")).to_have_value("4")
        assert model not in {"", "any"}
        expect(page.locator("#fault-draw-model")).to_have_value(model)
