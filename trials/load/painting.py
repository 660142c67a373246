"""Painting: a real browser with the overview open, which says when it has painted each snapshot."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from trials.load.followed import Followed

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome")
OPEN_S: Final = 30.0
SCRIPT: Final = """
() => {
  const functions = window.dash_clientside && window.dash_clientside.pumpwatch;
  if (!functions || !functions.head || functions.head.watched) return Boolean(functions && functions.head);
  const head = functions.head;
  functions.head = function (live, ...rest) {
    const shown = head.call(this, live, ...rest);
    if (live && live.version) requestAnimationFrame(() => setTimeout(() =>
      window.painted(live.version, performance.timeOrigin + performance.now())));
    return shown;
  };
  functions.head.watched = true;
  return true;
}
"""
"""Wraps what the page runs for each snapshot that it gets: after the next frame, the snapshot is on the screen."""


@dataclass(frozen=True)
class Painter:
    """A browser that watches; `why` says why there is none."""

    why: str = ""

    @staticmethod
    @contextlib.asynccontextmanager
    async def opened(address: str | None, followed: Followed) -> AsyncIterator[Painter]:
        """Keep the overview open until the end of the block; `address` None opens nothing."""
        program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
        if address is None or program is None:
            yield Painter("no dashboard to open" if address is None else "no Chromium on this machine")
            return
        if importlib.util.find_spec("playwright") is None:
            yield Painter("playwright is not installed; install pumpwatch[load]")
            return
        from playwright.async_api import Error, async_playwright  # noqa: PLC0415  # an extra, not always installed

        async with contextlib.AsyncExitStack() as stack:
            try:
                driver = await stack.enter_async_context(async_playwright())
                browser = await driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
                stack.push_async_callback(browser.close)
                why = await _watch(await browser.new_page(), address, followed)
            except Error as error:
                why = str(error).partition("\n")[0]
            yield Painter(why)


async def _watch(page: Any, address: str, followed: Followed) -> str:
    """Open the overview and follow it; return why that failed, empty if it did not."""
    await page.expose_function("painted", lambda version, at: followed.add_painted(int(version), float(at)))
    await page.goto(address, timeout=OPEN_S * 1000)
    for _ in range(int(OPEN_S / 0.25)):
        if await page.evaluate(SCRIPT):
            return ""
        await asyncio.sleep(0.25)
    return f"the overview did not start within {OPEN_S:g} s"
