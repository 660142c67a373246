"""Line of the overview: how many refills and replacements are due, each a link to the page Refills."""

from __future__ import annotations

from dash import html

from broker.store.snapshot import Snapshot
from dashboard.access.proxies import path_of
from dashboard.components import client_script, elements
from dashboard.components.elements import Component
from dashboard.data import refill_days


def facts(snapshot: Snapshot) -> list[Component]:
    """Return what is overdue, the next refills and the batteries that are due, as the page Refills counts them."""
    due = refill_days.outlook(snapshot)
    overdue = [_link(f"{due['overdue']:,} overdue", "overdue", "overdue-word"), " · "] if due["overdue"] else []
    refills = [*overdue, _link(f"{due['today']:,} today", "0"), " · ", _link(f"{due['week']:,} in 7 d", "7")]
    return [
        elements.fact("Next refills", refills),
        elements.fact("Batteries", _link(f"{due['batteries']:,} due in 7 d", "7", query="&kind=battery")),
    ]


def _link(text: str, span: str, name: str = "", query: str = "") -> Component:
    href = path_of(f"/refills?span={span}{query}")
    return html.A(text, href=href, className=f"due-link {name}".rstrip(), **client_script.GO)
