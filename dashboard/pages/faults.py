"""Faults: inject faults into simulated pumps, and see whether and when they are detected."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from broker.contract.dose_limits import MAX_SEVERITY
from dashboard.components import elements, injection_form, injection_report, pump_picker, shell
from dashboard.components.elements import Component
from dashboard.data import detections, pump_search
from dashboard.data.services import DataService


def layout(data: DataService) -> Component:
    """Return the page with the faults that the gateways have announced."""
    return html.Div(
        [
            html.H1("Faults", className="hidden"),
            dcc.Store(id="injections", storage_type="session"),
            html.Div(
                [
                    elements.card("Inject fault", injection_form.form(data.snapshot()), name="fault-form"),
                    elements.card(
                        "Responses",
                        html.Div(elements.nothing("No responses yet."), id="fault-responses"),
                        name="fault-responses",
                    ),
                ],
                className="fault-top",
            ),
            elements.card("Injections and detections, this session", html.Div(id="fault-detections"), name="grow-card"),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: inject and clear faults, show responses and detections."""
    shell.add_page(__name__, name="Faults", path="/faults", order=20, layout=partial(layout, data))

    pump_picker.register(app, data, "fault")

    @app.callback(
        Output("fault-responses", "children"),
        Output("injections", "data"),
        Input("fault-inject", "n_clicks"),
        Input("fault-clear", "n_clicks"),
        Input("fault-clear-all", "n_clicks"),
        State("fault-name", "value"),
        State("fault-pumps", "value"),
        State("fault-picked", "value"),
        State("fault-severity", "value"),
        State("fault-ramp", "value"),
        State("fault-hold", "value"),
        State("injections", "data"),
        prevent_initial_call=True,
    )
    async def send(*values: Any) -> Any:
        return await carry_out(data, str(ctx.triggered_id), values)

    @app.callback(Output("fault-detections", "children"), Input("live", "data"), Input("injections", "data"))
    async def detect(_live: Any, injections: Any) -> Any:
        return await asyncio.to_thread(injection_report.detected, injections, data.snapshot(), data.events())


async def carry_out(data: DataService, button: str, values: tuple[Any, ...]) -> tuple[Component, Any]:
    """Send the command of a button; return the responses and the session's injections."""
    clicks, (fault, text, picked, severity, ramp_h, hold_h, known) = values[:3], values[3:]
    chosen = pump_picker.chosen(data, text, picked)
    if not any(clicks):
        return no_update, no_update
    if chosen.unknown or chosen.pumps.is_empty() or (not fault and button != "fault-clear-all"):
        return elements.nothing(pump_search.describe(chosen) if fault else "Select a fault."), no_update
    if button != "fault-inject":
        replies = await data.clear(chosen.pumps, fault if button == "fault-clear" else None)
        return injection_report.responses(replies), no_update
    replies = await data.inject(
        chosen.pumps,
        fault=str(fault),
        severity=min(MAX_SEVERITY, max(0.0, float(severity or 0))),
        ramp_s=_seconds(ramp_h) or 0.0,
        hold_s=_seconds(hold_h),
    )
    if not any(reply.ok for reply in replies):
        return injection_report.responses(replies), no_update
    injection = {
        "fault": fault,
        "severity": severity,
        "pumps": chosen.pumps["pump"].head(detections.MAX_PUMPS).to_list(),
        "time": min(reply.time for reply in replies if reply.ok),
    }
    return injection_report.responses(replies), detections.add_injection(known, injection)


def _seconds(hours: Any) -> float | None:
    return float(hours) * 3600 if isinstance(hours, int | float) and hours >= 0 else None
