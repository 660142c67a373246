"""Documentation: finds its files, renders a page of it, and searches titles and text; it needs no build."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from dashboard.data import manual_markdown
from dashboard.data.manual_map import HOME, TOP_PAGES, navigation
from dashboard.data.manual_markdown import Heading

PREFIX: Final = "/help"
_PACKAGE: Final = Path(__file__).resolve().parents[1]
ROOTS: Final = (_PACKAGE / "manual", _PACKAGE.parent)
"""Where `docs/` and the pages beside it may be: in an installed package, and in a copy of the repository."""
MISSING: Final = (
    "The documentation is not part of this installation; install Pumpwatch anew from its wheel or repository."
)
DECISIONS: Final = "adr/index.md"
MAX_QUERY: Final = 100
MAX_RESULTS: Final = 40
MAX_CACHED: Final = 256
SHOWN: Final = {".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json"}
"""Files beside the pages that are served, by suffix."""


@dataclass(frozen=True)
class Page:
    """A page: its title, its HTML, and its headings."""

    title: str
    html: str
    headings: tuple[Heading, ...]


@dataclass(frozen=True)
class Hit:
    """A section that a search found: page, anchor, titles of page and section, and the text around the first word."""

    page: str
    anchor: str
    title: str
    section: str
    excerpt: str


def root(roots: tuple[Path, ...] = ROOTS) -> Path | None:
    """Return the folder that holds `docs/`; None if there is none."""
    return next((each for each in roots if (each / "docs" / HOME).is_file()), None)


def files(where: Path) -> dict[str, Path]:
    """Return what is shown by its name, such as `how-to/engineers.md` or `faults/motor_stall.svg`."""
    docs = where / "docs"
    found = {
        path.relative_to(docs).as_posix(): path for path in sorted(docs.rglob("*")) if path.suffix in {".md", *SHOWN}
    }
    return {**found, **{name: where / name for name in TOP_PAGES if (where / name).is_file()}}


def address(name: str) -> str:
    """Return the address of a page or file below `PREFIX`."""
    return name.removesuffix(".md") + ".html" if name.endswith(".md") else name


def page(where: Path, path: str) -> Page | None:
    """Return the page at an address below `PREFIX`, such as `how-to/engineers.html`; None if there is none."""
    known = files(where)
    name = path.removesuffix(".html") + ".md" if path.endswith(".html") else ""
    if name == DECISIONS:
        return _decisions(known)
    if name not in known:
        return None
    text = _text(known[name], known[name].stat().st_mtime_ns)
    done = manual_markdown.render(text, lambda target: resolved(name, target, known))
    return Page(_title(text, name), done.html, done.headings)


def resolved(name: str, target: str, known: Mapping[str, Path]) -> str | None:
    """Return the relative address of a link in the page `name`, None if it leads to nothing that is shown."""
    link, mark, anchor = target.partition("#")
    beside = name in TOP_PAGES
    found = posixpath.normpath(posixpath.join("" if beside else "docs", posixpath.dirname(name), link))
    if found.startswith("docs/"):
        found = found.removeprefix("docs/")
    elif found not in TOP_PAGES:
        return None
    if f"{found}/index.md" == DECISIONS:
        found = DECISIONS
    elif found not in known:
        return None
    return posixpath.relpath(address(found), posixpath.dirname(name) or ".") + mark + anchor


def contents(where: Path) -> list[dict[str, Any]]:
    """Return the navigation: groups, each a title with a page, or with rows and further groups."""
    known = [name for name in files(where) if name.endswith(".md")]
    return [
        {"Decisions": DECISIONS} if "Decisions" in group else group
        for group in _titled(navigation(known), where, files(where))
    ]


def search(where: Path, query: str) -> list[Hit]:
    """Return the sections that hold every word of a query, those with the words in their titles first."""
    words = query[:MAX_QUERY].casefold().split()
    if not words:
        return []
    found: list[tuple[int, Hit]] = []
    for name, path in files(where).items():
        if not name.endswith(".md"):
            continue
        for title, section, anchor, text in _sections(name, path, path.stat().st_mtime_ns):
            titles, body = f"{title} {section}".casefold(), text.casefold()
            if not all(word in titles or word in body for word in words):
                continue
            weight = sum(8 * (word in section.casefold()) + 4 * (word in title.casefold()) for word in words)
            weight += sum(min(body.count(word), 4) for word in words)
            weight -= 6 * (name.startswith("adr/") or name == "CHANGELOG.md")
            found.append((-weight, Hit(address(name), anchor, title, section, _excerpt(text, words))))
    return [hit for _, hit in sorted(found, key=lambda one: one[0])[:MAX_RESULTS]]


def _excerpt(text: str, words: list[str]) -> str:
    at = min((place for word in words if (place := text.casefold().find(word)) >= 0), default=0)
    begin = text.rfind(" ", 0, max(0, at - 60)) + 1
    shown = text[begin : begin + 200]
    return shown if begin + 200 >= len(text) else f"{shown.rpartition(' ')[0]} …"


@lru_cache(MAX_CACHED)
def _text(path: Path, _mtime_ns: int) -> str:
    return path.read_text("utf-8", errors="replace")


@lru_cache(MAX_CACHED)
def _sections(name: str, path: Path, mtime_ns: int) -> tuple[tuple[str, str, str, str], ...]:
    """Return the sections of a page: title of the page, of the section, its anchor, its text without marks."""
    text = _text(path, mtime_ns)
    title = _title(text, name)
    # Code has lines that begin as headings do.
    parts = re.split(r"(?m)^(?:(```)|#{1,6} (.+)$)", text)
    sections: list[tuple[str, str, str, str]] = []
    section, anchors, body, coded = title, [""], parts[0], False
    for fence, heading, rest in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        if heading is None or coded:
            coded = coded != bool(fence)
            body += f" {heading or ''} {rest}"
            continue
        sections.append((title, section, anchors[-1], _plain(body)))
        section, body = _plain(heading), rest
        anchors.append(manual_markdown.anchor(section, anchors))
    sections.append((title, section, anchors[-1], _plain(body)))
    return tuple(one for one in sections if one[3] or one[1] != title)


def _plain(text: str) -> str:
    text = re.sub(r"<!--.*?-->", " ", text, flags=re.DOTALL)
    text = re.sub(r"!?\[([^\]]*)\]\([^)\s]*\)", r"\1", text)
    return " ".join(re.sub(r"[*|]|^> |-{3,}", " ", text.replace("`", "")).split())


def _title(text: str, name: str) -> str:
    found = re.search(r"^# (.+)$", text, re.MULTILINE)
    return found[1].replace("`", "") if found else posixpath.basename(name).removesuffix(".md")


def _decisions(known: Mapping[str, Path]) -> Page:
    names = [name for name in known if name.startswith("adr/") and name.endswith(".md")]
    titles = [(_title(_text(known[name], known[name].stat().st_mtime_ns), name), name) for name in names]
    lines = ["# Decisions", "", *(f"- [{title}]({posixpath.basename(name)})" for title, name in titles)]
    done = manual_markdown.render("\n".join(lines), lambda target: resolved(DECISIONS, target, known))
    return Page("Decisions", done.html, done.headings)


def _titled(rows: list[Any], where: Path, known: Mapping[str, Path]) -> list[dict[str, Any]]:
    """Return rows of the navigation, in which a page without a title has that of its heading."""
    named: list[dict[str, Any]] = []
    for row in rows:
        if isinstance(row, str):
            named.append({_title(_text(known[row], known[row].stat().st_mtime_ns), row): row})
            continue
        named += [
            {title: inside if isinstance(inside, str) else _titled(inside, where, known)}
            for title, inside in row.items()
        ]
    return named
