"""Trends in a real Chromium: a zoom by mouse brings finer data, one cursor runs through all charts."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from broker.store.history import History
from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


def test_a_zoom_asks_for_finer_data_one_cursor_runs_through_all_charts_and_the_address_has_both(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
    samples_of: Any,
) -> None:
    screen.show(3, alarms=0)
    History(screen.settings.data).append(samples_of("ITB-000002", 7 * 1440 + 60), 1)
    with served(screen) as address:
        page.goto(address)
        expect(page.locator("#age")).to_contain_text("old", timeout=PATIENCE_MS)
        page.goto(f"{address.partition('?')[0]}pump/ITB-000002?range=7+d")
        detail = page.locator("#trend-zone")
        expect(detail).to_contain_text("hourly minimum and maximum", timeout=PATIENCE_MS)
        box = page.locator("#pump-trends .nsewdrag").first.bounding_box()
        assert box is not None
        middle, height = box["y"] + box["height"] / 2, page.locator("#pump-trends").bounding_box()["height"]  # type: ignore[index]
        page.mouse.move(box["x"] + 0.6 * box["width"], middle)
        cursor = page.locator("#pump-trends .spikeline").first
        expect(cursor).to_be_attached(timeout=PATIENCE_MS)
        ends = [float(cursor.get_attribute(name) or 0) for name in ("y1", "y2")]
        assert abs(ends[1] - ends[0]) > 0.7 * height, "the cursor runs through all charts"
        for unit in ("µL/h", "mL", "mmHg", "V", "°C"):
            expect(page.locator("#pump-trends .hoverlayer")).to_contain_text(unit)
        page.mouse.down()
        page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=5)
        page.mouse.up()
        expect(detail).to_contain_text(re.compile(r"[\d,]+ samples"), timeout=PATIENCE_MS)
        expect(page).to_have_url(re.compile(r"zoom=\d+_\d+_7d"))
        page.get_by_role("button", name="Reset zoom").click()
        expect(detail).to_contain_text("hourly minimum and maximum", timeout=PATIENCE_MS)
        page.goto(f"{address.partition('?')[0]}pump/NOBODY")
        expect(page.get_by_text("Unknown pump: no gateway has announced it.")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("#pump-trends")).to_be_hidden()
