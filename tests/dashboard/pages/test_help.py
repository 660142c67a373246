"""Help: the documentation on every installation, for people who are signed in only, with links that lead somewhere."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.app import build
from dashboard.components import manual_routes
from dashboard.data import manual, manual_map, manual_markdown
from dashboard.pages import help as help_page
from dashboard.settings import Settings

Open = Callable[[object], httpx.AsyncClient]
ROOT = Path(__file__).resolve().parents[3]


async def signed_in(client: httpx.AsyncClient) -> None:
    assert (await client.get("/?key=the-right-key")).status_code in {302, 303}


def text_of(layout: Any) -> str:
    return json.dumps(layout, default=lambda one: one.to_plotly_json())


def shown(path: str, query: str = "") -> str:
    return bytes(manual_routes.answer(path, query).body).decode()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    """Every page of the documentation, by its address."""
    names = [name for name in manual.files(ROOT) if name.endswith(".md")]
    return {manual.address(name): shown(manual.address(name)) for name in [*names, manual.DECISIONS]}


async def test_the_documentation_is_shown_to_people_who_are_signed_in_and_to_nobody_else(
    settings: Settings, browser_of: Open
) -> None:
    async with browser_of(build(settings)) as client:
        for path in ("/help/index.html", "/help/search?q=silence", "/help/faults/motor_stall.svg"):
            assert (await client.get(path)).status_code == 401, path
        await signed_in(client)
        for path, text in (
            ("/help/", "Live monitoring for a fleet"),
            ("/help/how-to/engineers.html", "Make a pump fail"),
            ("/help/search?q=shelve", "<mark>"),
            ("/help/faults/motor_stall.svg", "<svg"),
        ):
            answer = await client.get(path)
            assert (answer.status_code, text in answer.text) == (200, True), path
            assert "script-src 'self'" in answer.headers["content-security-policy"]
        for path in ("/help/no-such-page.html", "/help/%2e%2e/pyproject.toml", "/help/../README.md", "/help/api.md"):
            answer = await client.get(path)
            assert (answer.status_code, "[build-system]" in answer.text) == (404, False), path


def test_an_installation_without_documentation_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(manual.root, "__defaults__", ((tmp_path,),))
    assert manual.MISSING in text_of(help_page.layout())
    answer = manual_routes.answer("index.html")
    assert (answer.status_code, bytes(answer.body).decode()) == (404, manual.MISSING)


def test_help_says_that_this_is_a_simulation_and_so_does_every_page(pages: dict[str, str]) -> None:
    assert "no medical device" in text_of(help_page.layout())
    assert [page for page, text in pages.items() if "no medical device" not in text] == []


def test_every_page_that_help_leads_to_is_a_page_of_the_documentation(pages: dict[str, str]) -> None:
    assert [page for _, rows in help_page.TOPICS for page, _, _ in rows if page not in pages] == []


def test_every_page_stands_in_the_contents_or_in_the_list_of_decisions(pages: dict[str, str]) -> None:
    reached = pages["index.html"].partition("<nav")[2] + pages["adr/index.html"].partition("<main")[2]
    assert [page for page in pages if posixpath.basename(page) not in reached] == []


def test_every_link_picture_and_anchor_leads_somewhere_in_the_documentation(pages: dict[str, str]) -> None:
    known = set(pages) | set(manual.files(ROOT))
    ids = {page: set(map(unescape, re.findall(r'\bid="([^"]+)"', text))) for page, text in pages.items()}
    broken = []
    for page, text in pages.items():
        for url in map(unescape, re.findall(r'(?:href|src)="([^"]*)"', text)):
            if re.match(r"https?:|mailto:", url):
                continue
            target, _, anchor = url.partition("#")
            found = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
            if found not in known or (anchor and found in ids and anchor not in ids[found]):
                broken.append((page, url))
    assert broken == []


def test_no_page_loads_anything_from_a_third_party(pages: dict[str, str]) -> None:
    loaded = r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"'](?:https?:)?//"
    assert [page for page, text in pages.items() if re.search(loaded, text)] == []


def test_every_search_result_leads_to_its_section(pages: dict[str, str]) -> None:
    for words in ("silence", "backup restore", "motor stall", "json"):
        hits = manual.search(ROOT, words)
        assert 0 < len(hits) <= manual.MAX_RESULTS
        wrong = [hit for hit in hits if hit.anchor and f'id="{hit.anchor}"' not in pages[hit.page]]
        assert wrong == []


def test_search_finds_what_has_every_word_and_the_page_about_it_first() -> None:
    first = [hit.page for hit in manual.search(ROOT, "back up restore")[:3]]
    assert "backup.html" in first
    assert manual.search(ROOT, "shelve zyzzyva") == []
    assert "Nothing holds every word of “&lt;b&gt;”" in shown("search", "<b>")
    assert "Type words" in shown("search", "  ")
    assert len(shown("search", "x" * 5000)) < 20_000


def test_text_of_a_page_is_never_markup() -> None:
    text = "# A <b>title</b>\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) ![p](https://example.org/p.png)\n\n`<i>`"
    html = manual_markdown.render(text, lambda _: None).html
    assert "<script" not in html
    assert "<b>" not in html
    assert "href" not in html
    assert "<img" not in html
    assert "<!--" not in manual_markdown.render("<!-- written by hand -->\n\ntext", lambda _: None).html


def test_headings_have_the_anchors_of_a_forge() -> None:
    done = manual_markdown.render("# A `b`\n\n## Same\n\n## Same\n\n## What's new?", lambda _: None)
    assert [one.anchor for one in done.headings] == ["a-b", "same", "same-1", "whats-new"]


def test_links_hold_from_every_place_of_a_page() -> None:
    known = manual.files(ROOT)
    for name, target, leads in (
        ("how-to/engineers.md", "../api.md#errors", "../api.html#errors"),
        ("architecture.md", "../CONTRIBUTING.md#a-rule", "CONTRIBUTING.html#a-rule"),
        ("architecture.md", "adr/", "adr/index.html"),
        ("CONTRIBUTING.md", "docs/glossary.md", "glossary.html"),
        ("reference/faults.md", "../faults/motor_stall.svg", "../faults/motor_stall.svg"),
        ("architecture.md", "../broker/contract/signals.py", None),
        ("architecture.md", "../../../etc/passwd", None),
    ):
        assert manual.resolved(name, target, known) == leads, target


def test_an_installed_wheel_carries_the_documentation() -> None:
    configured = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'"docs" = "dashboard/{manual.ROOTS[0].name}/docs"' in configured
    for name in manual_map.TOP_PAGES:
        assert f'"{name}" = "dashboard/{manual.ROOTS[0].name}/{name}"' in configured
