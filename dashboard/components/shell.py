"""Frame around every page: header, navigation generated from Dash's page registry, stale-data warning, routing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import dash
import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html, no_update

from dashboard import theme
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.access.people import PEOPLE
from dashboard.access.proxies import path_of
from dashboard.components import alarm_action_dialog, client_script, elements, out_of_service_dialog, retirement_dialog
from dashboard.components.elements import Component
from dashboard.data.services import DataService

SCHEME_SCRIPT: Final = (
    "try{var s=localStorage.getItem('mantine-color-scheme-value')||'auto';"
    "if(s==='auto')s=matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light';"
    "document.documentElement.setAttribute('data-mantine-color-scheme',s)}catch(e){}"
)
"""Sets the color scheme before the first paint, so that no white page flashes in a dark room."""
DIALOGS: Final = (alarm_action_dialog, out_of_service_dialog, retirement_dialog)
"""Dialogs that any page opens by setting their store."""
HIDDEN: Final[dict[str, Any]] = {"aria-hidden": "true"}
DISCLAIMER: Final = "Simulation only. Not a medical device; not for clinical use."
Page = dict[str, Any]
"""An entry of `dash.page_registry`; `order` None keeps a page out of the navigation."""


def index(root_path: str) -> str:
    """Return the HTML around the application, for Dash to fill in."""
    return (
        "<!DOCTYPE html><html lang='en'><head>{%metas%}<title>{%title%}</title>"
        f"<link rel='icon' href='{root_path}/assets/favicon.svg' type='image/svg+xml'>"
        f"<style>{theme.css()}</style><script>{SCHEME_SCRIPT}</script>{{%css%}}</head>"
        "<body>{%app_entry%}<noscript>This dashboard needs JavaScript.</noscript>"
        "<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"
    )


def script_hash() -> str:
    """Return the Content-Security-Policy source of the scheme script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(SCHEME_SCRIPT.encode()).digest()).decode()}'"


def add_page(
    module: str, *, name: str, path: str, layout: Callable[..., Component], order: float | None = None, right: str = ""
) -> None:
    """Add a page to Dash's page registry.

    `path` may end in a variable, as in "/pump/<serial>"; `layout` gets it by name, percent-decoded.
    `order` is the place in the navigation; None keeps the page out of it. Only visitors with `right` see the page.
    """
    where = {"path_template": path} if "<" in path else {"path": path}
    dash.register_page(  # type: ignore[no-untyped-call]
        module, name=name, layout=layout, order=order, right=right, **where
    )


def registered() -> tuple[Page, ...]:
    """Return the pages registered so far, in navigation order."""
    return tuple(dash.page_registry.values())


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
            dcc.Location(id="url"),
            *stores,
            *(dialog.layout() for dialog in DIALOGS),
            dmc.NotificationContainer(id="notices", position="bottom-right", autoClose=6000, limit=4),
            dmc.AppShell(
                [
                    dmc.AppShellHeader(_head(visitor), className="head"),
                    dmc.AppShellNavbar(_navigation(pages, visitor), className="nav"),
                    dmc.AppShellMain(
                        [
                            html.Div(id="stale", role="alert"),
                            html.Div(id="transport", role="status"),
                            html.Div(id="page"),
                        ]
                    ),
                ],
                header={"height": 52},
                navbar={"width": 176, "breakpoint": "sm", "collapsed": {"mobile": True}},
                padding=16,
            ),
        ],
    )


def _head(visitor: Visitor) -> list[Any]:
    return [
        html.A("Pumpwatch", href=path_of("/"), className="brand", **client_script.GO),
        html.Span("Simulated fleet", className="badge-sim", title=DISCLAIMER),
        html.Span(id="therapy", className="therapy", title="Pump times and ages are in therapy time (simulated)"),
        html.Div(className="grow"),
        html.Span(id="age", className="age", role="status", title="Age of the data on this screen"),
        dmc.ColorSchemeToggle(
            lightIcon=html.Span("☀", **HIDDEN),
            darkIcon=html.Span("☾", **HIDDEN),
            computedColorScheme="light",
            variant="subtle",
            color="gray",
            size="md",
            id="scheme-toggle",
        ),
        html.A(
            [visitor.name, html.Span(visitor.role, className="role")] if visitor.name != visitor.role else visitor.role,
            href=path_of("/account"),
            className="who",
            title="Your account: password, second factor, sessions",
            **client_script.GO,
        ),
        html.Form(html.Button("Sign out", className="quiet"), action=path_of("/sign-out"), method="POST"),
    ]


def _navigation(pages: tuple[Page, ...], visitor: Visitor) -> list[Any]:
    links = [
        html.A(
            [
                html.Span(page["name"]),
                html.Span(id=f"nav-{page['name'].lower().replace(' ', '-')}", className="nav-count"),
            ],
            href=path_of(page["path"]),
            className="nav-link",
            **client_script.GO,
        )
        for page in pages
        if page["order"] is not None and _may_see(page, visitor)
    ]
    return [html.Nav(links, **client_script.label("Pages")), html.P(DISCLAIMER, className="disclaimer")]


def _may_see(page: Page, visitor: Visitor) -> bool:
    return not page.get("right") or visitor.may(page["right"])


def find(pages: tuple[Page, ...], pathname: str) -> tuple[Page, dict[str, str]] | None:
    """Return the page of a path and the variables in the path, percent-decoded; None if there is no such page."""
    for page in pages:
        pattern = re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", page["path_template"] or re.escape(page["path"]))
        match = re.fullmatch(pattern, pathname.rstrip("/") or "/")
        if match:
            return page, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def register(app: Dash, data: DataService, pages: tuple[Page, ...]) -> None:
    """Add the callbacks of the frame: routing, header, dialogs, and the Acknowledge buttons of every page."""

    @app.callback(Output("page", "children"), Input("url", "pathname"))
    async def show(pathname: str | None) -> Any:
        found = find(pages, (pathname or "/").removeprefix(path_of("")))
        if found is None:
            return html.Div(
                [html.H1("Page not found"), html.A("Go to overview", href=path_of("/"), **client_script.GO)]
            )
        page, variables = found
        if not _may_see(page, VISITOR.get()):
            if people := PEOPLE.get():
                people.denied(f"the page {page['name']}")
            return html.Div([html.H1("Access denied"), html.P(f"Your role may not open the page {page['name']}.")])
        return page["layout"](**variables)

    @app.callback(
        Output("notices", "sendNotifications"),
        Output(alarm_action_dialog.ANSWERED, "data", allow_duplicate=True),
        Input("ack", "data"),
        prevent_initial_call=True,
    )
    async def acknowledge(chosen: dict[str, Any] | None) -> Any:
        if not isinstance(chosen, dict):
            return no_update, no_update
        answer = await data.acknowledge(chosen)
        about = {"alarms": chosen.get("alarms"), "good": answer.good, "text": answer.text}
        return [elements.notice(answer.text, good=answer.good)], about

    for dialog in DIALOGS:
        dialog.register(app, data)

    client_script.runs(
        app,
        "head",
        Output("therapy", "children"),
        Output("nav-alarms", "children"),
        Output("nav-alarms", "className"),
        Input("live", "data"),
    )
    client_script.runs(app, "pace", Output("live", "data"), Input("newest", "data"))
    client_script.runs(app, "beat", Output("age", "className"), Input("beat", "data"))
    client_script.runs(app, "here", Output("stale", "className"), Input("url", "pathname"))
