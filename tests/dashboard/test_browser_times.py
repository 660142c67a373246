"""Times in a real Chromium: a pump with a clock of its own beside the fleet, seen from New York."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Browser, Page, expect

from broker.store.history import History
from broker.store.snapshot import Snapshot
from broker.store.snapshot_files import write
from dashboard import clocks
from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, screen, served  # noqa: F401 - fixtures
from tests.dashboard.ward import ASSETS

pytestmark = pytest.mark.browser
REAL_MS = 1_795_183_320_000
"""20 November 2026, 14:02 UTC; the simulated fleet plays 12 January."""


@pytest.fixture
def in_new_york(browser: Browser) -> Iterator[Page]:  # noqa: F811
    context = browser.new_context(viewport={"width": 1366, "height": 768}, timezone_id="America/New_York")
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def show_a_pump_at_real_time(screen: Screen, samples_of: Any, *, age_s: float) -> None:  # noqa: F811
    fleet = screen.fleet(3, alarms=1, written=time.time_ns() // 1_000_000)
    own = {"time": REAL_MS, "age_s": age_s}
    pumps = fleet.pumps.with_columns(
        pl.when(pl.col("pump") == "ITB-000002").then(pl.lit(value, fleet.pumps[name].dtype)).otherwise(name).alias(name)
        for name, value in own.items()
    )
    write(screen.settings.snapshots, Snapshot.of(pumps, fleet.alarms, fleet.gateways, fleet.health))
    History(screen.settings.data).append(samples_of("ITB-000002", 60, until_ms=REAL_MS), 1)


def test_an_empty_chart_says_why_in_the_viewers_zone_and_one_click_shows_the_latest_data(
    screen: Screen,  # noqa: F811
    in_new_york: Page,
    samples_of: Any,
) -> None:
    page = in_new_york
    show_a_pump_at_real_time(screen, samples_of, age_s=5 * 86_400.0)
    with served(screen) as address:
        page.goto(address)
        expect(page.locator("#therapy")).to_contain_text("12 Jan 2026, 07:32 UTC−5", timeout=PATIENCE_MS)
        page.goto(f"{address.partition('?')[0]}pump/ITB-000002")
        expect(page.locator("#trend-note")).to_have_text(
            "No samples in the last 6 h; the latest is from therapy 20 Nov 2026, 09:02 UTC−5.", timeout=PATIENCE_MS
        )
        expect(page.locator("#trend-zone")).to_have_text("times in UTC−5")
        page.get_by_role("button", name="Go to latest data").click()
        expect(page.locator("#trend-note")).to_have_text(
            "Up to the latest sample, therapy 20 Nov 2026, 09:02 UTC−5.", timeout=PATIENCE_MS
        )
        expect(page.get_by_role("button", name="Go to latest data")).to_be_hidden()
        labels = page.locator("#pump-trends .xtick text")
        expect(labels.last).to_have_text("09:00", timeout=PATIENCE_MS)
        page.get_by_role("button", name="Back to now").click()
        expect(page.get_by_role("button", name="Go to latest data")).to_be_visible(timeout=PATIENCE_MS)


def test_the_browser_writes_durations_and_therapy_days_as_the_server_does(in_new_york: Page) -> None:
    page = in_new_york
    page.add_script_tag(path=str(ASSETS / "a-words.js"))
    page.add_script_tag(path=str(ASSETS / "clocks.js"))
    cases = [
        (seconds, speed)
        for seconds in (None, 0, 9.5, 59, 61, 3600, 3720, 36_000, 90_000, 2e6)
        for speed in (1, 60, 0.5, 1440)
    ]
    ask = "cases => cases.map(([s, v]) => pumpwatch_clocks.left(s, v) + '; ' + pumpwatch_clocks.left(s, v, true))"
    expected = [f"{clocks.time_left(*case)}; {clocks.time_left(*case, short=True)}" for case in cases]
    assert page.evaluate(ask, cases) == expected
    day = "([at, start]) => pumpwatch_clocks.therapy_day(at, start, 'America/New_York')"
    began = 1_767_225_600_000
    assert [page.evaluate(day, [began + hours * 3_600_000, began]) for hours in (0, 4, 5.5, 28, 29.5)] == [
        1, 1, 2, 2, 3
    ]  # fmt: skip
