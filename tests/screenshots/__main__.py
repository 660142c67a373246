"""`make screenshots`: every page in both themes, on every screen, with fleets of every size, and a page that shows all.

The pages are found, not listed. Into build/screenshots; `--pages`, `--fleets`, `--screens` and `--themes` choose a
slice of them, and `--sheets` puts those of one fleet, screen and theme side by side in one picture.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, TimeoutError, ViewportSize, sync_playwright  # noqa: A004

from broker.mqtt.endpoint import free_port
from dashboard.access.language_choice import COOKIE
from dashboard.languages import NAMES
from dashboard.settings import Settings
from tests.conftest import ROOT
from tests.dashboard.barriers import barriers, equip
from tests.dashboard.registered import addresses
from tests.dashboard.ward import KEY, NO_BROKER, serving
from tests.screenshots.browsers import chromium
from tests.screenshots.fleets import PASSWORD, PERSON, PUMP, RULE, prepared
from tests.screenshots.sheets import sheets

TARGET = ROOT / "build" / "screenshots"
FLEETS = (0, 1, 200, 10_000, 100_000)
THEMES = ("light", "dark")
PATIENCE_MS, QUIET_MS = 60_000, 1_000


@dataclass(frozen=True)
class Screen:
    """A viewport in CSS pixels, with the pixels of the screen per CSS pixel."""

    width: int
    height: int
    scale: float = 1.0


SCREENS = {
    "1920": Screen(1920, 1080),
    "1366": Screen(1366, 768),
    "820": Screen(820, 1180),
    "390": Screen(390, 844),
    "zoomed": Screen(683, 384, 2.0),
}
"""By name; "zoomed" is 1366x768 at a zoom of 200 %."""


def main() -> None:
    """Take the chosen pictures, and write index.html with all pictures that are there."""
    parser = argparse.ArgumentParser(prog="make screenshots", description=__doc__)
    parser.add_argument("--pages", nargs="*", help="names of pages, such as alarms; default: all")
    parser.add_argument("--fleets", nargs="*", type=int, default=FLEETS, help="numbers of pumps")
    parser.add_argument("--screens", nargs="*", choices=SCREENS, default=list(SCREENS))
    parser.add_argument("--themes", nargs="*", choices=THEMES, default=THEMES)
    parser.add_argument("--language", choices=NAMES, default="en", help="language of the viewer")
    parser.add_argument("--whole", action="store_true", help="the whole height of a page, not only its first screen")
    parser.add_argument("--axe", action="store_true", help="also print what axe-core finds grave")
    parser.add_argument("--sheets", action="store_true", help="also contact sheets of all pictures that are there")
    parser.add_argument("--into", type=Path, default=TARGET)
    chosen = parser.parse_args()
    spoken = "" if chosen.language == "en" else f"-{chosen.language}"
    chosen.into.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for fleet in chosen.fleets:
            with tempfile.TemporaryDirectory() as folder, prepared(Path(folder), fleet):
                settings = Settings(NO_BROKER, Path(folder), port=free_port(), key=KEY)
                with serving(settings) as address:
                    paths = addresses(PUMP, name=RULE)
                    if unknown := set(chosen.pages or ()) - set(paths):
                        parser.error(f"no page is named {', '.join(sorted(unknown))}; there are {', '.join(paths)}")
                    wanted = {name: path for name, path in paths.items() if not chosen.pages or name in chosen.pages}
                    for name, theme in product(chosen.screens, chosen.themes):
                        for title, page in views(
                            browser, address, SCREENS[name], theme, wanted, language=chosen.language
                        ):
                            file = chosen.into / f"{title}-{fleet}-{name}-{theme}{spoken}.png"
                            page.screenshot(path=file, full_page=chosen.whole)
                            print(file.name, flush=True)
                            if chosen.axe:
                                equip(page)
                                print(*(f"  {finding}" for finding in barriers(page)), sep="\n", flush=True)
        for sheet in sheets(browser, chosen.into) if chosen.sheets else ():
            print(sheet.name, flush=True)
        browser.close()
    (chosen.into / "index.html").write_text(index(sorted(chosen.into.glob("*.png"))), "utf-8")


def views(
    browser: Browser, address: str, screen: Screen, theme: str, paths: dict[str, str], *, language: str
) -> Iterator[tuple[str, Page]]:
    """Open page after page on one screen in a language; yield each with its name once it is drawn."""
    size: ViewportSize = {"width": screen.width, "height": screen.height}
    phone = screen.width < 900
    context = browser.new_context(
        viewport=size,
        device_scale_factor=screen.scale,
        color_scheme="dark" if theme == "dark" else "light",
        has_touch=phone,
        is_mobile=phone and screen.scale == 1.0,
    )
    page = context.new_page()
    page.goto(address)
    page.get_by_label("Name").fill(PERSON)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.locator("#age").wait_for(timeout=PATIENCE_MS)
    start = f"{urlsplit(address).scheme}://{urlsplit(address).netloc}"
    context.add_cookies([{"name": COOKIE, "value": language, "url": start}])
    for name, path in paths.items():
        page.goto(start + path)
        page.locator("#page h1").first.wait_for(state="attached", timeout=PATIENCE_MS)
        page.locator("#age[data-state]").wait_for(state="attached", timeout=PATIENCE_MS)
        settle(page)
        yield name, page
    context.close()


def settle(page: Page) -> None:
    """Wait until the page has asked for nothing for `QUIET_MS`, at most `PATIENCE_MS`."""
    waited = 0
    while waited < PATIENCE_MS:
        try:
            with page.expect_request(lambda request: "/_dash-" in request.url, timeout=QUIET_MS):
                pass
        except TimeoutError:
            break
        waited += QUIET_MS
    page.evaluate("new Promise((done) => requestIdleCallback(() => requestAnimationFrame(done)))")


def index(files: list[Path]) -> str:
    """Return a page with all pictures, small, each a link to itself."""
    pictures = "".join(
        f"<figure><a href='{escape(file.name)}'><img loading=lazy src='{escape(file.name)}' alt=''></a>"
        f"<figcaption>{escape(file.stem)}</figcaption></figure>"
        for file in files
    )
    style = (
        "body{font:13px sans-serif;display:flex;flex-wrap:wrap;gap:12px}"
        "figure{margin:0}img{height:240px;border:1px solid #999}"
    )
    return f"<!doctype html><meta charset=utf-8><title>Screenshots</title><style>{style}</style>{pictures}"


if __name__ == "__main__":
    main()
