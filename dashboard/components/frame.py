"""Frame around every page: header with the age of the data, navigation beside the page or, on small screens, below."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import dcc, html

from dashboard import theme
from dashboard.access.accounts import RIGHTS, Visitor
from dashboard.access.proxies import path_of
from dashboard.components import (
    address,
    alarm_action_dialog,
    attention_panel,
    client_script,
    out_of_service_dialog,
    retirement_dialog,
)
from dashboard.components.shortcuts import shortcuts
from dashboard.languages import tr, tr_later

DIALOGS: Final = (alarm_action_dialog, out_of_service_dialog, retirement_dialog)
"""Dialogs that any page opens by setting their store."""
HIDDEN: Final[dict[str, Any]] = {"aria-hidden": "true"}
DISCLAIMER: Final = tr_later("Simulation only. Not a medical device; not for clinical use.")
IN_BAR: Final = 5
"""Pages with a smaller order are in the bar of small screens; the others are behind its last button."""
Page = dict[str, Any]
"""An entry of `dash.page_registry`; `order` None keeps a page out of the navigation."""


def layout(pages: tuple[Page, ...], visitor: Visitor) -> dmc.MantineProvider:
    """Return the frame for one visitor."""
    stores = [
        dcc.Store(id=name)
        for name in ("newest", "live", "beat", "scheme", "ack", *(dialog.STORE for dialog in DIALOGS))
    ]
    return dmc.MantineProvider(
        theme=theme.mantine(),
        defaultColorScheme="auto",
        children=[
            dcc.Location(id="url", refresh=False),  # what address.js writes is no reason to load the page again
            *stores,
            html.Div(
                [
                    html.A(tr("Skip to content"), href="#content", className="skip"),
                    html.Header(_head(visitor), className="head"),
                    html.Nav(_navigation(pages, visitor), className="nav", **client_script.label(tr("Pages"))),
                    html.Main(
                        [
                            html.Div(id="stale", role="alert"),
                            html.Div(id="transport", role="status"),
                            *address.frame(),
                            html.P(id="page-language", className="note"),
                            html.Div(id="page"),
                        ],
                        id="content",
                        tabIndex=-1,
                    ),
                ],
                className="frame",
                **_rights(visitor),
            ),
            *(dialog.layout() for dialog in DIALOGS),
            *attention_panel.regions(),
            dmc.NotificationContainer(id="notices", position="bottom-right", autoClose=6000, limit=4),
        ],
    )


def may_see(page: Page, visitor: Visitor) -> bool:
    """Return whether a page is for this visitor."""
    return not page.get("right") or visitor.may(page["right"])


def _rights(visitor: Visitor) -> dict[str, Any]:
    """Return the attribute by which the style sheet leaves out what this visitor may not do."""
    return {"data-rights": " ".join(sorted(RIGHTS.get(visitor.role, ())))}


def _head(visitor: Visitor) -> list[Any]:
    return [
        html.A("Pumpwatch", href=path_of("/"), className="brand", **client_script.GO),
        html.Span(tr("Simulated fleet"), className="badge-sim", title=tr(DISCLAIMER)),
        html.Span(id="therapy", className="therapy", title=tr("Pump times and ages are in therapy time (simulated)")),
        html.Div(className="grow"),
        html.Span(id="age", className="age", role="status", title=tr("Age of the data on this screen")),
        attention_panel.control(),
        html.Button(
            "?", className="quiet wide", title=tr("Keyboard shortcuts"), **_does("help", tr("Keyboard shortcuts"))
        ),
        dmc.ColorSchemeToggle(
            lightIcon=html.Span("☀", **HIDDEN),
            darkIcon=html.Span("☾", **HIDDEN),
            computedColorScheme="light",
            variant="subtle",
            color="gray",
            size="md",
            id="scheme-toggle",
            className="wide",
            **client_script.label(tr("Light or dark")),
        ),
        *_account(visitor, "wide"),
    ]


def _account(visitor: Visitor, where: str) -> list[Any]:
    """Return the link to the account and the button that signs out; `where` is the class of what shows them."""
    return [
        html.A(
            [visitor.name, html.Span(tr(visitor.role), className="role")]
            if visitor.name != visitor.role
            else tr(visitor.role),
            href=path_of("/account"),
            className=f"who {where}",
            title=tr("Your account: password, second factor, sessions"),
            **client_script.GO,
        ),
        html.Form(
            html.Button(tr("Sign out"), className="quiet"), action=path_of("/sign-out"), method="POST", className=where
        ),
    ]


def _navigation(pages: tuple[Page, ...], visitor: Visitor) -> list[Any]:
    keys = shortcuts([page["name"] for page in pages if page["order"] is not None])
    listed = [page for page in pages if page["order"] is not None and may_see(page, visitor)]
    links = [_link(page, keys[page["name"]]) for page in listed]
    in_bar = sum(page["order"] < IN_BAR for page in listed)
    closed: dict[str, Any] = {"aria-expanded": "false", "aria-controls": "more"}
    more = html.Button(tr("More"), id="more-button", className="nav-link narrow", **closed)
    return [
        html.Div([*links[:in_bar], more], className="nav-bar"),
        html.Div(
            [
                *links[in_bar:],
                html.Div(
                    [
                        *_account(visitor, "narrow"),
                        html.Button(tr("Light or dark"), className="quiet", **_does("scheme")),
                        html.Button(tr("Keyboard shortcuts"), className="quiet", **_does("help")),
                    ],
                    className="nav-account narrow",
                ),
                html.P(tr(DISCLAIMER), className="disclaimer"),
            ],
            id="more",
            className="nav-more",
        ),
    ]


def _link(page: Page, key: str) -> html.A:
    name = page["name"].lower().replace(" ", "-")
    attributes: dict[str, Any] = {"data-key": key, "data-page": name}
    return html.A(
        [html.Span(tr(page["name"])), html.Span(id=f"nav-{name}", className="nav-count")],
        href=path_of(page["path"]),
        className="nav-link",
        **client_script.GO,
        **attributes,
    )


def _does(what: str, text: str = "") -> dict[str, Any]:
    """Return the attributes of a button that `frame.js` listens to, with a text for screen readers if it needs one."""
    return {"data-frame": what, "type": "button", **(client_script.label(text) if text else {})}
