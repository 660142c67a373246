"""This file is the frame around every page: head, navigation, the warning of old data, and the way between pages."""

from __future__ import annotations

import base64
import hashlib
from types import ModuleType
from typing import Any, Final
from urllib.parse import unquote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html, no_update

from dashboard import theme
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.components import alarm_action_dialog, client_script, elements, out_of_service_dialog
from dashboard.data.services import DataService

SCHEME_SCRIPT: Final = (
    "try{var s=localStorage.getItem('mantine-color-scheme-value')||'auto';"
    "if(s==='auto')s=matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light';"
    "document.documentElement.setAttribute('data-mantine-color-scheme',s)}catch(e){}"
)
"""Runs before anything is drawn, so that a dark room is not lit up by a white page."""
INDEX: Final = (
    "<!DOCTYPE html><html lang='en'><head>{%metas%}<title>{%title%}</title>"
    "<link rel='icon' href='/assets/favicon.svg' type='image/svg+xml'>"
    f"<style>{theme.css()}</style><script>{SCHEME_SCRIPT}</script>{{%css%}}</head>"
    "<body>{%app_entry%}<noscript>This dashboard needs JavaScript.</noscript>"
    "<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"
)
HIDDEN: Final[dict[str, Any]] = {"aria-hidden": "true"}
DISCLAIMER: Final = "A simulation. Not a medical device, not for treating anyone."


def script_hash() -> str:
    """Return the Content-Security-Policy source of the scheme script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(SCHEME_SCRIPT.encode()).digest()).decode()}'"


def layout(pages: tuple[ModuleType, ...], visitor: Visitor) -> dmc.MantineProvider:
    """Return the frame, for one visitor."""
    stores = [
        dcc.Store(id=name)
        for name in ("live", "beat", "scheme", "ack", alarm_action_dialog.STORE, out_of_service_dialog.STORE)
    ]
    return dmc.MantineProvider(
        theme=theme.mantine(),
        defaultColorScheme="auto",
        children=[
            dcc.Location(id="url"),
            *stores,
            alarm_action_dialog.layout(),
            out_of_service_dialog.layout(),
            dmc.NotificationContainer(id="notices", position="bottom-right", autoClose=6000, limit=4),
            dmc.AppShell(
                [
                    dmc.AppShellHeader(_head(visitor), className="head"),
                    dmc.AppShellNavbar(_navigation(pages), className="nav"),
                    dmc.AppShellMain([html.Div(id="stale", role="alert"), html.Div(id="page")]),
                ],
                header={"height": 52},
                navbar={"width": 176, "breakpoint": "sm", "collapsed": {"mobile": True}},
                padding=16,
            ),
        ],
    )


def _head(visitor: Visitor) -> list[Any]:
    return [
        html.A("Pumpwatch", href="/", className="brand", **client_script.GO),
        html.Span("Simulated fleet", className="badge-sim", title=DISCLAIMER),
        html.Span(id="therapy", className="therapy", title="Ages and times of pumps are in the fleet's therapy time"),
        html.Div(className="grow"),
        html.Span(id="age", className="age", role="status", title="Age of what this screen shows"),
        dmc.ColorSchemeToggle(
            lightIcon=html.Span("☀", **HIDDEN),
            darkIcon=html.Span("☾", **HIDDEN),
            computedColorScheme="light",
            variant="subtle",
            color="gray",
            size="md",
            id="scheme-toggle",
        ),
        html.Span(
            [visitor.name, html.Span(visitor.role, className="role")] if visitor.name != visitor.role else visitor.role,
            className="who",
        ),
        html.Form(html.Button("Sign out", className="quiet"), action="/sign-out", method="POST"),
    ]


def _navigation(pages: tuple[ModuleType, ...]) -> list[Any]:
    links = [
        html.A(
            [html.Span(page.TITLE), html.Span(id=f"nav-{page.TITLE.lower().replace(' ', '-')}", className="nav-count")],
            href=page.PATH,
            className="nav-link",
            **client_script.GO,
        )
        for page in pages
        if page.ORDER is not None
    ]
    return [html.Nav(links, **client_script.label("Pages")), html.P(DISCLAIMER, className="disclaimer")]


def find(pages: tuple[ModuleType, ...], pathname: str) -> tuple[ModuleType, str] | None:
    """Return the page of a path and what follows in the path, such as a pump's serial."""
    path = pathname.rstrip("/") or "/"
    for page in pages:
        if path == page.PATH:
            return page, ""
        if page.PATH.endswith("/") and page.PATH != "/" and path.startswith(page.PATH):
            return page, unquote(path[len(page.PATH) :])
    return None


def register(app: Dash, desk: DataService, pages: tuple[ModuleType, ...]) -> None:
    """Wire the frame: which page is shown, what the head says, and the acknowledging from anywhere."""

    @app.callback(Output("page", "children"), Input("url", "pathname"))
    async def show(pathname: str | None) -> Any:
        found = find(pages, pathname or "/")
        if found is None:
            return html.Div([html.H1("No such page"), html.A("To the overview", href="/", **client_script.GO)])
        return found[0].layout(desk, found[1])

    @app.callback(Output("notices", "sendNotifications"), Input("ack", "data"), prevent_initial_call=True)
    async def acknowledge(chosen: dict[str, Any] | None) -> Any:
        if not isinstance(chosen, dict):
            return no_update
        answer = await desk.acknowledge(chosen)
        return [elements.notice(answer.text, good=answer.good)]

    alarm_action_dialog.register(app, desk)
    out_of_service_dialog.register(app, desk)

    client_script.runs(
        app,
        "head",
        Output("therapy", "children"),
        Output("nav-alarms", "children"),
        Output("nav-alarms", "className"),
        Input("live", "data"),
    )
    client_script.runs(app, "beat", Output("age", "className"), Input("beat", "data"))
    client_script.runs(app, "here", Output("stale", "className"), Input("url", "pathname"))


def visitor() -> Visitor:
    """Return who is looking at this moment."""
    return VISITOR.get()
