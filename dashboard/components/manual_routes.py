"""Documentation over HTTP below `/help/`: pages, pictures and search, as HTML that needs no script."""

from __future__ import annotations

import asyncio
import posixpath
import re
from html import escape
from pathlib import Path
from typing import Any, Final

from dash import Dash
from fastapi import FastAPI, Response

from dashboard import theme
from dashboard.access.proxies import path_of
from dashboard.components import shell
from dashboard.data import manual
from dashboard.data.manual import Hit, Page

SEARCH: Final = "search"
MIN_HEADINGS: Final = 3
"""Sections from which on a page begins with a list of them."""
_CACHE: Final = {"Cache-Control": "no-cache"}  # asked for again, and quickly made


def register(app: Dash) -> None:
    """Add the routes to the server of an app."""
    server: FastAPI = app.server

    @server.get(manual.PREFIX + "/{path:path}")
    async def documentation(path: str, q: str = "") -> Response:
        return await asyncio.to_thread(answer, path or "index.html", q)


def answer(path: str, query: str = "") -> Response:
    """Return the page, picture or result of a search at an address below `/help/`."""
    where = manual.root()
    if where is None:
        return Response(manual.MISSING, 404, _CACHE, "text/plain")
    if path == SEARCH:
        hits = manual.search(where, query)
        return _html(where, path, "Search", _results(query[: manual.MAX_QUERY], hits), query)
    found = manual.page(where, path)
    if found is not None:
        return _html(where, path, found.title, _with_sections(found))
    file = None if path.endswith(".md") else manual.files(where).get(path)
    if file is not None:
        return Response(file.read_bytes(), headers=_CACHE, media_type=manual.SHOWN[file.suffix])
    text = f"The documentation has no page {escape(path[:100])}. Search it, or use its contents."
    return _html(where, "", "Page not found", f"<h1>Page not found</h1><p>{text}</p>", status=404)


def _html(where: Path, path: str, title: str, content: str, query: str = "", *, status: int = 200) -> Response:
    """Return a page with the frame around it."""
    help_, assets = path_of(manual.PREFIX), path_of("/assets")
    text = (
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width,initial-scale=1'>"
        f"<title>{escape(title)} · Pumpwatch documentation</title>"
        f"<link rel='icon' href='{assets}/favicon.svg' type='image/svg+xml'>"
        f"<style>{theme.css()}</style><script>{shell.SCHEME_SCRIPT}</script>"
        f"<link rel='stylesheet' href='{assets}/a-frame.css'>"
        f"<link rel='stylesheet' href='{assets}/d-manual.css'></head>"
        "<body class='manual'><a class='skip' href='#main'>Skip to content</a><header class='manual-head'>"
        f"<a class='brand' href='{path_of('/')}'>Pumpwatch</a>"
        f"<a class='manual-home' href='{help_}/index.html'>Documentation</a>"
        f"<form role='search' action='{help_}/{SEARCH}'><input type='search' name='q' "
        f"aria-label='Search the documentation' placeholder='Search' maxlength='{manual.MAX_QUERY}' "
        f"value='{escape(query[: manual.MAX_QUERY])}'>"
        "<button class='button'>Search</button></form><a class='manual-jump' href='#contents'>Contents</a></header>"
        f"<div class='manual-body'><main id='main'>{content}</main>"
        f"<nav id='contents' aria-label='Contents'>{_rows(manual.contents(where), path, help_)}</nav></div>"
        "<footer>A simulation, no medical device. Nothing here is clinical advice.</footer></body></html>"
    )
    return Response(text, status, _CACHE, "text/html")


def _rows(rows: list[dict[str, Any]], path: str, help_: str) -> str:
    items = []
    for row in rows:
        for title, inside in row.items():
            if isinstance(inside, str):
                here = " aria-current='page'" if manual.address(inside) == path else ""
                items.append(f"<li><a href='{help_}/{escape(manual.address(inside))}'{here}>{escape(title)}</a></li>")
            elif inside:
                items.append(f"<li><span>{escape(title)}</span>{_rows(inside, path, help_)}</li>")
    return f"<ul>{''.join(items)}</ul>"


def _with_sections(page: Page) -> str:
    """Return the HTML of a page; a long one has a list of its sections below its title."""
    sections = [one for one in page.headings if one.level == 2]
    if len(sections) < MIN_HEADINGS:
        return page.html
    items = "".join(f"<li><a href='#{escape(one.anchor)}'>{escape(one.text)}</a></li>" for one in sections)
    listed = f"<details class='sections'><summary>On this page</summary><ul>{items}</ul></details>"
    head, end, rest = page.html.partition("</h1>")
    return f"{head}{end}{listed}{rest}" if end else f"{listed}{page.html}"


def _marked(text: str, words: re.Pattern[str]) -> str:
    """Return a text as HTML with these words marked."""
    marked = [f"<mark>{escape(word)}</mark>" for word in words.findall(text)]
    return "".join(escape(part) + mark for part, mark in zip(words.split(text), [*marked, ""], strict=True))


def _results(query: str, hits: list[Hit]) -> str:
    """Return the results of a search, with its words marked."""
    if not hits:
        why = (
            f"Nothing holds every word of “{escape(query)}”. Try fewer words."
            if query.strip()
            else "Type words to search for."
        )
        return f"<h1>Search</h1><p>{why}</p>"
    words = re.compile("|".join(re.escape(word) for word in sorted(query.split(), key=len, reverse=True)), re.I)
    items = []
    for hit in hits:
        section = "" if hit.section == hit.title else f" <span>{escape(hit.section)}</span>"
        excerpt = _marked(hit.excerpt, words)
        link = posixpath.join(path_of(manual.PREFIX), hit.page) + (f"#{hit.anchor}" if hit.anchor else "")
        items.append(f"<li><a href='{escape(link)}'>{escape(hit.title)}</a>{section}<p>{excerpt}</p></li>")
    many = f"The {len(hits)} best sections" if len(hits) == manual.MAX_RESULTS else f"Sections: {len(hits)}"
    return f"<h1>Search</h1><p>{many}</p><ol class='results'>{''.join(items)}</ol>"
