"""Contact sheets: all pages of one fleet on one screen in one theme, side by side in one picture."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser

WIDTH: Final = 1580
"""CSS pixels across a sheet; its height is that of its pictures."""
PER_SHEET: Final = 9
WIDE: Final = 510
NARROW: Final = 250
"""Widths of a picture of a large screen and of a phone."""
NAME: Final = re.compile(r"(.+)-(\d+)-(\w+)-(light|dark)\.png")
STYLE: Final = (
    "body{margin:8px;font:12px sans-serif;display:flex;flex-wrap:wrap;gap:6px;align-items:flex-start;background:#fff}"
    "figure{margin:0}img{display:block;border:1px solid #999;max-height:760px;object-fit:cover;object-position:top}"
)


def sheets(browser: Browser, folder: Path) -> Iterator[Path]:
    """Draw the sheets of all pictures in a folder, into it; yield each."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.glob("*.png")):
        if found := NAME.fullmatch(file.name):
            groups["-".join(found.groups()[1:])].append(file)
    page = browser.new_page(viewport={"width": WIDTH, "height": 800})
    for name, files in groups.items():
        for number in range(0, len(files), PER_SHEET):
            html = folder / "sheet.html"
            html.write_text(_page(files[number : number + PER_SHEET]), "utf-8")
            page.goto(html.resolve().as_uri())
            sheet = folder / f"sheet-{name}-{number // PER_SHEET + 1}.png"
            page.locator("body").screenshot(path=sheet)
            html.unlink()
            yield sheet
    page.close()


def _page(files: list[Path]) -> str:
    pictures = (
        f"<figure><figcaption>{escape(file.stem)}</figcaption>"
        f"<img width={NARROW if '-390-' in file.name else WIDE} src='{escape(file.name)}' alt=''></figure>"
        for file in files
    )
    return f"<!doctype html><meta charset=utf-8><style>{STYLE}</style>{''.join(pictures)}"
