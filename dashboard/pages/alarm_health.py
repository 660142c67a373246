"""This file shows whether people can live with the alarm system: its load against the targets, and what causes it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, dcc, html

from dashboard import formatting, theme
from dashboard.components import alarm_figures, elements, figures
from dashboard.components.elements import Piece
from dashboard.data import alarm_performance
from dashboard.data.alarm_performance import Measure, Report
from dashboard.data.services import DataService

PATH: Final = "/alarm-health"
TITLE: Final = "Alarm health"
ORDER: Final = 2.5
RENEWED_MS: Final = 10_000
MAX_EVENTS: Final = 50_000
MAX_OPERATORS: Final = 1000
MAX_BARS: Final = 1008
"""A week of 10 minutes each."""
MAX_FLOODS: Final = 20


def layout(_desk: DataService, _rest: str = "") -> Piece:
    """Return the page; its numbers follow, and are renewed every ten seconds."""
    operators = dmc.NumberInput(
        id="health-operators", value=1, min=1, max=MAX_OPERATORS, allowDecimal=False, size="xs", w=90,
        **{"aria-label": "Operators"},
    )  # fmt: skip
    chart = dcc.Graph(id="health-load", config=figures.CONFIG, style={"height": 210}, figure=figures.NOTHING_YET)
    return html.Div(
        [
            html.H1("Alarm health", className="hidden"),
            dcc.Interval(id="health-beat", interval=RENEWED_MS),
            elements.card(
                "Can people live with it?",
                html.Div(id="health-measures", className="measures"),
                html.Div(id="health-note", className="note"),
                side=[html.Span("Operators"), operators],
            ),
            elements.card("Alarms that called, every 10 minutes of therapy time", chart),
            html.Div(
                [
                    elements.card("What called most", html.Div(id="health-actors", className="scroll")),
                    html.Div(
                        [
                            elements.card("Priorities", html.Div(id="health-mix")),
                            elements.card("Floods", html.Div(id="health-floods", className="scroll")),
                        ],
                        className="column",
                    ),
                ],
                className="health-bottom",
            ),
        ],
        className="column",
    )


def register(app: Dash, desk: DataService) -> None:
    """Measure anew every ten seconds, and whenever the number of operators changes."""

    @app.callback(
        Output("health-measures", "children"),
        Output("health-note", "children"),
        Output("health-load", "figure"),
        Output("health-actors", "children"),
        Output("health-mix", "children"),
        Output("health-floods", "children"),
        Input("health-beat", "n_intervals"),
        Input("health-operators", "value"),
        Input("scheme", "data"),
    )
    async def show(_beat: Any, operators: Any, scheme: str | None) -> Any:
        return await asyncio.to_thread(render, desk, operators, scheme)


def render(desk: DataService, operators: Any, scheme: str | None) -> tuple[Piece, ...]:
    """Return all that the page shows, for so many operators."""
    people = operators if isinstance(operators, int) and 1 <= operators <= MAX_OPERATORS else 1
    events = desk.events(limit=MAX_EVENTS)
    health = desk.snapshot().health
    latest = events["time"].max()
    now = max(health.therapy_ms, latest if isinstance(latest, int) else 0)
    found = alarm_performance.report(events, now, people)
    bars = alarm_figures.load(
        found.load.tail(MAX_BARS), found.floods, alarm_performance.FLOOD_BEGINS * people, theme.scheme(scheme)
    )
    age_s = (desk.now() - health.written) / 1000 if health.written else None
    return (
        [_measure(one) for one in found.measures],
        _note(found, events, age_s),
        bars,
        _actors(found.actors),
        _mix(found.mix),
        _floods(found.floods, now),
    )


def _note(found: Report, events: pl.DataFrame, age_s: float | None) -> str:
    if events.is_empty():
        return "The journal is empty: there has been no alarm yet."
    newest = events["at"].max()
    window = f"{found.calls:,} alarms called in {formatting.span(found.span_ms / 1000)} of therapy time"
    short = "" if found.span_ms >= alarm_performance.DAY_MS else "; judge by 30 days or more"
    cut = f"; of the journal only the newest {MAX_EVENTS:,} entries" if events.height >= MAX_EVENTS else ""
    age = formatting.UNKNOWN if age_s is None else formatting.span(age_s)
    return f"{window}{short}{cut}. Latest entry {formatting.second(newest)}; data {age} old."  # type: ignore[arg-type]


def _measure(one: Measure) -> Piece:
    tone = {True: "fine", False: "warn", None: ""}[one.good]
    judged = {True: "within target", False: "beyond target", None: "too little to judge"}[one.good]
    value = elements.quantity(formatting.number(one.value, one.decimals, one.unit))
    note = [html.Div(f"target {one.target}"), html.Div([html.B(judged), f" · {one.note}" if one.note else ""])]
    return elements.fact(one.name, value, note=note, tone=f"measure {tone}")


def _actors(actors: pl.DataFrame) -> Piece:
    if actors.is_empty():
        return elements.nothing("Nothing has called yet.")
    rows = [
        [
            elements.pump_link(row["pump"]) if row["pump"] else row["subject"],
            html.Span([elements.mark(row["priority"]), row["title"]], className="priority"),
            f"{row['calls']:,}",
            f"{100 * row['share']:.1f} %",
        ]
        for row in actors.iter_rows(named=True)
    ]
    return elements.table([("About", ""), ("Alarm", "wide"), ("Calls", "number"), ("Of the load", "number")], rows)


def _mix(found: pl.DataFrame) -> Piece:
    rows = [
        [
            elements.priority(row["priority"]),
            f"{row['calls']:,}",
            f"{100 * row['share']:.0f} %",
            f"{100 * row['target']:.0f} %",
        ]
        for row in found.iter_rows(named=True)
    ]
    return elements.table([("Priority", ""), ("Calls", "number"), ("Share", "number"), ("Target", "number")], rows)


def _floods(found: pl.DataFrame, now: int) -> Piece:
    if found.is_empty():
        return elements.nothing("No flood: never more than 10 in 10 minutes for an operator.")
    rows = [
        [
            formatting.moment(row["begin"]),
            f"{formatting.clock(row['end'])} UTC" if row["end"] else "it lasts",
            formatting.span(((row["end"] or now) - row["begin"]) / 1000),
            f"{row['calls']:,}",
        ]
        for row in found.tail(MAX_FLOODS).reverse().iter_rows(named=True)
    ]
    return elements.table([("Began", ""), ("Ended", ""), ("Lasted", "number"), ("Alarms", "number")], rows)
