"""Help: search, and where to read on by what a person wants to do; the documentation opens beside it."""

from __future__ import annotations

from typing import Final

import dash_mantine_components as dmc
from dash import Dash, html

from dashboard.access.proxies import path_of
from dashboard.components import elements, manual_routes, shell
from dashboard.components.elements import Component
from dashboard.data import manual
from dashboard.data.services import DataService

SIMULATION: Final = (
    "All pumps are simulated. Pumpwatch is no medical device, and nothing in it is clinical advice. Real implanted "
    "pumps do not stream telemetry."
)
TOPICS: Final = (
    (
        "I watch the pumps",
        (
            (
                "how-to/monitoring-staff.html",
                "Work through the alarms",
                "What to look at first, acknowledge, shelve, hand over",
            ),
            ("reference/rules.html", "Rules", "What each alarm means and what to do"),
            ("glossary.html", "Glossary", "What the words mean"),
        ),
    ),
    (
        "I test detection",
        (
            ("tutorial.html", "Tutorial", "From nothing to a detected fault in ten minutes"),
            ("how-to/engineers.html", "Make a pump fail", "Inject a fault, see when it is detected and why"),
            ("reference/faults.html", "Faults, with pictures", "What each fault does to the signals"),
            ("scorecard.html", "How well detection works", "Detection rate and false alarms, and how they are counted"),
        ),
    ),
    (
        "I test load",
        (
            ("how-to/load-testers.html", "Find the limit", "Raise the fleet until something gives way"),
            ("load.html", "Load profiles", "Stages, thresholds and reports"),
        ),
    ),
    (
        "I run the system",
        (
            ("deploy-securely.html", "Deploy on a network", "TLS, accounts, gateways"),
            ("backup.html", "Back up and restore", "Of a running system"),
            ("connect-a-client.html", "Connect a client", "Any MQTT client, in three languages"),
            ("reference/cli.html", "Command line", "Every command and option"),
        ),
    ),
)
"""Headings with their pages: address, title, what it is about."""


def layout() -> Component:
    """Return the page; its links open a tab beside the dashboard, which goes on showing alarms."""
    there = manual.root() is not None
    about = elements.card(
        "Help",
        html.P(SIMULATION),
        html.P("Press ? on any page for its keyboard shortcuts."),
        *(_start() if there else [elements.nothing(manual.MISSING)]),
        name="help-about",
    )
    cards = [elements.card(title, html.Ul([_entry(*row) for row in rows])) for title, rows in TOPICS]
    return html.Div(
        [html.H1("Help", className="hidden"), about, *([html.Div(cards, className="help-topics")] if there else [])],
        className="column help",
    )


def register(app: Dash, _data: DataService) -> None:
    """Add the page, and the documentation below its address."""
    shell.add_page(__name__, name="Help", path=manual.PREFIX, order=40, layout=layout)
    manual_routes.register(app)


def _start() -> list[Component]:
    """Return the search of the documentation, and the link to its first page."""
    words = dmc.TextInput(name="q", label="Search the documentation", size="sm")
    search = html.Form(
        [words, html.Button("Search", type="submit", className="button")],
        action=_address(manual_routes.SEARCH),
        method="GET",
        target="_blank",
        className="help-search",
    )
    start = html.A("Open the documentation", href=_address("index.html"), target="_blank", className="button strong")
    return [search, start]


def _entry(page: str, title: str, about: str) -> Component:
    return html.Li([html.A(title, href=_address(page), target="_blank"), html.Span(about, className="note")])


def _address(page: str) -> str:
    return path_of(f"{manual.PREFIX}/{page}")
