"""Faults: what each fault is, inject faults into simulated pumps, and what became of every injection."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from dashboard import formatting, theme
from dashboard.access.accounts import VISITOR
from dashboard.components import (
    address,
    elements,
    fault_choice,
    figures,
    injection_chart,
    injection_command,
    injection_form,
    injection_list,
    injection_report,
    pump_picker,
    random_pumps,
    shell,
)
from dashboard.components.elements import Component
from dashboard.data import injection_view, injections, pump_search
from dashboard.data.live_scorecard import LiveScorecard
from dashboard.data.services import DataService
from dashboard.zones import ZONE, chart_zone

NO_TRUTH: Final = "No ground truth: no simulator has written truth.jsonl to this data directory."
REDRAWS: Final = 300
"""A chart is redrawn after this fraction of its window has passed."""
SHOWN: Final = ("all", "running", "ended")


def layout(data: DataService) -> Component:
    """Return the page with the faults that the gateways have announced."""
    may = VISITOR.get().may("inject")
    chosen = elements.card(
        "Chosen injection",
        html.P("Inject a fault, or choose one from the list below.", id="injection-line", role="status"),
        html.Div(
            [
                dmc.Select(id="injection-pump", label="Pump", data=[], searchable=True, w=170, allowDeselect=False),
                html.Button("Clear this injection", id="injection-clear", className="button", disabled=not may),
            ],
            id="injection-tools",
            className="injection-tools",
            hidden=True,
        ),
        dcc.Graph(
            id="injection-chart",
            config=figures.CONFIG,
            figure=figures.EMPTY,
            className="injection-chart",
            style={"height": 540},
        ),
        name="injection-card",
    )
    return html.Div(
        [
            html.H1("Faults", className="hidden"),
            dcc.Store(id="injection-chosen"),
            dcc.Store(id="injection-drawn"),
            dcc.Store(id="injection-list-key"),
            html.Div(
                [
                    elements.card("Fault", fault_choice.choice(data.snapshot().health.faults), name="fault-choice"),
                    elements.card("How it shows", html.Div(id="fault-explained"), name="fault-words"),
                    elements.card(
                        "Inject",
                        injection_form.form(data.snapshot().table),
                        html.Div(id="fault-responses", role="status"),
                        name="fault-form",
                    ),
                ],
                className="fault-page",
            ),
            chosen,
            elements.card(
                "All injections",
                html.Div(id="injection-list"),
                side=dmc.SegmentedControl(id="injection-shown", value="all", data=list(SHOWN), size="xs"),
                name="injection-list-card",
            ),
        ],
        className="column faults",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: explain, inject and clear faults, list injections, draw the chosen one."""
    shell.add_page(__name__, name="Faults", path="/faults", order=20, layout=partial(layout, data), english=True)
    truth = LiveScorecard(data)
    address.bind(
        app,
        "/faults",
        {
            "fault": address.choices("fault-names"),
            "pumps": address.text("fault-pumps"),
            "injection": address.text("injection-chosen", prop="data", step=True),
            "shown": address.choice("injection-shown", SHOWN, default="all"),
        },
    )

    def faulty() -> set[str]:
        found = truth.score()
        return set() if found is None else set(found.found.injections.filter(pl.col("end").is_null())["pump"])

    pump_picker.register(app, data, "fault")
    random_pumps.register(app, data, "fault", faulty)

    @app.callback(Output("fault-explained", "children"), Input("fault-names", "value"), Input("scheme", "data"))
    async def explain(names: Any, scheme: str | None) -> Any:
        return fault_choice.explained(injection_command.names(names), scheme, await asyncio.to_thread(truth.score))

    @app.callback(
        Output("fault-responses", "children"),
        Output("injection-chosen", "data"),
        Input("fault-inject", "n_clicks"),
        Input("fault-clear", "n_clicks"),
        Input("fault-clear-all", "n_clicks"),
        State("fault-names", "value"),
        State("fault-pumps", "value"),
        State("fault-picked", "value"),
        State("fault-severity", "value"),
        State("fault-ramp", "value"),
        State("fault-hold", "value"),
        prevent_initial_call=True,
    )
    async def send(*values: Any) -> Any:
        return await injection_command.carry_out(data, str(ctx.triggered_id), values)

    @app.callback(
        Output("injection-list", "children"),
        Output("injection-list-key", "data"),
        Input("live", "data"),
        Input("injection-chosen", "data"),
        Input("injection-shown", "value"),
        State("injection-list-key", "data"),
    )
    async def listed(_live: Any, chosen: Any, shown: Any, key: Any) -> Any:
        score = await asyncio.to_thread(truth.score)
        if score is None:
            return elements.nothing(NO_TRUTH), None
        found, left_out = injections.injections(score, str(shown))
        fresh = f"{chosen} {shown} {left_out} {ZONE.get()} {hash(tuple(found))} "
        if fresh == key:
            return no_update, no_update
        return injection_list.table(found, left_out, score, shown=str(shown), chosen=chosen), fresh

    @app.callback(
        Output("injection-line", "children"),
        Output("injection-tools", "hidden"),
        Output("injection-pump", "data"),
        Output("injection-pump", "value"),
        Output("injection-chart", "figure"),
        Output("injection-drawn", "data"),
        Input("live", "data"),
        Input("injection-chosen", "data"),
        Input("injection-pump", "value"),
        Input("scheme", "data"),
        State("injection-drawn", "data"),
    )
    async def draw(_live: Any, chosen: Any, pump: Any, scheme: str | None, drawn: Any) -> Any:
        return await asyncio.to_thread(picture, data, truth, (chosen, pump), scheme, drawn)

    @app.callback(
        Output("fault-responses", "children", allow_duplicate=True),
        Input("injection-clear", "n_clicks"),
        State("injection-chosen", "data"),
        prevent_initial_call=True,
    )
    async def clear(clicks: Any, chosen: Any) -> Any:
        score = await asyncio.to_thread(truth.score)
        injection = injections.find(score, chosen) if clicks and score else None
        if score is None or injection is None:
            return no_update
        pumps = pump_search.choose(data.snapshot().table, " ".join(injection.pumps)).pumps
        return injection_report.summary(await data.clear(pumps, injection.fault), score.clock)

    @app.callback(Output("fault-severity-now", "children"), Input("fault-severity", "value"))
    async def severity(value: Any) -> Any:
        return formatting.number(value, 2) if isinstance(value, int | float) else ""


def picture(
    data: DataService, truth: LiveScorecard, wanted: tuple[Any, Any], scheme: str | None, drawn: Any
) -> tuple[Any, ...]:
    """Return line, tools and chart of the chosen injection on the chosen pump; nothing if it would look the same."""
    key, pump = wanted
    score = truth.score()
    injection = injections.find(score, key) if score else None
    if score is None or injection is None:
        why = "Waiting for the ground truth of this injection." if key else "Choose an injection from the list below."
        return why, True, [], None, figures.EMPTY, None
    on = pump if pump in injection.pumps else injection.pumps[0]
    view = injection_view.outline(data, injection, score.found.injections, on)
    step = max(1, (view.window[1] - view.window[0]) // REDRAWS)
    look = f"{key} {on} {scheme} {ZONE.get()} {view.window[1] // step} {view.found} {view.ended} {injection.detected}"
    if look == drawn:
        return (no_update,) * 6
    line = injection_list.sentence(injection, score, on)
    view = injection_view.view(data, injection, score.found.injections, on)
    figure = injection_chart.draw(view, theme.scheme(scheme), chart_zone(view.window[1]))
    return line, False, list(injection.pumps[: injections.MAX_SHOWN]), on, figure, look
