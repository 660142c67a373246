"""Load: start and stop load tests, watch the one that runs, open reports and compare two."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboard.access.accounts import VISITOR
from dashboard.components import address, elements, load_views, shell
from dashboard.components.elements import Component
from dashboard.components.fault_choice import KEPT
from dashboard.data.load_runs import LoadRunError, LoadRuns
from dashboard.data.services import DataService

PATH = "/load"


def layout() -> Component:
    """Return the page; its parts follow with the first snapshot."""
    return html.Div(
        [
            html.H1("Load", className="hidden"),
            dcc.Store(id="load-changed"),
            dcc.Store(id="load-key"),
            html.Div(
                [
                    elements.card("Load test", load_views.form(may=VISITOR.get().may("inject")), name="load-form-card"),
                    elements.card("Running", html.Div(id="load-live", className="scroll"), name="load-live-card"),
                ],
                className="load-page",
            ),
            elements.card("Reports", html.Div(id="load-reports", className="scroll")),
            elements.card(
                "Report",
                html.Div(
                    [
                        dmc.Select(id="load-report", label="Report", value="", data=[], clearable=True, **KEPT),
                        dmc.Select(id="load-before", label="Compare with", value="", data=[], clearable=True, **KEPT),
                    ],
                    className="form load-choice",
                ),
                html.Div(id="load-figures", className="scroll"),
            ),
        ],
        className="column load",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page; the report and the one it is compared with live in the address."""
    shell.add_page(__name__, name="Load", path=PATH, order=25, layout=layout, english=True)
    runs = data.load_runs
    controls = {
        "report": address.choice("load-report", lambda: {"", *runs.names()}, step=True),
        "before": address.choice("load-before", lambda: {"", *runs.names()}, step=True),
    }
    address.bind(app, PATH, controls)

    @app.callback(
        Output("load-live", "children"),
        Output("load-start", "disabled"),
        Output("load-stop", "disabled"),
        Output("load-reports", "children"),
        Output("load-report", "data"),
        Output("load-before", "data"),
        Output("load-key", "data"),
        Input("live", "data"),
        Input("load-changed", "data"),
        State("load-key", "data"),
    )
    async def show(_live: Any, _changed: Any, key: Any) -> Any:
        found = await asyncio.to_thread(runs.reports)
        running = load_views.live(runs.profile, runs.live(), runs.failure, busy=runs.busy)
        buttons = load_views.disabled(busy=runs.busy, may=VISITOR.get().may("inject"))
        fresh = " ".join(found)
        if fresh == key:
            return running, *buttons, no_update, no_update, no_update, no_update
        options = load_views.choices(found)
        return running, *buttons, load_views.reports(found), options, options, fresh

    @app.callback(
        Output("load-figures", "children"),
        Input("load-report", "value"),
        Input("load-before", "value"),
        Input("load-key", "data"),
    )
    async def open_report(name: Any, before: Any, _key: Any) -> Any:
        return figures(runs, name, before)

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("load-changed", "data", allow_duplicate=True),
        Input("load-start", "n_clicks"),
        State("load-profile", "value"),
        prevent_initial_call=True,
    )
    async def start(clicks: Any, profile: Any) -> Any:
        if not clicks:
            return no_update, no_update
        return [await said(runs.start(str(profile)))], f"start {clicks}"

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("load-changed", "data", allow_duplicate=True),
        Input("load-stop", "n_clicks"),
        prevent_initial_call=True,
    )
    async def stop(clicks: Any) -> Any:
        if not clicks:
            return no_update, no_update
        return [await said(runs.stop())], f"stop {clicks}"


async def said(doing: Awaitable[str]) -> dict[str, Any]:
    """Return the notice of what was done, or of why not."""
    try:
        return elements.notice(await doing, good=True)
    except LoadRunError as error:
        return elements.notice(str(error), good=False)


def figures(runs: LoadRuns, name: Any, before: Any) -> Component:
    """Return a report, and how it differs from another if one is chosen; names from outside are looked up."""
    found = runs.reports()
    if name not in found:
        return elements.nothing("Choose a report.")
    parts = [load_views.report(found[name])]
    if before in found and before != name:
        parts.insert(0, load_views.compared(found[before], found[name]))
    return html.Div(parts)
