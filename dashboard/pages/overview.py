"""Overview: counts of pumps by state, alarms by urgency, fleet map, pipeline health."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import polars as pl
from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.store.snapshot import WAITING, Snapshot
from dashboard import clocks, formatting
from dashboard.access.proxies import path_of
from dashboard.components import client_script, elements, refill_strip, shell
from dashboard.components.elements import Component
from dashboard.data import fleet_map, queries
from dashboard.data.fleet_index import facts_index
from dashboard.data.services import DataService

LINES: Final = 12
"""More than fit on a screen; each costs the browser some time with every snapshot."""
TILES: Final = (("high", "High"), ("medium", "Medium"), ("low", "Low"), ("silent", "Silent"), ("normal", "Normal"))


def layout() -> Component:
    """Return the page; its parts follow with the first snapshot."""
    return html.Div(
        [
            html.H1("Overview", className="hidden"),
            html.Div(id="counts", className="counts"),
            elements.card(
                "Alarms, most urgent first",
                html.Div(id="worst", className="worst"),
                side=html.Span(id="worst-note"),
                name="worst-card",
            ),
            elements.card(
                "Fleet by site",
                html.Div(
                    html.Canvas(id="map", role="img", **client_script.label("Fleet map")),
                    className="map-box",
                    id="map-box",
                ),
                side=html.Span(id="map-note"),
                name="map-card",
            ),
            html.Div(id="strip", className="strip card"),
            dcc.Store(id="map-cells"),
            dcc.Store(id="map-names"),
            dcc.Store(id="map-key"),
            html.Div(id="map-drawn", hidden=True),
        ],
        className="overview",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page, redrawn with every snapshot."""
    shell.add_page(__name__, name="Overview", path="/", order=1, layout=layout)

    @app.callback(
        Output("counts", "children"),
        Output("worst", "children"),
        Output("worst-note", "children"),
        Output("strip", "children"),
        Input("live", "data"),
    )
    async def show(_live: Any) -> Any:
        return await asyncio.to_thread(render, data.snapshot())

    @app.callback(
        Output("map-cells", "data"),
        Output("map-names", "data"),
        Output("map-key", "data"),
        Input("live", "data"),
        State("map-key", "data"),
    )
    async def chart(_live: Any, key: Any) -> Any:
        return await asyncio.to_thread(fleet, data.snapshot(), key)

    client_script.runs(
        app,
        "map",
        Output("map-drawn", "children"),
        Output("map-note", "children"),
        Input("map-cells", "data"),
        Input("scheme", "data"),
        State("map-names", "data"),
    )


def render(snapshot: Snapshot) -> tuple[Component, Component, Component, Component]:
    """Return counts, alarm list, its note and the health strip of a snapshot."""
    summary = queries.summary(snapshot)
    lines = queries.worst(snapshot.alarms, facts_index(snapshot.table.facts).gateways, LINES)
    shown = int(lines["many"].sum())
    more = snapshot.alarms.height - shown - summary["shelved"]
    note = (
        f"{formatting.count(more, 'more alarm')} on the Alarms page" if more else formatting.count(shown, "open alarm")
    )
    return (
        _counts(summary),
        _list(lines, snapshot.table.height),
        note,
        _strip(queries.health_strip(snapshot), refill_strip.facts(snapshot)),
    )


def fleet(snapshot: Snapshot, key: Any) -> tuple[Any, Any, Any]:
    """Return the map's cells, and their names unless the browser already has them (`key`)."""
    found = fleet_map.cells(snapshot)
    names, fresh = found["names"], found["key"]
    cells = {name: found[name] for name in ("per", "sites", "marked")}
    return (cells, no_update, no_update) if key == fresh else (cells, names, fresh)


def _counts(summary: dict[str, Any]) -> list[Component]:
    oldest, waiting = summary["oldest_s"], summary["waiting"]
    tiles = [
        html.Div(
            [
                html.Span(className=f"mark {name if name != 'silent' else 'unknown'}"),
                html.B(f"{summary[name]:,}"),
                html.Span(word),
            ],
            className=f"count {name}" + ("" if summary[name] else " none"),
        )
        for name, word in TILES
    ]
    where = " here" if summary["speed"] != 1 else ""
    oldest_note = f"oldest raised {formatting.span(oldest)} ago{where}" if waiting else "all acknowledged"
    facts = [
        elements.fact("Unacknowledged", f"{waiting:,}", note=oldest_note),
        elements.fact("Shelved", f"{summary['shelved']:,}", note="incl. out of service"),
        elements.fact("Other alarms", f"{summary['others']:,}", note="gateways, cohorts, system"),
        elements.fact("Pumps", f"{summary['pumps']:,}", note="simulated"),
    ]
    return [html.Div(tiles, className="count-tiles card"), html.Div(facts, className="count-facts card")]


def _list(lines: pl.DataFrame, pumps: int) -> Component:
    if lines.is_empty():
        waiting = "No pump has reported yet. Pumps appear here with their first sample."
        return elements.nothing("No open alarms." if pumps else waiting)
    return [_line(row) for row in lines.iter_rows(named=True)]


def _line(row: dict[str, Any]) -> Component:
    many, state = row["many"], row["state"]
    where = elements.subject(row) if many == 1 else html.B(f"{row['gateway']} · {many:,} pumps")
    selection = {"alarms": [row["alarm"]]} if many == 1 else {"gateway": row["gateway"], "rule": row["rule"]}
    name = f"{row['title']}, {row['subject'] if many == 1 else row['gateway']}"
    button = elements.acknowledge("Ack", selection, title=f"Acknowledge {name}")
    person = row["acknowledged_by"] or formatting.UNKNOWN
    acknowledged = html.Span(f"Acked by {person}", className="acked-by", title=f"Acknowledged by {person}")
    return html.Div(
        [
            elements.mark(row["priority"], state),
            html.Div(
                [
                    html.Div(
                        [where, html.Span(row["title"], className="what"), *_tags(row)],
                        className="line-what",
                    ),
                    html.Div(row["action"], className="line-action", title=row["meaning"]),
                ],
                className="line-text",
            ),
            html.Div(
                [
                    html.B(clocks.alarm_age(row, short=True), title=clocks.alarm_age(row)),
                    html.Span(clocks.deadline(row, short=True), title=clocks.deadline(row)),
                ],
                className="line-when",
            ),
            button if state in WAITING else acknowledged,
        ],
        className=f"line {elements.SHAPE.get(row['priority'], 'normal')} {state}",
    )


def _tags(row: dict[str, Any]) -> list[Component]:
    """Return tags: that the condition has returned to normal, and how many alarms this one suppresses."""
    gone = ["returned to normal"] if row["state"] == "returned" else []
    many = [f"+{row['held']}"] if row["many"] == 1 and row["held"] else []
    suppressed = f"Suppresses {formatting.count(row['held'], 'alarm')}"
    return [html.Span(text, className="tag", title=suppressed if text in many else None) for text in (*gone, *many)]


def _strip(strip: dict[str, Any], due: list[Component]) -> list[Component]:
    offline = strip["gateways"] - strip["online"]
    full = formatting.listed(formatting.title(name) for name in strip["full"])
    return [
        *due,
        elements.fact("Samples", elements.quantity(formatting.number(strip["samples_per_s"], 0, "per s"))),
        elements.fact("End-to-end latency, p95", elements.quantity(formatting.number(strip["p95"], 0, "ms"))),
        elements.fact("Samples lost", f"{strip['lost']:,}", tone="warn" if strip["lost"] else "", hint=formatting.LOST),
        elements.fact("Rejected messages", f"{strip['refused']:,}", tone="warn" if strip["refused"] else ""),
        elements.fact(
            "Gateways online", f"{strip['online']:,} of {strip['gateways']:,}", tone="warn" if offline else ""
        ),
        elements.fact("Capacity", full or "all below limits", tone="warn" if full else ""),
        html.A("Pipeline", href=path_of("/pipeline"), className="more", **client_script.GO),
    ]
