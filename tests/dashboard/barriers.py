"""Barriers for people with disabilities, as axe-core finds them on an open page."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

GRAVE = ("critical", "serious")
STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OF_LAYOUT = ["color-contrast", "scrollable-region-focusable", "target-size"]
STILL = """
*, *::before, *::after { transition: none !important; animation: none !important; }
.aged #page { opacity: 1 !important; filter: none !important; }
"""
"""Colors on their way from one to another are no finding, nor is the gray of old data on a busy machine."""


def equip(page: Page) -> None:
    """Load axe-core into a page, once; it stays as long as the page is not loaded again."""
    page.evaluate(AXE_SCRIPT)
    page.add_style_tag(content=STILL)


def barriers(page: Page, *, of_layout: bool = False) -> list[str]:
    """Return the critical and serious findings: what is wrong, and where.

    `of_layout` looks only for what may differ between screens and themes, which is faster.
    """
    options: dict[str, Any] = {"resultTypes": ["violations"], "runOnly": OF_LAYOUT if of_layout else STANDARDS}
    if not of_layout:
        options["rules"] = {"label-content-name-mismatch": {"enabled": True}}
    found = page.evaluate("options => window.axe.run(document, options)", options)
    return [
        f"{finding['impact']}: {finding['help']} ({finding['id']}): {node['html'][:200]}"
        for finding in found["violations"]
        for node in finding["nodes"]
        if finding["impact"] in GRAVE
    ]
