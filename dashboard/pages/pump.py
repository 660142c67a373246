"""One pump: open alarms and recommended actions, forecast, latest values, trends of all signals."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.store.snapshot import Snapshot
from dashboard import formatting, theme
from dashboard.components import elements, event_log, figures, forecast_panel, pump_summary, shell
from dashboard.components.elements import Component
from dashboard.data import queries, trends
from dashboard.data.services import DataService

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
RANGES: Final = {
    "1 h": HOUR_MS, "6 h": 6 * HOUR_MS, "24 h": DAY_MS, "7 d": 7 * DAY_MS, "30 d": 30 * DAY_MS, "90 d": 90 * DAY_MS,
}  # fmt: skip
HOURLY_FROM: Final = 7 * DAY_MS
"""Ranges from here on are drawn from hourly minima and maxima, which is finer than a screen shows."""
MAX_EVENTS: Final = 40
REDRAWS: Final = 400
"""A chart is redrawn after this fraction of its range has passed: about two pixels."""


def layout(serial: str) -> Component:
    """Return the page of the pump with this serial number."""
    ranges = dmc.SegmentedControl(id="pump-range", value="6 h", data=list(RANGES), size="xs")
    chart = dcc.Graph(id="pump-trends", config=figures.CONFIG, className="trends", figure=figures.EMPTY)
    return html.Div(
        [
            dcc.Store(id="pump-serial", data=serial),
            dcc.Store(id="pump-drawn"),
            html.Div(id="pump-head"),
            html.Div(
                [
                    elements.card(
                        "Trends (therapy time)", chart, side=[html.Span(id="pump-none"), ranges], name="trend-card"
                    ),
                    html.Div(
                        [
                            elements.card("Latest values", html.Div(id="pump-now")),
                            elements.card("Pump status", html.Div(id="pump-flags")),
                            elements.card("Data quality", html.Div(id="pump-quality")),
                            elements.card(
                                "Alarm history", html.Div(id="pump-events", className="scroll"), name="history-card"
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


def register(app: Dash, data: DataService) -> None:
    """Add the page; texts are refreshed with every snapshot, the chart when it would look different."""
    shell.add_page(__name__, name="Pump", path="/pump/<serial>", layout=layout)

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
        now = await asyncio.to_thread(render, data.snapshot(), str(serial))
        return *now, await asyncio.to_thread(lambda: event_log.history(data.events(str(serial), MAX_EVENTS)))

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
        until = data.snapshot().health.therapy_ms
        key = _key(until, chosen or "6 h", scheme, queries.alarms_of(data.snapshot(), str(serial)))
        if key == drawn:
            return no_update, no_update, no_update
        figure, note = await asyncio.to_thread(picture, data, str(serial), chosen or "6 h", scheme)
        return figure, key, note


def _key(until_ms: int, chosen: str, scheme: str | None, alarms: pl.DataFrame) -> str:
    step = RANGES.get(chosen, HOUR_MS) // REDRAWS
    return f"{until_ms // step} {chosen} {scheme} {alarms['alarm'].to_list()}"


def picture(data: DataService, serial: str, chosen: str, scheme: str | None) -> tuple[figures.Figure, str]:
    """Return the chart of a pump over the chosen range, and a note if there are no samples."""
    snapshot = data.snapshot()
    until = snapshot.health.therapy_ms
    range_ms = RANGES.get(chosen, HOUR_MS)
    since = until - range_ms
    samples = data.trend(serial, since) if range_ms < HOURLY_FROM else data.long_trend(serial, since, until)
    past = trends.Past(
        curves=trends.curves(samples),
        spans=trends.spans(queries.alarms_of(snapshot, serial), data.events(serial), until),
        gaps=trends.gaps(samples, since, until),
        window=(since, until),
    )
    figure = figures.trends(past, theme.scheme(scheme), revision=f"{serial} {chosen}")
    return figure, "" if samples.height else "no samples in this range"


def render(snapshot: Snapshot, serial: str) -> tuple[Component, Component, Component, Component]:
    """Return header, latest values, status and data quality of one pump."""
    row = queries.pump_row(snapshot, serial)
    if row is None:
        missing = elements.card(serial, elements.nothing(f"Pump {serial} not found."))
        return missing, *([elements.nothing(formatting.UNKNOWN)] * 3)
    alarms = queries.alarms_of(snapshot, serial)
    head = [
        pump_summary.head(row, alarms, queries.orders_of(snapshot, row)),
        *pump_summary.alarms(alarms),
        forecast_panel.card(row),
    ]
    return head, pump_summary.values(row), pump_summary.flags(row), pump_summary.quality(row)
