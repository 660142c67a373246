"""How soon a snapshot is on the screen, and what fifty viewers cost the dashboard. Prints a table; asserts no times.

One viewer is a real Chromium on the Overview; the others are WebSockets that receive what its page receives, and ask
what it asks. `VIEWERS` and `VIEWED_S` say how many and for how long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import httpx
import msgspec
import numpy as np
import psutil
import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect, sync_playwright
from websockets.asyncio.client import connect

from broker.store.snapshot_files import write
from tests.bench.parts import Parts
from tests.bench.test_pages_at_scale import callback_request
from tests.dashboard.conftest import make_fleet
from tests.dashboard.ward import KEY, Ward

PUMPS: Final = 1_000
VIEWERS: Final = int(os.environ.get("VIEWERS", "50"))
VIEWED_S: Final = float(os.environ.get("VIEWED_S", "30"))
BETWEEN_S: Final = 0.5
ASKS_S: Final = 4.0
"""How often a page asks for figures beside its lists."""
SETTLE_MS: Final = 3000
"""How long what pages ask for when they are opened is left out."""
OBSERVE: Final = """() => {
  const note = document.getElementById("worst-note");
  window.seen = [];
  new MutationObserver(() => window.seen.push([Date.now(), note.textContent]))
    .observe(note, { childList: true, characterData: true, subtree: true });
}"""


@contextlib.contextmanager
def counting(ward: Ward) -> Iterator[dict[int, list[float]]]:
    """Write two snapshots a second, each with another number of alarms; yield when each number was written, wall ms."""
    ended, at = threading.Event(), dict[int, list[float]]()

    def keep() -> None:
        version = 0
        while not ended.wait(BETWEEN_S):
            version += 1
            alarms = 20 + version % 40
            snapshot = ward.fleet(PUMPS, alarms=alarms, version=version, written=time.time_ns() // 1_000_000)
            write(ward.data / "snapshot", snapshot)
            at.setdefault(snapshot.alarms.height, []).append(time.time() * 1000)

    hand = threading.Thread(target=keep)
    hand.start()
    try:
        yield at
    finally:
        ended.set()
        hand.join()


async def view(address: str, viewers: int, seconds: float) -> list[float]:
    """Be as many open pages for as long; return the ms from each snapshot's writing until a page had its changes."""
    times: list[float] = []
    until = time.monotonic() + seconds

    async def viewer() -> None:
        async with httpx.AsyncClient(base_url=address, headers={"Origin": address}, timeout=30) as client:
            await client.get(f"/?key={KEY}", follow_redirects=True)
            callbacks = (await client.get("/_dash-dependencies")).json()
            requests = [callback_request(callbacks, output, {}) for output in ("counts", "map-cells")]
            cookie = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
            asked, drawn = time.monotonic(), ""
            async with connect(
                f"{address.replace('http', 'ws')}/push", additional_headers={"Cookie": cookie, "Origin": address}
            ) as socket:
                await socket.send('{"type": "follow", "lists": {"/rows/worst": [0, 0]}}')
                while time.monotonic() < until:
                    newest = msgspec.json.decode(await socket.recv()).get("newest")
                    if newest is None or not newest["version"]:
                        continue
                    if time.monotonic() > until - seconds + SETTLE_MS / 1000:
                        times.append(time.time() * 1000 - newest["written"])
                    if time.monotonic() - asked < ASKS_S:
                        continue
                    asked = time.monotonic()
                    for request in requests[: 1 + (newest["map"] != drawn)]:
                        answer = await client.post("/_dash-update-component", json=request)
                        assert answer.status_code in (200, 204), answer.text[:300]
                    drawn = newest["map"]

    await asyncio.gather(*(viewer() for _ in range(viewers)))
    return times


def shown_after(page: Page, written: dict[int, list[float]], seconds: float) -> list[float]:
    """Return the ms from each snapshot's writing until its number of alarms stood on the page."""
    page.evaluate(OBSERVE)
    page.wait_for_timeout(1000 * seconds)
    found: list[float] = []
    for at, text in page.evaluate("window.seen"):
        number = re.match(r"[\d,]+", text)
        before = [each for each in written.get(int(number[0].replace(",", "")), []) if each <= at] if number else []
        if before:
            found.append(at - before[-1])
    return found


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


def watched(page: Page, origin: str, viewers: int, screen: Callable[[], list[float]]) -> str:
    """Return a line of the table: what one browser sees, and how soon the others have it, while all look."""
    answers: list[float] = []
    server = next(one for one in psutil.Process().children(recursive=True) if "dashboard" in one.cmdline()[2:4])
    others = threading.Thread(target=lambda: answers.extend(asyncio.run(view(origin, viewers - 1, VIEWED_S))))
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before, spent, began = task_s(session), sum(server.cpu_times()[:2]), time.monotonic()
    others.start()
    shown = screen()
    others.join()
    took = time.monotonic() - began
    share, tab = (sum(server.cpu_times()[:2]) - spent) / took, (task_s(session) - before) / took
    first, second = (np.percentile(each, (50, 95)) if each else (np.nan, np.nan) for each in (shown, answers))
    return (
        f"  {viewers:7}   {first[0]:17.0f}, {first[1]:4.0f} ms   {second[0]:16.0f}, {second[1]:4.0f} ms"
        f"   {share:18.0%}   {tab:14.1%}"
    )


HEAD: Final = "  viewers   snapshot to screen p50, p95   to the others p50, p95   dashboard, of a core   browser's page"


def test_fifty_viewers(tmp_path: Path, browser: Browser, free_port: int) -> None:
    ward = Ward(tmp_path / "data", make_fleet, tmp_path)
    (ward.data / "snapshot").mkdir(parents=True)
    print(f"\n{PUMPS:,} pumps, two snapshots a second, {VIEWED_S:g} s each\n{HEAD}")
    with counting(ward) as written, ward.process(free_port) as address:
        page = overview(browser, address)
        for viewers in (1, VIEWERS):
            origin = re.sub(r"/\?.*", "", address)
            print(watched(page, origin, viewers, lambda: shown_after(page, written, VIEWED_S)), flush=True)


def test_fifty_viewers_of_a_running_fleet(tmp_path: Path, browser: Browser, free_port: int) -> None:
    """Prints what all parts cost, too. How soon the browser shows a snapshot is not measured: nobody knows it."""
    with Parts(tmp_path, free_port) as parts:
        parts.process()
        parts.simulate(PUMPS, 1)
        ward = Ward(tmp_path, make_fleet, tmp_path)
        print(f"\n{PUMPS:,} pumps that send once a second, {VIEWED_S:g} s each\n{HEAD}")
        with ward.process(free_port + 1) as address:
            page = overview(browser, address)
            for viewers in (1, VIEWERS):
                origin, before, began = re.sub(r"/\?.*", "", address), parts.usage(), time.monotonic()
                print(watched(page, origin, viewers, lambda: wait(page)), flush=True)
                took = time.monotonic() - began
                costs = [f"{name} {(now.cpu_s - before[name].cpu_s) / took:.0%}" for name, now in parts.usage().items()]
                print(f"          of a core: {', '.join(costs)}", flush=True)


def overview(browser: Browser, address: str) -> Page:
    """Return the Overview of a dashboard, drawn and at rest."""
    page = browser.new_page(viewport={"width": 1366, "height": 768})
    page.goto(address)
    expect(page.locator("#worst-note")).to_contain_text("open alarms", timeout=60_000)
    page.wait_for_timeout(SETTLE_MS)
    return page


def wait(page: Page) -> list[float]:
    page.wait_for_timeout(1000 * VIEWED_S)
    return []


def task_s(session: CDPSession) -> float:
    """Return the processor time that the main thread of a page has used, in s."""
    found = session.send("Performance.getMetrics")["metrics"]
    return float(next(one["value"] for one in found if one["name"] == "TaskDuration"))
