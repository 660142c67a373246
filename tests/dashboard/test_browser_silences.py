"""Silences in a real Chromium: the link of an alarm fills the form, the preview counts, the alarm gets its mark."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, expect

from broker.store.snapshot_files import write
from tests.dashboard.conftest import make_fleet
from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser


def test_an_alarm_is_silenced_from_its_link_says_so_and_the_silence_is_ended(screen: Screen, page: Page) -> None:  # noqa: F811
    write(screen.settings.snapshots, make_fleet(20, version=2, written=time.time_ns() // 1_000_000))
    with served(screen) as address:
        page.goto(address)
        page.goto(f"{address.partition('?')[0]}silences?pump=ITB-000003")
        preview = page.locator("#silence-preview")
        expect(preview).to_contain_text("Would silence 1 open alarm now, 0 of them high.", timeout=PATIENCE_MS)
        expect(preview).to_contain_text("Alarm of rule 2")
        page.get_by_label("Reason (required)").fill("pump clinic")
        page.get_by_role("button", name="Silence", exact=True).click()
        row = page.locator(".silence.active")
        expect(row).to_contain_text("Pump ITB-000003")
        expect(row).to_contain_text("1 open alarm")
        page.goto(f"{address.partition('?')[0]}alarms")
        marked = page.locator(".alarm-row", has_text="silenced until")
        expect(marked).to_have_count(1, timeout=PATIENCE_MS)
        expect(marked).to_contain_text("ITB-000003")
        page.get_by_role("link", name="Silences", exact=True).last.click()
        page.get_by_role("button", name="End now").click()
        expect(page.locator(".silence.expired")).to_contain_text("ended by")
