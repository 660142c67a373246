"""Pipeline: throughput, latency, loss, ranges and nodes of a cluster, gateways, capacity, rejected messages."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_ag_grid as dag
import polars as pl
from dash import Dash, Input, Output, html

from broker.store.snapshot import CapacityLimit, Health, Snapshot
from dashboard import formatting
from dashboard.components import address, cluster_tables, elements, grids, shell
from dashboard.components.elements import Component
from dashboard.data import queries
from dashboard.data.services import DataService

WHEN_FULL: Final = {
    "delayed": "When full, new data waits; nothing is lost.",
    "oldest removed": "When full, the oldest entry is removed, by design.",
    "discarded": "When full, the oldest entry is dropped and lost.",
    "pumps refused": "When full, further pumps are refused and not monitored.",
    "rate exceeded": "What comes faster is refused.",
    "grows": "May grow beyond this, up to the free disk space.",
}
MAX_GATEWAYS: Final = 200
MAX_REJECTIONS: Final = 50


def layout() -> Component:
    """Return the page; its parts follow with the first snapshot."""
    grid = dag.AgGrid(
        id="pipe-gateways",
        columnDefs=[*grids.GATEWAY_COLUMNS, grids.GATEWAY_CARD],
        defaultColDef=grids.DEFAULTS,
        getRowId="params.data.gateway",
        rowData=[],
        eventListeners={"modelUpdated": ["fitGateways(params)"]},
        style=grids.FILL,
        dashGridOptions={**grids.OPTIONS, "localeText": {"noRowsToShow": "No gateway has reported yet."}},
    )
    return html.Div(
        [
            html.H1("Pipeline", className="hidden"),
            html.Div(id="pipe-facts", className="strip card"),
            html.Div(id="pipe-cluster"),
            html.Div(
                [
                    elements.card(
                        "Gateways",
                        html.Div(grid, id="pipe-box", className="grid-box"),
                        html.Div(id="pipe-note", className="note"),
                        name="grow-card",
                    ),
                    elements.card("Capacity", html.Div(id="pipe-capacity"), name="capacity-card"),
                ],
                className="pipe-middle",
            ),
            elements.card("Recently rejected", html.Div(id="pipe-rejections", className="scroll"), name="events-card"),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page, refreshed with every snapshot."""
    shell.add_page(__name__, name="Pipeline", path="/pipeline", order=24, layout=layout, english=True)
    columns = [column["field"] for column in grids.GATEWAY_COLUMNS]
    address.bind(app, "/pipeline", {"sort": address.sorting("pipe-gateways", columns)})

    @app.callback(
        Output("pipe-facts", "children"),
        Output("pipe-capacity", "children"),
        Output("pipe-rejections", "children"),
        Output("pipe-gateways", "rowData"),
        Output("pipe-note", "children"),
        Output("pipe-box", "style"),
        Output("pipe-cluster", "children"),
        Input("live", "data"),
    )
    async def show(_live: Any) -> Any:
        snapshot = data.snapshot()
        rows, note = gateways(snapshot, data.now())
        cluster = cluster_tables.tables(snapshot.health)
        return *await asyncio.to_thread(render, snapshot), rows, note, {"--rows": max(1, len(rows))}, cluster


def render(snapshot: Snapshot) -> tuple[Component, Component, Component]:
    """Return facts, capacity with notes, and rejected messages."""
    health = snapshot.health
    return _facts(health), _capacity(health), _rejections(health)


def _facts(health: Health) -> list[Component]:
    state = "connected" if health.connected else "not connected"
    broker = f"{health.broker or 'broker unknown'} · {health.protocol or 'protocol unknown'}"
    latency = {name: formatting.number(health.latency_ms.get(name), 0, "ms") for name in ("p50", "p95", "p99")}
    losses = (
        ("Samples lost", "lost", formatting.LOST),
        ("Late", "late", formatting.LATE),
        ("Duplicates", "repeated", formatting.DUPLICATES),
        ("Rejected", "refused", "Messages or samples that could not be accepted; reasons below."),
        ("Reconnects", "reconnects", "Reconnections to the broker."),
    )
    return [
        elements.fact("Broker", state, note=broker, tone="" if health.connected else "bad"),
        elements.fact(
            "Samples",
            elements.quantity(formatting.number(health.samples_per_s, 0, "per s")),
            note=f"{health.samples:,} total",
        ),
        elements.fact("Messages", f"{health.messages:,}", note=f"since {formatting.second(health.started)}"),
        elements.fact(
            "End-to-end latency, median",
            elements.quantity(latency["p50"]),
            note=f"p95 {latency['p95']}, p99 {latency['p99']}",
        ),
        *(
            elements.fact(
                title,
                f"{getattr(health, name):,}",
                note=_growth(health, name),
                tone="warn" if queries.grows(health, name) else "",
                hint=hint,
            )
            for title, name, hint in losses
        ),
    ]


def _growth(health: Health, name: str) -> str:
    """Return when a count of trouble grew last, or since when it has not."""
    if not getattr(health, name):
        return ""
    at = health.grown.get(name)
    if at is None:
        return f"none since the start, {formatting.second(health.started)}"
    return f"latest {formatting.second(at)}" if queries.grows(health, name) else f"none since {formatting.moment(at)}"


def gateways(snapshot: Snapshot, now_ms: int) -> tuple[list[dict[str, Any]], str]:
    """Return the grid's rows, gateways that need attention first, and a note if there are more."""
    worst_first = snapshot.gateways.sort(pl.col("state") == "online", -pl.col("dropped"), "gateway")
    rows = [_gateway(row, now_ms) for row in worst_first.head(MAX_GATEWAYS).iter_rows(named=True)]
    more = snapshot.gateways.height - len(rows)
    return rows, f"{formatting.count(more, 'more gateway')} not shown." if more else ""


def _gateway(row: dict[str, Any], now_ms: int) -> dict[str, Any]:
    heard_s = (now_ms - row["heard_wall"]) // 1000 if row["heard_wall"] else None
    return {
        **{name: row[name] for name in ("gateway", "pumps", "speed", "waiting", "dropped", "resent", "shard")},
        "state": row["state"] or formatting.UNKNOWN,
        "heard_s": heard_s,
        "heard": formatting.span(heard_s),
        "speed_text": formatting.UNKNOWN if row["speed"] is None else formatting.speed(row["speed"]),
    }


def _capacity(health: Health) -> Component:
    notes = [html.P(note, className="pipe-note") for note in health.notes[:20]]
    fullest = sorted(health.bounds, key=lambda limit: (not limit.near, not limit.reached))
    bars = [_bar(limit) for limit in fullest]
    return html.Div([*notes, *(bars or [elements.nothing("No limits reported yet.")])])


def _bar(capacity: CapacityLimit) -> Component:
    utilization = min(1.0, max(0.0, capacity.value / capacity.limit)) if capacity.limit > 0 else 0.0
    tone = "bad" if capacity.near else "warn" if capacity.reached else ""
    text = (
        f"{formatting.size(capacity.value)} of {formatting.size(capacity.limit)}"
        if capacity.unit == "bytes"
        else f"{formatting.amount(capacity.value)} of {formatting.amount(capacity.limit)} {capacity.unit}"
    )
    return html.Div(
        [
            html.Div(
                [html.Span(formatting.title(capacity.name)), html.Span(text, className="capacity-text")],
                className="capacity-head",
            ),
            html.Div(html.Div(className="bar-fill", style={"width": f"{utilization:.1%}"}), className="bar"),
            html.Div(f"limit reached {formatting.count(capacity.reached, 'time')}", className="capacity-reached")
            if capacity.reached
            else None,
        ],
        className=f"capacity {tone}".rstrip(),
        title=WHEN_FULL[capacity.when_full],
    )


def _rejections(health: Health) -> Component:
    if not health.refusals:
        return elements.nothing("No messages rejected.")
    newest = sorted(health.refusals, key=lambda refusal: -refusal.at)[:MAX_REJECTIONS]
    rows = [
        [
            formatting.second(refusal.at),
            html.Code(refusal.topic[:120]),
            refusal.reason[:300],
            html.Code(refusal.excerpt[:120]),
        ]
        for refusal in newest
    ]
    return elements.table(
        [("Time", ""), ("Topic", ""), ("Reason", "wide"), ("Excerpt", "")], rows, name="rejections cards"
    )
