"""`make endurance`: hundreds of navigations, a device that slept, a dashboard process that hangs. Minutes."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright

from broker.mqtt.endpoint import free_port
from tests.dashboard.ward import Ward

pytestmark = pytest.mark.browser
NAVIGATIONS, WARM_UP = int(os.environ.get("NAVIGATIONS", "500")), 50
MAX_GROWTH_MB = 20
PATIENCE_MS = 60_000
LEAVE = "path => { document.querySelector('#page').firstChild.dataset.left = 1; window.pumpwatch.go(path); }"


@pytest.fixture
def ward(tmp_path: Path, fleet: Any) -> Iterator[Ward]:
    ward = Ward(tmp_path / "data", fleet, tmp_path)
    (tmp_path / "data" / "snapshot").mkdir(parents=True)
    with ward.moving():
        yield ward


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def opened(browser: Browser, address: str) -> Page:
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.goto(address)
    expect(page.locator("#age")).to_have_attribute("data-state", "fresh")
    return page


def heap_mb(session: CDPSession) -> float:
    """Return the size of the heap after everything that nobody holds is collected."""
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    return float(session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def test_navigations_do_not_make_the_heap_grow(ward: Ward, browser: Browser) -> None:
    with ward.process(free_port()) as address:
        page = opened(browser, address)
        session = page.context.new_cdp_session(page)
        paths = page.eval_on_selector_all(".nav-link[href]", "links => links.map((link) => link.getAttribute('href'))")
        sizes: list[tuple[int, float, int]] = []
        for number, path in zip(
            range(NAVIGATIONS + WARM_UP + 1), itertools.cycle([*paths[1:], "/pump/ITB-000001", "/"])
        ):
            page.evaluate(LEAVE, path)
            expect(page.locator("#page > :not([data-left])").first).to_be_attached()
            page.wait_for_timeout(150)
            if number >= WARM_UP and (number - WARM_UP) % (len(paths) + 1) == 0:
                nodes = int(session.send("Memory.getDOMCounters")["nodes"])
                sizes.append((number - WARM_UP, heap_mb(session), nodes))
                print(f"{sizes[-1][0]:4} navigations: heap {sizes[-1][1]:6.1f} MB, {nodes} nodes", flush=True)
    growth = sizes[-1][1] - sizes[0][1]
    print(f"grew by {growth:.1f} MB in {sizes[-1][0]} navigations")
    assert growth < MAX_GROWTH_MB


@contextlib.contextmanager
def hanging(port: int) -> Iterator[None]:
    """Stop the dashboard that listens at a port as long as this lasts."""
    listening = (one for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN)
    dashboard = next(one.pid for one in listening if isinstance(one.laddr, tuple) and one.laddr[1] == port)
    assert dashboard
    os.kill(dashboard, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(dashboard, signal.SIGCONT)


def test_a_laptop_that_slept_an_hour_says_so_at_once_and_comes_back_by_itself(ward: Ward, browser: Browser) -> None:
    port = free_port()
    with ward.process(port) as address:
        page = opened(browser, address)
        with hanging(port):  # as far as the laptop can tell: its network is not back yet
            # The wall clock goes on in sleep, that of timers may not.
            page.evaluate("{ const real = Date.now; Date.now = () => real() + 3600000; }")
            expect(page.locator("#stale")).to_contain_text("No data for 60 min: this screen may be out of date.")
            page.wait_for_timeout(15_000)
            assert "processor has stopped" not in page.locator("#stale").inner_text()
        expect(page.locator("#stale")).to_be_empty()
        expect(page.locator("#age")).to_have_attribute("data-state", "fresh")


def test_a_dashboard_that_hangs_is_named_and_the_processor_is_not_blamed(ward: Ward, browser: Browser) -> None:
    port = free_port()
    with ward.process(port) as address:
        page = opened(browser, address)
        said: set[str] = set()
        with hanging(port):
            deadline = time.monotonic() + 25
            while time.monotonic() < deadline:
                said.add(page.locator("#stale").inner_text())
                page.wait_for_timeout(200)
        assert any("The dashboard server does not answer" in text for text in said), said
        assert not any("processor has stopped" in text for text in said), said
        expect(page.locator("#stale")).to_be_empty()
