"""Draw the icons of the installed dashboard from favicon.svg: `python -m tests.screenshots.icons`."""

from __future__ import annotations

from playwright.sync_api import sync_playwright

from dashboard.components.manifest import ICONS
from tests.dashboard.ward import ASSETS
from tests.screenshots.browsers import chromium

APPLE = ("icon-180.png", 180, "maskable")
SHARE = {"any": 1.0, "maskable": 0.7}
"""Of the width for the drawing: the corners of a maskable icon may be cut off, and its ground fills them."""


def main() -> None:
    """Write the icons into the assets of the dashboard."""
    drawing = (ASSETS / "favicon.svg").read_text("utf-8")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, width, purpose in (*ICONS, APPLE):
            page = browser.new_page(viewport={"width": width, "height": width})
            ground = "transparent" if purpose == "any" else "#243B53"
            style = f"body{{margin:0;height:100vh;display:grid;place-items:center;background:{ground}}}"
            page.set_content(
                f"<style>{style}svg{{width:{SHARE[purpose]:.0%};height:{SHARE[purpose]:.0%}}}</style>{drawing}"
            )
            page.screenshot(path=ASSETS / name, omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()
