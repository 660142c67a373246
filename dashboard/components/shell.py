"""What holds the pages together: Dash's page registry, routing, and the callbacks of the frame."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

import dash
from dash import Dash, Input, Output, State, html, no_update

from dashboard import theme
from dashboard.access.accounts import VISITOR
from dashboard.access.people import PEOPLE
from dashboard.access.proxies import path_of
from dashboard.components import (
    address,
    alarm_action_dialog,
    attention_panel,
    client_script,
    elements,
    frame,
    manifest,
)
from dashboard.components.elements import Component
from dashboard.components.frame import Page
from dashboard.data.services import DataService
from dashboard.languages import ENGLISH, LANGUAGE, tr

SCHEME_SCRIPT: Final = (
    "try{var s=localStorage.getItem('mantine-color-scheme-value')||'auto';"
    "if(s==='auto')s=matchMedia('(prefers-color-scheme: dark)').matches?'dark':'light';"
    "document.documentElement.setAttribute('data-mantine-color-scheme',s)}catch(e){}"
)
"""Sets the color scheme before the first paint, so that no white page flashes in a dark room."""


def index(root_path: str) -> str:
    """Return the HTML around the application, for Dash to fill in."""
    return (
        "<!DOCTYPE html><html lang='en'><head>{%metas%}<title>{%title%}</title>"
        f"<link rel='icon' href='{root_path}/assets/favicon.svg' type='image/svg+xml'>"
        f"<link rel='apple-touch-icon' href='{root_path}/assets/icon-180.png'>"
        f"<link rel='manifest' href='{root_path}{manifest.PATH}' crossorigin='use-credentials'>"
        f"<meta name='theme-color' content='{theme.LIGHT.surface}' media='(prefers-color-scheme: light)'>"
        f"<meta name='theme-color' content='{theme.DARK.surface}' media='(prefers-color-scheme: dark)'>"
        f"<style>{theme.css()}</style><script>{SCHEME_SCRIPT}</script>{{%css%}}</head>"
        "<body>{%app_entry%}<noscript>This dashboard needs JavaScript.</noscript>"
        "<footer>{%config%}{%scripts%}{%renderer%}</footer></body></html>"
    )


def script_hash() -> str:
    """Return the Content-Security-Policy source of the scheme script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(SCHEME_SCRIPT.encode()).digest()).decode()}'"


def add_page(
    module: str,
    *,
    name: str,
    path: str,
    layout: Callable[..., Component],
    order: float | None = None,
    right: str = "",
    english: bool = False,
) -> None:
    """Add a page to Dash's page registry.

    `path` may end in a variable, as in "/pump/<serial>"; `layout` gets it by name, percent-decoded.
    `order` is the place in the navigation; None keeps the page out of it. Only visitors with `right` see the page.
    A page in `english` is not translated: it says so, and screen readers read it as English.
    """
    where = {"path_template": path} if "<" in path else {"path": path}
    dash.register_page(  # type: ignore[no-untyped-call]
        module, name=name, layout=layout, order=order, right=right, english=english, **where
    )


def registered() -> tuple[Page, ...]:
    """Return the pages registered so far, in navigation order."""
    return tuple(dash.page_registry.values())


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

    @app.callback(Output("page", "children"), Input("url", "pathname"), State("url", "search"))
    async def show(pathname: str | None, search: str | None) -> Any:
        path = (pathname or "/").removeprefix(path_of(""))
        found = find(pages, path)
        if found is None:
            go = html.A(tr("Go to overview"), href=path_of("/"), className="pump-link", **client_script.GO)
            return html.Div([html.H1(tr("Page not found")), go])
        page, variables = found
        if not frame.may_see(page, VISITOR.get()):
            if people := PEOPLE.get():
                people.denied(f"see the page {page['name']}")
            denied = tr("Your role may not open the page {page}.", page=tr(page["name"]))
            return html.Div([html.H1(tr("Access denied")), html.P(denied)])
        return address.opened(page["layout"](**variables), path, search)

    @app.callback(Output("page", "lang"), Output("page-language", "children"), Input("url", "pathname"))
    async def spoken(pathname: str | None) -> Any:
        found, code = find(pages, (pathname or "/").removeprefix(path_of(""))), LANGUAGE.get().code
        if found is None or not found[0]["english"] or code == ENGLISH.code:
            return code, ""
        return ENGLISH.code, tr("This page is in English only.")

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

    for dialog in frame.DIALOGS:
        dialog.register(app, data)
    address.register(app)
    attention_panel.register(app)

    client_script.runs(app, "pace", Output("live", "data"), Input("newest", "data"))
    client_script.runs(app, "beat", Output("age", "className"), Input("beat", "data"))
    client_script.runs(app, "here", Output("stale", "className"), Input("url", "pathname"))
