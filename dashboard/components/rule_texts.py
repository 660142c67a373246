"""Texts and links about alarm rules: titles with their priority, thresholds, open alarms, evidence."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from dash import html

from dashboard.access.proxies import path_of
from dashboard.components import client_script, elements
from dashboard.components.elements import Component

NO_NUMBER = "no fixed number: raised as soon as it is reported"


def label(head: str) -> dict[str, Any]:
    """Return the attribute by which the style sheet labels a cell on a narrow screen."""
    return {"data-label": head}


def path(name: str) -> str:
    """Return the address of a rule's own page."""
    return path_of(f"/rules/{quote(name, safe='')}")


def link(row: dict[str, Any]) -> Component:
    """Return the title of a rule with the shape of its priority, as a link to its page."""
    title = html.A(row["title"], href=path(row["rule"]), className="pump-link rule-link", **client_script.GO)
    return html.Span([elements.mark(row["priority"]), title], className="priority")


def thresholds(row: dict[str, Any], most: int | None = None) -> Component:
    """Return the thresholds of a rule, all or the most telling ones with how many more there are."""
    sentences = row["thresholds"] or []
    if not sentences:
        return NO_NUMBER
    more = len(sentences) - (most or len(sentences))
    shown = [html.Li(sentence) for sentence in sentences[:most]]
    return html.Ul([*shown, *([html.Li(f"and {more} more")] if more > 0 else [])], className="thresholds")


def open_link(row: dict[str, Any]) -> Component:
    """Return the number of open alarms of a rule, as a link to them if there are any."""
    if not row["open"]:
        return "0"
    href = path_of(f"/alarms?rule={quote(row['rule'], safe='')}")
    return html.A(f"{row['open']:,}", href=href, className="due-link open-alarms", **client_script.GO)


def go(text: str, href: str) -> Component:
    """Return a link to another page of the dashboard."""
    return html.A(text, href=path_of(href), className="due-link", **client_script.GO)
