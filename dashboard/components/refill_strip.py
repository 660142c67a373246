"""Line of the overview: how many refills and replacements are due, each a link to the page Refills."""

from __future__ import annotations

from dash import html

from broker.store.snapshot import Snapshot
from dashboard.access.proxies import path_of
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.data import refill_days
from dashboard.languages import decimal, tr


def facts(snapshot: Snapshot) -> list[Component]:
    """Return what is overdue, the next refills and the batteries that are due, as the page Refills counts them."""
    due = refill_days.outlook(snapshot)
    overdue = (
        [_link(tr("{overdue} overdue", overdue=decimal(due["overdue"])), "overdue", "overdue-word"), " · "]
        if due["overdue"]
        else []
    )
    refills = [
        *overdue,
        _link(tr("{today} today", today=decimal(due["today"])), "0"),
        " · ",
        _link(tr("{week} in 7 d", week=decimal(due["week"])), "7"),
    ]
    return [
        elements.fact(tr("Next refills"), refills),
        elements.fact(
            tr("Batteries"),
            _link(tr("{batteries} due in 7 d", batteries=decimal(due["batteries"])), "7", query="&kind=battery"),
        ),
    ]


def _link(text: str, span: str, name: str = "", query: str = "") -> Component:
    href = path_of(f"/refills?span={span}{query}")
    return html.A(text, href=href, className=f"due-link {name}".rstrip(), **client_script.GO)
