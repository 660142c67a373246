"""How soon a snapshot is on the screen, and what fifty viewers cost the dashboard. Prints a table; asserts no times.

One viewer is a real Chromium on the Overview; the others ask what its page asks with every snapshot, over connections
of their own. `VIEWERS` and `VIEWED_S` say how many and for how long.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import numpy as np
import psutil
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from broker.store.snapshot_files import write
from tests.bench.test_pages_at_scale import callback_request
from tests.dashboard.conftest import make_fleet
from tests.dashboard.ward import KEY, Ward

PUMPS: Final = 1_000
VIEWERS: Final = int(os.environ.get("VIEWERS", "50"))
VIEWED_S: Final = float(os.environ.get("VIEWED_S", "30"))
BETWEEN_S: Final = 0.5
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
    """Ask as many viewers do for as long; return the ms of each answer to what a page asks with a snapshot."""
    times: list[float] = []
    until = time.monotonic() + seconds

    async def viewer(number: int) -> None:
        async with httpx.AsyncClient(base_url=address, headers={"Origin": address}, timeout=30) as client:
            await client.get(f"/?key={KEY}", follow_redirects=True)
            request = callback_request((await client.get("/_dash-dependencies")).json(), "counts", {})
            await asyncio.sleep(BETWEEN_S * number / viewers)
            known = {"run": 0, "cursor": 0}
            while time.monotonic() < until:
                began = time.perf_counter()
                counts = await client.post("/_dash-update-component", json=request)
                rows = await client.post("/rows/worst", params=known)
                assert counts.status_code in (200, 204), counts.text[:300]
                known = {name: rows.json()[name] for name in known}
                took = time.perf_counter() - began
                times.append(1000 * took)
                await asyncio.sleep(max(0.0, BETWEEN_S - took))

    await asyncio.gather(*(viewer(number) for number in range(viewers)))
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


def test_fifty_viewers(tmp_path: Path, browser: Browser, free_port: int) -> None:
    ward = Ward(tmp_path / "data", make_fleet, tmp_path)
    (ward.data / "snapshot").mkdir(parents=True)
    print(f"\n{PUMPS:,} pumps, two snapshots a second, {VIEWED_S:g} s each")
    print("  viewers   snapshot to screen p50, p95   answers p50, p95   dashboard, of a core   answers a second")
    with counting(ward) as written, ward.process(free_port) as address:
        origin = re.sub(r"/\?.*", "", address)
        page = browser.new_page(viewport={"width": 1366, "height": 768})
        page.goto(address)
        expect(page.locator("#worst-note")).to_contain_text("open alarms", timeout=60_000)
        server = next(one for one in psutil.Process().children(recursive=True) if "dashboard" in one.cmdline()[2:4])
        for viewers in (1, VIEWERS):
            answers: list[float] = []
            others = threading.Thread(
                target=lambda count, into: into.extend(asyncio.run(view(origin, count, VIEWED_S))),
                args=(viewers - 1, answers),
            )
            spent, began = sum(server.cpu_times()[:2]), time.monotonic()
            others.start()
            shown = shown_after(page, written, VIEWED_S)
            others.join()
            share = (sum(server.cpu_times()[:2]) - spent) / (time.monotonic() - began)
            assert shown, "no snapshot came to the screen"
            first, second = (np.percentile(each, (50, 95)) if each else (np.nan, np.nan) for each in (shown, answers))
            print(
                f"  {viewers:7}   {first[0]:17.0f}, {first[1]:4.0f} ms   {second[0]:8.0f}, {second[1]:4.0f} ms"
                f"   {share:18.0%}   {2 * len(answers) / VIEWED_S:16.0f}"
            )
