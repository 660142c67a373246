"""Texts and links about alarm rules: titles with their priority, thresholds, open alarms, evidence."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from dash import html

from dashboard.access.proxies import path_of
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.languages import decimal, separated, tr, tr_later, tr_n, tr_sentence

NO_NUMBER: Final = tr_later("no fixed number: raised as soon as it is reported")
LIMITS: Final = (
    tr_later("{label}: limit set for each pump from its program and baseline"),
    tr_later("{label}: limit set from the number of its pumps"),
    tr_later("{label}: limit set from the number of pumps"),
    tr_later("{label}: limit set from the rest of the fleet"),
    tr_later("{label}: limit set for each system"),
)
"""Limits that are no number, as the processor writes them."""
_NUMBER: Final = re.compile(r"(?P<label>.+): limit (?P<limit>[-+.\d].*?)( \(normally (?P<normal>.+)\))?")
_WITH_UNIT: Final = re.compile(r"(?P<label>.+) \((?P<unit>[^()]+)\)")


def label(head: str) -> dict[str, Any]:
    """Return the attribute by which the style sheet labels a cell on a narrow screen."""
    return {"data-label": head}


def path(name: str) -> str:
    """Return the address of a rule's own page."""
    return path_of(f"/rules/{quote(name, safe='')}")


def link(row: dict[str, Any]) -> Component:
    """Return the title of a rule with the shape of its priority, as a link to its page."""
    title = html.A(tr(row["title"]), href=path(row["rule"]), className="pump-link rule-link", **client_script.GO)
    return html.Span([elements.mark(row["priority"]), title], className="priority")


def thresholds(row: dict[str, Any], most: int | None = None) -> Component:
    """Return the thresholds of a rule, all or the most telling ones with how many more there are."""
    sentences = row["thresholds"] or []
    if not sentences:
        return tr(NO_NUMBER)
    more = len(sentences) - (most or len(sentences))
    shown = [html.Li(threshold(sentence)) for sentence in sentences[:most]]
    return html.Ul(
        [*shown, *([html.Li(tr_n("and {count} more", "and {count} more", more))] if more > 0 else [])],
        className="thresholds",
    )


def threshold(sentence: str) -> str:
    """Return a threshold in the viewer's language, from the sentence that the processor writes."""
    found = _NUMBER.fullmatch(sentence)
    if found is None:
        return tr_sentence(sentence, LIMITS)
    label, limit = tr(found["label"]), _quantity(found["limit"])
    if not found["normal"]:
        return tr("{label}: limit {limit}", label=label, limit=limit)
    return tr("{label}: limit {limit} (normally {normal})", label=label, limit=limit, normal=_quantity(found["normal"]))


def _quantity(text: str) -> str:
    value, _, unit = text.partition(" ")
    return f"{separated(value)} {tr(unit)}".rstrip()


def measurement(label: str) -> str:
    """Return what an alarm records, "Motor current (mA)", in the viewer's language."""
    found = _WITH_UNIT.fullmatch(label)
    return f"{tr(found['label'])} ({tr(found['unit'])})" if found else tr(label)


def open_link(row: dict[str, Any]) -> Component:
    """Return the number of open alarms of a rule, as a link to them if there are any."""
    if not row["open"]:
        return "0"
    href = path_of(f"/alarms?rule={quote(row['rule'], safe='')}")
    return html.A(decimal(row["open"]), href=href, className="due-link open-alarms", **client_script.GO)


def go(text: str, href: str) -> Component:
    """Return a link to another page of the dashboard."""
    return html.A(text, href=path_of(href), className="due-link", **client_script.GO)
