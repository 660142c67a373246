"""Every page on a desktop and a phone, light and dark: no barrier that axe-core calls grave, no sideways scrolling."""

from __future__ import annotations

import time
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
from msgspec import structs
from playwright.sync_api import Browser, Page, expect

from broker.store.snapshot_files import write
from dashboard.access.accounts import add_account
from tests.dashboard.barriers import barriers, equip
from tests.dashboard.engineers_files import write_files_of_engineers
from tests.dashboard.registered import addresses
from tests.dashboard.test_browser import PATIENCE_MS, Screen, browser, screen, served, strangers  # noqa: F401 - fixtures

pytestmark = pytest.mark.browser
DESKTOP, PHONE = (1366, 768), (390, 844)
BY_TURNS = (((820, 1180), "dark"), ((683, 384), "light"), ((1920, 1080), "dark"))
"""Further screens, one for each page: a tablet, a zoom of 200 %, a large monitor."""
ZOOMED = (960, 540)
"""A large monitor at a zoom of 200 %, which has no cards yet."""
AHEAD_MS = 3_600_000
SETTLED_MS, DRAWN_MS, REDRAWN_S = 200, 1_500, 5
SHOWN = "[...document.querySelectorAll('[hidden]')].filter((one) => getComputedStyle(one).display !== 'none')"
"""What is hidden and yet on the screen."""
SIDEWAYS = """[...document.querySelectorAll("#content *, .nav *")].filter((one) =>
    one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0 && !one.matches("pre, textarea, .ag-root-wrapper *")
    && ["auto", "scroll"].includes(getComputedStyle(one).overflowX)
    && !(one.getAttribute("role") === "region" && one.getAttribute("aria-label"))).map((one) => one.outerHTML)"""
"""What scrolls sideways, and is no region with a name such as a wide table, nor a text of code."""
NARROW = 900
LEAVE = "path => { document.querySelector('#page').firstChild.dataset.left = 1; window.pumpwatch.go(path); }"


def look(page: Page, size: tuple[int, int], theme: str, name: str, *, of_layout: bool = False) -> list[str]:
    """Return what is wrong with a page on a screen of this size, in this theme."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.evaluate("theme => document.documentElement.setAttribute('data-mantine-color-scheme', theme)", theme)
    found = barriers(page, of_layout=of_layout)
    if found:  # unless it was still being drawn
        page.wait_for_timeout(DRAWN_MS)
        found = barriers(page, of_layout=of_layout)
    found += [*hidden(page), *sideways(page)]
    if size[0] < NARROW:
        found += [f"scrolls sideways and is no region: {one}" for one in page.evaluate(SIDEWAYS)]
    return [f"{name}, {size[0]} px, {theme}: {what}" for what in found]


def hidden(page: Page) -> list[str]:
    """Return what is on the screen although it is hidden."""
    return [f"hidden, but shown: {node}" for node in page.evaluate(f"{SHOWN}.map((one) => one.outerHTML)")]


def sideways(page: Page) -> list[str]:
    """Say whether a page is wider than the screen."""
    deadline = time.monotonic() + REDRAWN_S
    while page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        if time.monotonic() > deadline:
            return ["scrolls sideways"]
        page.wait_for_timeout(SETTLED_MS)
    return []


def test_no_page_complains_asks_a_third_party_has_a_grave_barrier_or_scrolls_sideways(
    screen: Screen,  # noqa: F811
    browser: Browser,  # noqa: F811
) -> None:
    add_account(screen.settings.data, "maria", "admin", "correct horse")
    write_files_of_engineers(screen.settings.data)
    found: list[str] = []
    ahead = time.time_ns() // 1_000_000 + AHEAD_MS  # it must not grow old meanwhile
    fleet = screen.fleet(20, alarms=4, written=ahead)
    limits = [structs.replace(limit, name=f"queue_{number}") for number in range(25) for limit in fleet.health.bounds]
    write(screen.settings.snapshots, replace(fleet, health=structs.replace(fleet.health, bounds=limits)))
    with served(screen) as address:
        page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
        third_parties = strangers(page.context)
        page.goto(address)
        page.get_by_label("Name").fill("maria")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#therapy")).to_contain_text("12 Jan 2026", timeout=PATIENCE_MS)
        page.on("pageerror", lambda error: found.append(f"{page.url}: {error}"))
        page.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
        equip(page)
        for turn, (name, path) in enumerate(addresses("ITB-000001").items()):
            if urlsplit(page.url).path != path:
                page.evaluate(LEAVE, path)
                expect(page.locator("#page > :not([data-left])")).to_be_visible(timeout=PATIENCE_MS)
            page.wait_for_timeout(SETTLED_MS)
            found += look(page, DESKTOP, "light", name) + look(page, PHONE, "dark", name, of_layout=True)
            size, theme = BY_TURNS[turn % len(BY_TURNS)]
            found += look(page, size, theme, name, of_layout=True)
            page.set_viewport_size({"width": ZOOMED[0], "height": ZOOMED[1]})
            found += [f"{name}, {ZOOMED[0]} px: {what}" for what in sideways(page)]
        page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        page.locator("#more-button").click()
        found += look(page, PHONE, "light", "behind More")
        page.get_by_role("button", name="Keyboard shortcuts").click()
        found += look(page, DESKTOP, "dark", "keyboard help")
        page.close()
    assert not found, "\n".join(found)
    assert third_parties == []
