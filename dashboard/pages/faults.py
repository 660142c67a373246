"""This file is where an engineer makes pumps fail in a known way, and sees whether and when it was noticed."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from broker.contract.dose_limits import MAX_SEVERITY
from dashboard.components import elements, injection_form, injection_report, pump_picker
from dashboard.components.elements import Piece
from dashboard.data import detections, pump_search
from dashboard.data.services import DataService

PATH: Final = "/faults"
TITLE: Final = "Faults"
ORDER: Final = 4


def layout(desk: DataService, _rest: str = "") -> Piece:
    """Return the page with the faults that the gateways said they can play."""
    return html.Div(
        [
            html.H1("Faults", className="hidden"),
            dcc.Store(id="injections", storage_type="session"),
            html.Div(
                [
                    elements.card("Make pumps fail", injection_form.form(desk.snapshot()), name="fault-form"),
                    elements.card(
                        "Answers",
                        html.Div(elements.nothing("Nothing asked yet."), id="fault-answers"),
                        name="fault-answers",
                    ),
                ],
                className="fault-top",
            ),
            elements.card(
                "Injected in this session, and what was noticed", html.Div(id="fault-findings"), name="grow-card"
            ),
        ],
        className="column",
    )


def register(app: Dash, desk: DataService) -> None:
    """Offer pumps, carry out what is asked, and keep an eye on what follows."""

    pump_picker.register(app, desk, "fault")

    @app.callback(
        Output("fault-answers", "children"),
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
    async def order(*values: Any) -> Any:
        return await carry_out(desk, str(ctx.triggered_id), values)

    @app.callback(Output("fault-findings", "children"), Input("live", "data"), Input("injections", "data"))
    async def notice(_live: Any, injections: Any) -> Any:
        return await asyncio.to_thread(injection_report.noticed, injections, desk.snapshot(), desk.events())


async def carry_out(desk: DataService, button: str, values: tuple[Any, ...]) -> tuple[Piece, Any]:
    """Do what a button asks, and return the answers and the session's injections."""
    clicks, (fault, text, picked, severity, ramp_h, hold_h, known) = values[:3], values[3:]
    chosen = pump_picker.chosen(desk, text, picked)
    if not any(clicks):
        return no_update, no_update
    if chosen.unknown or chosen.pumps.is_empty() or (not fault and button != "fault-clear-all"):
        return elements.nothing(pump_search.say(chosen) if fault else "Choose a fault first."), no_update
    if button != "fault-inject":
        cleared = await desk.clear(chosen.pumps, fault if button == "fault-clear" else None)
        return injection_report.answers(cleared), no_update
    replies = await desk.inject(
        chosen.pumps,
        fault=str(fault),
        severity=min(MAX_SEVERITY, max(0.0, float(severity or 0))),
        ramp_s=_seconds(ramp_h) or 0.0,
        hold_s=_seconds(hold_h),
    )
    if not any(reply.ok for reply in replies):
        return injection_report.answers(replies), no_update
    injection = {
        "fault": fault,
        "severity": severity,
        "pumps": chosen.pumps["pump"].head(detections.MAX_PUMPS).to_list(),
        "time": min(reply.time for reply in replies if reply.ok),
    }
    return injection_report.answers(replies), detections.remembered(known, injection)


def _seconds(hours: Any) -> float | None:
    return float(hours) * 3600 if isinstance(hours, int | float) and hours >= 0 else None
