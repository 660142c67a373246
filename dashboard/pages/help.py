"""Help: search, and where to read on by what a person wants to do; the documentation opens beside it."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, html

from dashboard.access.proxies import path_of
from dashboard.components import elements, manual_routes, shell
from dashboard.components.elements import Component
from dashboard.data import manual
from dashboard.data.services import DataService
from dashboard.languages import ENGLISH, LANGUAGE, tr, tr_later

SIMULATION: Final = tr_later(
    "All pumps are simulated. Pumpwatch is no medical device, and nothing in it is clinical advice. Real implanted "
    "pumps do not stream telemetry."
)
TOPICS: Final = (
    (
        tr_later("I watch the pumps"),
        (
            (
                "how-to/monitoring-staff.html",
                tr_later("Work through the alarms"),
                tr_later("What to look at first, acknowledge, shelve, hand over"),
            ),
            ("reference/rules.html", tr_later("Rules"), tr_later("What each alarm means and what to do")),
            ("glossary.html", tr_later("Glossary"), tr_later("What the words mean")),
        ),
    ),
    (
        tr_later("I test detection"),
        (
            ("tutorial.html", tr_later("Tutorial"), tr_later("From nothing to a detected fault in ten minutes")),
            (
                "how-to/engineers.html",
                tr_later("Make a pump fail"),
                tr_later("Inject a fault, see when it is detected and why"),
            ),
            (
                "reference/faults.html",
                tr_later("Faults, with pictures"),
                tr_later("What each fault does to the signals"),
            ),
            (
                "scorecard.html",
                tr_later("How well detection works"),
                tr_later("Detection rate and false alarms, and how they are counted"),
            ),
        ),
    ),
    (
        tr_later("I test load"),
        (
            (
                "how-to/load-testers.html",
                tr_later("Find the limit"),
                tr_later("Raise the fleet until something gives way"),
            ),
            ("load.html", tr_later("Load profiles"), tr_later("Stages, thresholds and reports")),
        ),
    ),
    (
        tr_later("I run the system"),
        (
            ("deploy-securely.html", tr_later("Deploy on a network"), tr_later("TLS, accounts, gateways")),
            ("backup.html", tr_later("Back up and restore"), tr_later("Of a running system")),
            ("connect-a-client.html", tr_later("Connect a client"), tr_later("Any MQTT client, in three languages")),
            ("reference/cli.html", tr_later("Command line"), tr_later("Every command and option")),
        ),
    ),
)
"""Headings with their pages: address, title, what it is about."""

ENGLISH_PAGE: Final[dict[str, Any]] = {"hrefLang": ENGLISH.code}
"""What a link says of the language of its page."""


def layout() -> Component:
    """Return the page; its links open a tab beside the dashboard, which goes on showing alarms."""
    there = manual.root() is not None
    about = elements.card(
        tr("Help"),
        html.P(tr(SIMULATION)),
        html.P(tr("Press ? on any page for its keyboard shortcuts.")),
        *(
            []
            if LANGUAGE.get() is ENGLISH
            else [html.P(tr("The documentation itself is in English."), className="note")]
        ),
        *(_start() if there else [elements.nothing(manual.MISSING)]),
        name="help-about",
    )
    cards = [elements.card(tr(title), html.Ul([_entry(*row) for row in rows])) for title, rows in TOPICS]
    return html.Div(
        [
            html.H1(tr("Help"), className="hidden"),
            about,
            *([html.Div(cards, className="help-topics")] if there else []),
        ],
        className="column help",
    )


def register(app: Dash, _data: DataService) -> None:
    """Add the page, and the documentation below its address."""
    shell.add_page(__name__, name="Help", path=manual.PREFIX, order=40, layout=layout)
    manual_routes.register(app)


def _start() -> list[Component]:
    """Return the search of the documentation, and the link to its first page."""
    words = dmc.TextInput(name="q", label=tr("Search the documentation"), size="sm")
    search = html.Form(
        [words, html.Button(tr("Search"), type="submit", className="button")],
        action=_address(manual_routes.SEARCH),
        method="GET",
        target="_blank",
        className="help-search",
    )
    start = html.A(
        tr("Open the documentation"), href=_address("index.html"), target="_blank", className="button strong"
    )
    return [search, start]


def _entry(page: str, title: str, about: str) -> Component:
    return html.Li(
        [
            html.A(tr(title), href=_address(page), target="_blank", **ENGLISH_PAGE),
            html.Span(tr(about), className="note"),
        ]
    )


def _address(page: str) -> str:
    return path_of(f"{manual.PREFIX}/{page}")
