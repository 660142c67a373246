"""The documentation site: complete, without third parties, and every link in it leads somewhere."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from dashboard.data import manual_map
from pumpwatch.documentation import site
from tests.pumpwatch.documentation.code_blocks import ROOT

MARKDOWN = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")})
LOADED = re.compile(r'<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)="([^"]+)"')


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    into = tmp_path_factory.mktemp("documentation") / "site"
    site.build(ROOT, into)
    return into


def pages(built: Path) -> dict[str, str]:
    return {path.relative_to(built).as_posix(): path.read_text("utf-8") for path in built.rglob("*.html")}


def test_every_page_of_the_docs_is_in_the_site(built: Path) -> None:
    wanted = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in ROOT.glob("docs/**/*.md")}
    assert wanted - set(pages(built)) == set()
    front = (built / "index.html").read_text("utf-8")
    for name in wanted - {"index.html"}:
        assert re.search(rf'href="(\./)?{re.escape(name)}"', front) or name.startswith("adr/"), (
            f"{name} is not in the navigation"
        )


def test_nothing_comes_from_a_third_party(built: Path) -> None:
    assert [(page, url) for page, text in pages(built).items() for url in LOADED.findall(text) if "//" in url] == []


def test_the_search_knows_the_glossary(built: Path) -> None:
    found = json.loads((built / "search.json").read_text("utf-8"))
    assert "re-annunciate" in json.dumps(found) or "shelve" in json.dumps(found)


def test_every_page_says_that_this_is_a_simulation(built: Path) -> None:
    assert [page for page, text in pages(built).items() if "no medical device" not in text] == []


def test_every_link_and_anchor_in_the_site_leads_somewhere(built: Path) -> None:
    texts = pages(built)
    ids = {page: {unquote(each) for each in re.findall(r'\bid="([^"]+)"', text)} for page, text in texts.items()}
    broken = []
    for page, text in texts.items():
        for url in re.findall(r'(?:href|src)="([^"]+)"', text.partition("<article")[2].partition("</article>")[0]):
            if re.match(r"[a-z]+:", url):
                continue
            target, _, anchor = url.partition("#")
            path = (built / page).parent / unquote(target) if target else built / page
            name = path.resolve().relative_to(built).as_posix()
            if not path.exists() or (anchor and name in ids and unquote(anchor) not in ids[name]):
                broken.append((page, url))
    assert broken == []


@cache
def anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a Markdown file as a forge makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads)


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_pictures_and_anchors_in_markdown_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or path.suffix != ".md" or anchor in anchors(path), f"{target}#{anchor}"


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs" / "adr").mkdir(parents=True)
    for name in manual_map.TOP_PAGES:
        (tmp_path / name).write_text("# Page\n")
    for name in (manual_map.HOME, "tutorial.md", "glossary.md"):
        (tmp_path / "docs" / name).write_text("# Page\n\n[no such page](none.md)\n")
    with pytest.raises(site.SiteError, match="was not built"):
        site.build(tmp_path, tmp_path / "site")


def test_links_that_leave_the_docs_lead_to_a_staged_page_or_become_text(tmp_path: Path) -> None:
    for name in ("CONTRIBUTING.md", "broker/a.py", "docs/CONTRIBUTING.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    text = "[rules](../CONTRIBUTING.md#a-rule), [code](../broker/a.py), [web](https://example.org/)"
    there = site.with_links(text, "architecture.md", tmp_path / "docs", tmp_path)
    assert there == "[rules](CONTRIBUTING.md#a-rule), code, [web](https://example.org/)"


def test_the_glossary_is_sorted_and_explains_each_term_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", (ROOT / "docs/glossary.md").read_text("utf-8"), re.MULTILINE)
    terms = [term.lower() for term in rows[1:] if set(term) != {"-"}]
    assert terms == sorted(set(terms))
    assert len(terms) > 90
