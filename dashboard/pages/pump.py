"""This file is one pump: what is wrong, what to do first, its signals now and their past on one time axis."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.store.snapshot import Snapshot
from dashboard import formatting, theme
from dashboard.components import elements, figures, forecast_panel, pump_summary
from dashboard.components.elements import Piece
from dashboard.components.event_log import past
from dashboard.data import queries, trends
from dashboard.data.services import DataService

PATH: Final = "/pump/"
TITLE: Final = "Pump"
ORDER: Final = None
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
RANGES: Final = {
    "1 h": HOUR_MS, "6 h": 6 * HOUR_MS, "24 h": DAY_MS, "7 d": 7 * DAY_MS, "30 d": 30 * DAY_MS, "90 d": 90 * DAY_MS,
}  # fmt: skip
IN_HOURS: Final = 7 * DAY_MS
"""From here on the chart is drawn from the least and greatest of each hour: more than a screen shows."""
MAX_EVENTS: Final = 40
REDRAWS: Final = 400
"""A chart moves on by no less than this part of its range: about two pixels."""


def layout(_desk: DataService, rest: str = "") -> Piece:
    """Return the page of the pump whose serial the path ends in."""
    ranges = dmc.SegmentedControl(id="pump-range", value="6 h", data=list(RANGES), size="xs")
    chart = dcc.Graph(id="pump-trends", config=figures.CONFIG, className="trends", figure=figures.NOTHING_YET)
    return html.Div(
        [
            dcc.Store(id="pump-serial", data=rest),
            dcc.Store(id="pump-drawn"),
            html.Div(id="pump-head"),
            html.Div(
                [
                    elements.card(
                        "Trends, therapy time", chart, side=[html.Span(id="pump-none"), ranges], name="trend-card"
                    ),
                    html.Div(
                        [
                            elements.card("Now", html.Div(id="pump-now")),
                            elements.card("The pump says", html.Div(id="pump-flags")),
                            elements.card("Data quality", html.Div(id="pump-quality")),
                            elements.card(
                                "Alarms of this pump", html.Div(id="pump-events", className="scroll"), name="past"
                            ),
                        ],
                        className="pump-side",
                    ),
                ],
                className="pump-body",
            ),
        ],
        className="column pump",
    )


def register(app: Dash, desk: DataService) -> None:
    """Renew words with every snapshot, the chart when it would look different."""

    @app.callback(
        Output("pump-head", "children"),
        Output("pump-now", "children"),
        Output("pump-flags", "children"),
        Output("pump-quality", "children"),
        Output("pump-events", "children"),
        Input("live", "data"),
        Input("pump-serial", "data"),
    )
    async def show(_live: Any, serial: str) -> Any:
        now = await asyncio.to_thread(render, desk.snapshot(), str(serial))
        return *now, await asyncio.to_thread(lambda: past(desk.events(str(serial), MAX_EVENTS)))

    @app.callback(
        Output("pump-trends", "figure"),
        Output("pump-drawn", "data"),
        Output("pump-none", "children"),
        Input("live", "data"),
        Input("pump-range", "value"),
        Input("scheme", "data"),
        State("pump-serial", "data"),
        State("pump-drawn", "data"),
    )
    async def draw(_live: Any, chosen: str | None, scheme: str | None, serial: str, drawn: str | None) -> Any:
        until = desk.snapshot().health.therapy_ms
        key = _key(until, chosen or "6 h", scheme, queries.alarms_of(desk.snapshot(), str(serial)))
        if key == drawn:
            return no_update, no_update, no_update
        figure, said = await asyncio.to_thread(picture, desk, str(serial), chosen or "6 h", scheme)
        return figure, key, said


def _key(until_ms: int, chosen: str, scheme: str | None, alarms: pl.DataFrame) -> str:
    step = RANGES.get(chosen, HOUR_MS) // REDRAWS
    return f"{until_ms // step} {chosen} {scheme} {alarms['alarm'].to_list()}"


def picture(desk: DataService, serial: str, chosen: str, scheme: str | None) -> tuple[figures.Figure, str]:
    """Return the chart of a pump's past over the chosen range, and what to say where there is none."""
    snapshot = desk.snapshot()
    until = snapshot.health.therapy_ms
    range_ms = RANGES.get(chosen, HOUR_MS)
    since = until - range_ms
    samples = desk.trend(serial, since) if range_ms < IN_HOURS else desk.long_trend(serial, since, until)
    past = trends.Past(
        curves=trends.curves(samples),
        spans=trends.spans(queries.alarms_of(snapshot, serial), desk.events(serial), until),
        gaps=trends.gaps(samples, since, until),
        window=(since, until),
    )
    drawn = figures.trends(past, theme.scheme(scheme), revision=f"{serial} {chosen}")
    return drawn, "" if samples.height else "no samples in this time"


def render(snapshot: Snapshot, serial: str) -> tuple[Piece, Piece, Piece, Piece]:
    """Return head, values, what the pump says, and data quality of one pump."""
    row = queries.pump_row(snapshot, serial)
    if row is None:
        lost = elements.card(serial, elements.nothing(f"No pump called {serial} has been heard of."))
        return lost, *([elements.nothing(formatting.UNKNOWN)] * 3)
    alarms = queries.alarms_of(snapshot, serial)
    head = [
        pump_summary.head(row, alarms, queries.orders_of(snapshot, row)),
        *pump_summary.alarms(alarms),
        forecast_panel.card(row),
    ]
    return head, pump_summary.values(row), pump_summary.flags(row), pump_summary.quality(row)
