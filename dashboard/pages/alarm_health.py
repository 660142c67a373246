"""Alarm health: alarm load against the targets of ISA-18.2, floods, and what causes them."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_mantine_components as dmc
import msgspec
import polars as pl
from dash import Dash, Input, Output, dcc, html
from fastapi import FastAPI, Response

from dashboard import clocks, formatting, theme
from dashboard.access.accounts import VISITOR
from dashboard.access.proxies import path_of
from dashboard.clocks import TherapyClock
from dashboard.components import address, alarm_figures, elements, figures, shell
from dashboard.components.elements import Component
from dashboard.data import alarm_kpi, alarm_metrics, alarm_performance, fleet_clock
from dashboard.data.alarm_kpi import MAX_EVENTS, MAX_OPERATORS
from dashboard.data.alarm_performance import Metric, Report
from dashboard.data.services import DataService
from dashboard.languages import decimal, tr, tr_sentence
from dashboard.zones import chart_zone

PATH: Final = "/alarm-health"
REFRESH_MS: Final = 10_000
MAX_BARS: Final = 1008
"""One week of bars of 10 minutes."""
MAX_FLOODS: Final = 20


def layout() -> Component:
    """Return the page; its numbers are refreshed every ten seconds."""
    operators = dmc.NumberInput(
        id="health-operators", value=1, min=1, max=MAX_OPERATORS, allowDecimal=False, size="xs", w=90,
        **{"aria-label": tr("Operators")},
    )  # fmt: skip
    chart = dcc.Graph(id="health-load", config=figures.CONFIG, style={"height": 210}, figure=figures.EMPTY)
    return html.Div(
        [
            html.H1(tr("Alarm health"), className="hidden"),
            dcc.Interval(id="health-beat", interval=REFRESH_MS),
            elements.card(
                tr("Alarm load against targets"),
                html.Div(id="health-measures", className="measures"),
                html.Div(id="health-note", className="note"),
                side=[html.Span(tr("Operators")), operators, html.Span(id="health-files", className="kpi-files")],
            ),
            elements.card(tr("Annunciated alarms per 10 min (therapy time)"), chart),
            html.Div(
                [
                    elements.card(tr("Ten most frequent"), html.Div(id="health-actors", className="scroll")),
                    html.Div(
                        [
                            elements.card(tr("Priority distribution"), html.Div(id="health-mix")),
                            elements.card(tr("Alarm floods"), html.Div(id="health-floods", className="scroll")),
                        ],
                        className="column",
                    ),
                ],
                className="health-bottom",
            ),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page, measured every ten seconds and when the number of operators changes."""
    shell.add_page(__name__, name="Alarm health", path=PATH, order=7, layout=layout)
    operators = address.whole("health-operators", 1, MAX_OPERATORS, default=1)
    address.bind(app, PATH, {"operators": operators})
    serve(app.server, data)

    @app.callback(
        Output("health-measures", "children"),
        Output("health-note", "children"),
        Output("health-load", "figure"),
        Output("health-actors", "children"),
        Output("health-mix", "children"),
        Output("health-floods", "children"),
        Output("health-files", "children"),
        Input("health-beat", "n_intervals"),
        Input("health-operators", "value"),
        Input("scheme", "data"),
    )
    async def show(_beat: Any, operators: Any, scheme: str | None) -> Any:
        return await asyncio.to_thread(render, data, operators, scheme)


def render(data: DataService, operators: Any, scheme: str | None) -> tuple[Component, ...]:
    """Return the parts of the page for a number of operators."""
    people = operators if isinstance(operators, int) and 1 <= operators <= MAX_OPERATORS else 1
    snapshot = data.snapshot()
    events, health = fleet_clock.on_fleet_clock(data.events(limit=MAX_EVENTS), snapshot), snapshot.health
    now = alarm_kpi.now_of(events, snapshot)
    report = alarm_performance.report(events, now, people)
    zone = chart_zone(now)
    bars = alarm_figures.load(
        report.load.tail(MAX_BARS), report.floods, alarm_performance.FLOOD_START * people, theme.scheme(scheme), zone
    )
    age_s = (data.now() - health.written) / 1000 if health.written else None
    return (
        [_metric(metric) for metric in report.metrics],
        _note(report, events, age_s, zone.label),
        bars,
        _actors(report.actors),
        _mix(report.mix),
        _floods(report.floods, now, fleet_clock.therapy_clock(snapshot)),
        [
            html.A(kind.upper(), href=path_of(f"{PATH}.{kind}?operators={people}"), className="button")
            for kind in ("csv", "json")
        ],
    )


def serve(server: FastAPI, data: DataService) -> None:
    """Serve the figures as files."""

    def measured(operators: int) -> Report:
        return alarm_kpi.measured(data.events(limit=MAX_EVENTS), data.snapshot(), operators)

    async def file(operators: int, kind: str) -> Response:
        people = min(max(1, operators), MAX_OPERATORS)
        report = await asyncio.to_thread(measured, people)
        if not await data.audit.record("exported", VISITOR.get(), f"alarm figures as {kind}"):
            return Response(tr("Not exported: it cannot be recorded in the audit trail."), 503, media_type="text/plain")
        headers = {"Content-Disposition": f'attachment; filename="alarm-kpi.{kind}"', "Cache-Control": "no-store"}
        if kind == "csv":
            return Response(alarm_kpi.csv_text(report), media_type="text/csv; charset=utf-8", headers=headers)
        content = msgspec.json.encode(alarm_kpi.summary(report, people))
        return Response(content, media_type="application/json", headers=headers)

    @server.get(f"{PATH}.csv")
    async def table(operators: int = 1) -> Response:
        return await file(operators, "csv")

    @server.get(f"{PATH}.json")
    async def numbers(operators: int = 1) -> Response:
        return await file(operators, "json")


def _note(report: Report, events: pl.DataFrame, age_s: float | None, zone: str) -> str:
    if events.is_empty():
        return tr("No alarms yet: the journal is empty.")
    newest = events["at"].max()
    parts = [
        tr(
            "{alarms} annunciated in {duration} of therapy time.",
            alarms=formatting.count(report.annunciated, "alarm"),
            duration=formatting.span(report.span_ms / 1000),
        ),
        "" if report.span_ms >= alarm_performance.DAY_MS else tr("At least 30 days are needed to judge."),
        tr("Only the newest {count} journal entries are counted.", count=decimal(MAX_EVENTS))
        if events.height >= MAX_EVENTS
        else "",
        tr(
            "Latest entry recorded {time}; data {age} old; chart in {zone}.",
            time=formatting.second(newest),  # type: ignore[arg-type]
            age=formatting.span(age_s),
            zone=zone,
        ),
    ]
    return " ".join(filter(None, parts))


def _metric(metric: Metric) -> Component:
    tone = {True: "fine", False: "warn", None: ""}[metric.good]
    verdict = {True: tr("within target"), False: tr("outside target"), None: tr("too little data")}[metric.good]
    value = elements.quantity(formatting.number(metric.value, metric.decimals, tr(metric.unit)))
    detail = f" · {tr_sentence(metric.note, alarm_metrics.FLOODS)}" if metric.note else ""
    note = [html.Div(tr("target {target}", target=tr(metric.target))), html.Div([html.B(verdict), detail])]
    return elements.fact(tr(metric.name), value, note=note, tone=f"measure {tone}")


def _actors(actors: pl.DataFrame) -> Component:
    if actors.is_empty():
        return elements.nothing(tr("No alarms annunciated yet."))
    rows = [
        [
            elements.pump_link(row["pump"]) if row["pump"] else row["subject"],
            html.Span([elements.mark(row["priority"]), tr(row["title"])], className="priority"),
            decimal(row["alarms"]),
            f"{decimal(100 * row['share'], 1)} %",
        ]
        for row in actors.iter_rows(named=True)
    ]
    return elements.table(
        [(tr("Source"), ""), (tr("Alarm"), "wide"), (tr("Count"), "number"), (tr("Share"), "number")], rows
    )


def _mix(mix: pl.DataFrame) -> Component:
    rows = [
        [
            elements.priority(row["priority"]),
            decimal(row["alarms"]),
            f"{100 * row['share']:.0f} %",
            f"{100 * row['target']:.0f} %",
        ]
        for row in mix.iter_rows(named=True)
    ]
    return elements.table(
        [(tr("Priority"), ""), (tr("Count"), "number"), (tr("Share"), "number"), (tr("Target"), "number")], rows
    )


def _floods(floods: pl.DataFrame, now: int, clock: TherapyClock) -> Component:
    if floods.is_empty():
        return elements.nothing(tr("No floods: never more than 10 alarms in 10 min per operator."))
    rows = [
        [
            clocks.therapy_moment(row["begin"], clock),
            clocks.therapy_moment(row["end"], clock) if row["end"] else tr("ongoing"),
            formatting.span(((row["end"] or now) - row["begin"]) / 1000),
            decimal(row["alarms"]),
        ]
        for row in floods.tail(MAX_FLOODS).reverse().iter_rows(named=True)
    ]
    return elements.table(
        [(tr("Start"), ""), (tr("End"), ""), (tr("Duration (therapy)"), "number"), (tr("Alarms"), "number")], rows
    )
