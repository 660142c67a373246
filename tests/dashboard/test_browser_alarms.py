"""The lists of alarms in a real Chromium: many rows, one selection, focus that stays."""

from __future__ import annotations

import re
import time
from typing import Any

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from broker.store.snapshot import Snapshot
from broker.store.snapshot_files import write
from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, page, screen, served  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
SIDEWAYS = """[...document.querySelectorAll(".alarm-filters, .alarm-filters :not(input)")].filter(one =>
    one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).overflowX !== "visible").map(one => one.className)"""


def show(screen: Screen, pumps: int, *, alarms: int, **columns: Any) -> Snapshot:  # noqa: F811
    screen.version += 1
    fleet = screen.fleet(pumps, alarms=alarms, version=screen.version, written=time.time_ns() // 1_000_000)
    shown = Snapshot.of(fleet.pumps, fleet.alarms.with_columns(**columns), fleet.gateways, fleet.health)
    write(screen.settings.snapshots, shown)
    return shown


def test_800_alarms_are_reached_by_scrolling_ticked_and_acknowledged_as_one(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
) -> None:
    show(screen, 900, alarms=800)
    with served(screen) as address:
        page.goto(address.replace("/?", "/alarms?"))
        count, rows = page.locator("#alarm-count"), page.locator("#alarm-list .alarm-row")
        expect(count).to_have_text("800 alarms", timeout=PATIENCE_MS)
        assert rows.count() < 60, "only rows in view are in the page"
        visible = page.evaluate("document.getElementById('alarm-list').clientHeight / 52")
        assert visible >= 10

        page.locator("#alarm-list").evaluate("list => { list.scrollTop = list.scrollHeight }")
        expect(page.locator("#alarm-list [aria-posinset='800']")).to_be_visible(timeout=PATIENCE_MS)

        enabled_ms = page.evaluate(
            """const start = performance.now();
            document.querySelector("#alarm-tools input").click();
            document.getElementById("do-acknowledge").disabled ? null : performance.now() - start"""
        )
        assert enabled_ms < 100
        expect(count).to_have_text("800 of 800 alarms selected")
        page.locator("#do-acknowledge").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("600 alarms (200 high, 201 medium, 199 low)")
        dialog.locator("#action-send").click()
        expect(dialog).to_be_hidden(timeout=PATIENCE_MS)
        expect(count).to_have_text("800 alarms")
        assert page.locator("#alarm-list input:checked").count() == 0
        expect(page.locator(".mantine-Notification-root")).to_contain_text("Not acknowledged", timeout=PATIENCE_MS)
        page.locator("#alarm-list").evaluate("list => { list.scrollTop = 0 }")
        expect(page.locator("#alarm-list [aria-posinset='1']")).to_contain_text("refused: Not acknowledged")

        page.locator("#alarm-search").fill("ITB-00000")
        expect(count).to_have_text("9 alarms", timeout=PATIENCE_MS)
        page.locator("#alarm-tools input").check()
        page.locator("#do-shelve").click()
        expect(dialog).to_contain_text("9 alarms (3 high, 3 medium, 3 low)")


def test_focus_and_selection_stay_while_the_list_moves_and_a_change_is_painted_at_once(
    screen: Screen,  # noqa: F811
    page: Page,  # noqa: F811
) -> None:
    show(screen, 60, alarms=40)
    with served(screen) as address:
        page.goto(address.replace("/?", "/alarms?"))
        row = page.locator("#alarm-list .alarm-row", has_text="ITB-000013")
        expect(row).to_be_visible(timeout=PATIENCE_MS)
        row.get_by_role("checkbox").check()
        row.get_by_role("button").focus()
        row.evaluate("row => { window.node = row }")
        for update in range(10):
            gone = (pl.col("pump") == "ITB-000001") if update % 2 else pl.lit(value=False)
            state = pl.when(gone).then(pl.lit("acknowledged")).otherwise("state")
            show(screen, 60, alarms=40 + update, state=state)
            expect(page.locator("#alarm-count")).to_have_text(
                f"1 of {40 + update} alarms selected", timeout=PATIENCE_MS
            )
            assert page.evaluate("window.node.isConnected && window.node.contains(document.activeElement)")
            assert page.evaluate("document.activeElement.textContent") == "Acknowledge"

        acknowledged = pl.when(pl.col("pump") == "ITB-000013").then(pl.lit("acknowledged")).otherwise("state")
        show(screen, 60, alarms=49, state=acknowledged)
        expect(row).to_have_class(re.compile("acknowledged"), timeout=PATIENCE_MS)
        expect(row.get_by_role("button")).to_be_hidden()
        expect(row.locator(".mark")).not_to_have_class(re.compile("waiting"))

        page.keyboard.press("Home")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        expect(page.locator("#alarm-evidence")).to_contain_text("ITB-000040", timeout=PATIENCE_MS)
        page.keyboard.press("Space")
        expect(page.locator("#alarm-count")).to_contain_text("2 of 49")
        page.locator(".alarm-more summary").press("Enter")
        expect(page.locator(".alarm-menu")).to_be_visible()
        page.keyboard.press("Tab")
        page.keyboard.press("Escape")
        expect(page.locator(".alarm-menu")).to_be_hidden()
        expect(page.locator(".alarm-more summary")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.locator("#alarm-drawer")).to_be_hidden()


def test_a_group_is_acknowledged_as_one_on_a_phone_and_names_stay_text(screen: Screen, page: Page) -> None:  # noqa: F811
    page.set_viewport_size({"width": 390, "height": 844})
    hostile = pl.lit("<img src=x onerror=window.hacked=1>")
    show(screen, 60, alarms=40, site=hostile, note_by=pl.lit("vera"), note=pl.lit("long " * 30))
    with served(screen) as address:
        page.goto(address.replace("/?", "/alarms?"))
        expect(page.locator("#alarm-list .alarm-row").first).to_contain_text("<img src=x", timeout=PATIENCE_MS)
        page.set_viewport_size({"width": 683, "height": 384})
        fits = "one => one.scrollWidth <= one.clientWidth"
        assert page.locator("#alarm-list .alarm-title").first.evaluate(fits), "no note takes the room of a title"
        page.set_viewport_size({"width": 390, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        height = page.locator("#alarm-list .alarm-row .button").first.evaluate("one => one.offsetHeight")
        assert height >= 44
        expect(page.locator("#alarm-group")).to_be_hidden()
        page.get_by_role("button", name="Filters", exact=True).click()
        page.locator("#alarm-group").click()
        page.get_by_role("option", name="By site").click()
        expect(page.get_by_role("button", name="Filters (1)")).to_have_attribute("aria-expanded", "true")
        assert page.evaluate(SIDEWAYS) == [], "filters do not scroll sideways"
        group = page.locator(".alarm-group")
        expect(group).to_contain_text("<img src=x onerror=window.hacked=1>40 alarms: 14 high, 13 medium, 13 low")
        inside = "one => one.offsetTop + one.offsetHeight <= one.parentElement.clientHeight"
        assert group.get_by_role("button", name="Acknowledge 30").evaluate(inside), "the next group covers no button"
        group.get_by_role("button", name="Acknowledge 30").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("30 alarms")
        dialog.locator("#action-send").click()
        expect(page.locator(".mantine-Notification-root")).to_contain_text("Not acknowledged", timeout=PATIENCE_MS)
        assert page.evaluate("window.hacked") is None
