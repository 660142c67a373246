"""One pump: open alarms and recommended actions, forecast, latest values, trends of all signals."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from broker.store.snapshot import Snapshot
from dashboard import formatting, theme
from dashboard.clocks import TherapyClock
from dashboard.components import elements, event_log, figures, forecast_panel, pump_summary, retirement_dialog, shell
from dashboard.components.elements import Component
from dashboard.data import queries, retirement, trend_view, trends
from dashboard.data.fleet_clock import therapy_clock
from dashboard.data.services import DataService
from dashboard.data.trend_view import Note, View
from dashboard.zones import ZONE, chart_zone

HOURLY_FROM: Final = 7 * trend_view.DAY_MS
"""Ranges from here on are drawn from hourly minima and maxima, which is finer than a screen shows."""
MAX_EVENTS: Final = 40


def layout(serial: str) -> Component:
    """Return the page of the pump with this serial number."""
    ranges = dmc.SegmentedControl(id="pump-range", value=trend_view.DEFAULT, data=list(trend_view.RANGES), size="xs")
    chart = dcc.Graph(id="pump-trends", config=figures.CONFIG, className="trends", figure=figures.EMPTY)
    return html.Div(
        [
            dcc.Store(id="pump-serial", data=serial),
            dcc.Store(id="pump-drawn"),
            dcc.Store(id="pump-events-key"),
            dcc.Store(id="trend-end", data=trend_view.NOW),
            html.Div(id="pump-head"),
            html.Div(
                [
                    elements.card(
                        "Trends (therapy time)",
                        _note(),
                        chart,
                        side=[html.Span(id="trend-zone"), ranges],
                        name="trend-card",
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


def _note() -> Component:
    """Return the line above the chart: why it is empty or does not end now, and the way to and back."""
    latest = html.Button("Go to latest data", id="trend-latest", className="button", hidden=True)
    again = html.Button("Back to now", id="trend-now", className="button", hidden=True)
    return html.Div([html.Span(id="trend-note", role="status"), latest, again], className="trend-note")


def register(app: Dash, data: DataService) -> None:
    """Add the page; texts are refreshed with every snapshot, the chart when it would look different."""
    shell.add_page(__name__, name="Pump", path="/pump/<serial>", layout=layout)

    @app.callback(
        Output("pump-head", "children"),
        Output("pump-now", "children"),
        Output("pump-flags", "children"),
        Output("pump-quality", "children"),
        Output("pump-events", "children"),
        Output("pump-events-key", "data"),
        Input("live", "data"),
        Input("pump-serial", "data"),
        State("pump-events-key", "data"),
    )
    async def show(_live: Any, serial: str, key: str | None) -> Any:
        clock = clock_of(data.snapshot(), str(serial))
        now = await asyncio.to_thread(render, data.snapshot(), str(serial))
        events = await asyncio.to_thread(data.events, str(serial), MAX_EVENTS)
        fresh = f"{serial} {event_log.key(events)}"
        return *now, *((no_update, no_update) if fresh == key else (event_log.history(events, clock), fresh))

    @app.callback(
        Output("pump-trends", "figure"),
        Output("pump-drawn", "data"),
        Output("trend-zone", "children"),
        Output("trend-note", "children"),
        Output("trend-latest", "hidden"),
        Output("trend-now", "hidden"),
        Input("live", "data"),
        Input("pump-range", "value"),
        Input("scheme", "data"),
        Input("trend-end", "data"),
        State("pump-serial", "data"),
        State("pump-drawn", "data"),
    )
    async def draw(
        _live: Any, chosen: str | None, scheme: str | None, end: str | None, serial: str, drawn: str | None
    ) -> Any:
        view = trend_view.view(data.snapshot(), str(serial), chosen, end)
        key = trend_view.key(view, queries.alarms_of(data.snapshot(), str(serial)), f"{scheme} {ZONE.get()}")
        if key == drawn:
            return [no_update] * 6
        figure, note = await asyncio.to_thread(picture, data, view, scheme)
        zone = f"times in {chart_zone(view.until).label}"
        return figure, key, zone, note.text, not note.offers_latest, view.end != trend_view.LATEST

    @app.callback(
        Output("trend-end", "data"),
        Input("trend-latest", "n_clicks"),
        Input("trend-now", "n_clicks"),
        prevent_initial_call=True,
    )
    async def move(_latest: Any, _now: Any) -> Any:
        return trend_view.LATEST if ctx.triggered_id == "trend-latest" else trend_view.NOW


def picture(data: DataService, view: View, scheme: str | None) -> tuple[figures.Figure, Note]:
    """Return the chart of a pump, and what to say above it."""
    alarms = queries.alarms_of(data.snapshot(), view.serial)
    long = view.until - view.since >= HOURLY_FROM
    samples = (data.long_trend if long else data.trend)(view.serial, view.since, view.until)
    past = trends.Past(
        curves=trends.curves(samples),
        spans=trends.spans(alarms, data.events(view.serial), view.now),
        gaps=trends.gaps(samples, view.since, view.until),
        window=(view.since, view.until),
    )
    revision = f"{view.serial} {view.chosen} {view.end}"
    figure = figures.trends(past, theme.scheme(scheme), revision=revision, zone=chart_zone(view.until))
    return figure, trend_view.note(view, past, samples.height)


def clock_of(snapshot: Snapshot, serial: str) -> TherapyClock:
    """Return how therapy time runs for a pump; for one that is unknown, that of the fleet."""
    row = queries.pump_row(snapshot, serial)
    return therapy_clock(snapshot, row["gateway"] if row else None)


def render(snapshot: Snapshot, serial: str) -> tuple[Component, Component, Component, Component]:
    """Return header, latest values, status and data quality of one pump."""
    row = queries.pump_row(snapshot, serial)
    clock = therapy_clock(snapshot, row["gateway"] if row else None)
    if row is None and (retired := retirement.row(snapshot, serial)) is not None:
        return retirement_dialog.head(retired, clock), *([elements.nothing("Not monitored: retired.")] * 3)
    if row is None:
        missing = elements.card(serial, elements.nothing(f"Pump {serial} not found."))
        return missing, *([elements.nothing(formatting.UNKNOWN)] * 3)
    alarms = queries.alarms_of(snapshot, serial)
    head = [
        pump_summary.head(row, alarms, queries.orders_of(snapshot, row)),
        *pump_summary.alarms(alarms, clock),
        forecast_panel.card(row, clock),
    ]
    note = queries.lag_note(snapshot)
    values = [pump_summary.values(row), html.P(f"{note.capitalize()}.", className="note") if note else None]
    return head, values, pump_summary.flags(row), pump_summary.quality(row, clock)
