"""Help: the page, the documentation below it, for people who are signed in only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from dashboard.app import build
from dashboard.data import documentation
from dashboard.pages import help as help_page
from dashboard.settings import Settings

Open = Callable[[object], httpx.AsyncClient]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small site where the dashboard looks for one."""
    folder = tmp_path / "site"
    (folder / "how-to").mkdir(parents=True)
    (folder / "index.html").write_text("<title>Pumpwatch documentation</title>")
    (folder / "how-to/engineers.html").write_text("Make a pump fail")
    (tmp_path / "secret").write_text("not part of the site")
    monkeypatch.setattr(documentation.Site.__init__, "__defaults__", ((folder,),))
    monkeypatch.setattr(documentation.folder, "__defaults__", ((folder,),))
    return folder


async def signed_in(client: httpx.AsyncClient) -> None:
    assert (await client.get("/?key=the-right-key")).status_code in {302, 303}


def text_of(layout: Any) -> str:
    return json.dumps(layout, default=lambda one: one.to_plotly_json())


async def test_the_documentation_is_shown_to_people_who_are_signed_in_and_to_nobody_else(
    site: Path, settings: Settings, browser_of: Open
) -> None:
    async with browser_of(build(settings)) as client:
        assert (await client.get("/help/index.html")).status_code == 401
        await signed_in(client)
        for path, text in (("/help/", "documentation"), ("/help/how-to/engineers.html", "Make a pump fail")):
            shown = await client.get(path)
            assert (shown.status_code, text in shown.text) == (200, True)
            assert "script-src 'self'" in shown.headers["content-security-policy"]
        assert (await client.get("/help/no-such-page.html")).status_code == 404
        assert "not part" not in (await client.get("/help/%2e%2e/secret")).text


async def test_without_a_built_site_help_says_how_to_build_it(
    tmp_path: Path, settings: Settings, browser_of: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in (documentation.Site.__init__, documentation.folder):
        monkeypatch.setattr(place, "__defaults__", ((tmp_path / "none",),))
    assert "make docs" in text_of(help_page.layout())
    async with browser_of(build(settings)) as client:
        await signed_in(client)
        shown = await client.get("/help/index.html")
        assert (shown.status_code, "make docs" in shown.text) == (404, True)


def test_help_says_that_this_is_a_simulation(site: Path) -> None:
    assert "no medical device" in text_of(help_page.layout())


def test_every_page_that_help_leads_to_is_a_page_of_the_documentation() -> None:
    docs = Path(documentation.__file__).resolve().parents[2] / "docs"
    pages = [page for _, rows in help_page.TOPICS for page, _, _ in rows]
    assert [page for page in pages if not (docs / page).with_suffix(".md").exists()] == []
