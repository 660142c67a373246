"""This file is how the pipeline itself is: flow, latency, loss, what was refused, and how full everything is."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import polars as pl
from dash import Dash, Input, Output, html

from broker.store.snapshot import CapacityLimit, Health, Snapshot
from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Piece
from dashboard.data.services import DataService

WHEN_FULL: Final = {
    "waits": "When it is full the rest waits, and nothing is lost.",
    "oldest goes": "When it is full the oldest goes: that is how it is meant to be.",
    "thrown away": "When it is full the oldest is thrown away, and lost.",
    "refused pumps": "When it is full further pumps are refused, and not watched.",
    "grows": "It grows on, as far as the disk has room.",
}
PATH: Final = "/pipeline"
TITLE: Final = "Pipeline"
ORDER: Final = 7
MAX_GATEWAYS: Final = 200
MAX_REFUSALS: Final = 50


def layout(_desk: DataService, _rest: str = "") -> Piece:
    """Return the page; its parts follow with the first word of a snapshot."""
    return html.Div(
        [
            html.H1("Pipeline", className="hidden"),
            html.Div(id="pipe-facts", className="strip card"),
            html.Div(
                [
                    elements.card("Gateways", html.Div(id="pipe-gateways", className="scroll"), name="grow-card"),
                    elements.card("How full everything is", html.Div(id="pipe-bounds"), name="bounds-card"),
                ],
                className="pipe-middle",
            ),
            elements.card("Refused lately", html.Div(id="pipe-refusals", className="scroll"), name="events-card"),
        ],
        className="column",
    )


def register(app: Dash, desk: DataService) -> None:
    """Renew everything with each snapshot."""

    @app.callback(
        Output("pipe-facts", "children"),
        Output("pipe-gateways", "children"),
        Output("pipe-bounds", "children"),
        Output("pipe-refusals", "children"),
        Input("live", "data"),
    )
    async def show(_live: Any) -> Any:
        return await asyncio.to_thread(render, desk.snapshot(), desk.now())


def render(snapshot: Snapshot, now_ms: int) -> tuple[Piece, Piece, Piece, Piece]:
    """Return numbers, gateways, bounds with notes, and refusals."""
    health = snapshot.health
    return _facts(health), _gateways(snapshot.gateways, now_ms), _bounds(health), _refusals(health)


def _facts(health: Health) -> list[Piece]:
    state = "connected" if health.connected else "not connected"
    broker = f"{health.broker or 'broker unknown'} · {health.protocol or 'protocol unknown'}"
    latency = {name: formatting.number(health.latency_ms.get(name), 0, "ms") for name in ("p50", "p95", "p99")}
    losses = (
        ("Samples lost", health.lost, formatting.LOST),
        ("Late", health.late, formatting.LATE),
        ("Repeats", health.repeated, formatting.REPEATED),
        ("Refused", health.refused, "Messages, or samples in them, that could not be taken; the reasons are below."),
        ("Reconnects", health.reconnects, "How often the broker had to be connected to anew."),
    )
    return [
        elements.fact("Broker", state, note=broker, tone="" if health.connected else "bad"),
        elements.fact(
            "Samples",
            elements.quantity(formatting.number(health.samples_per_s, 0, "per s")),
            note=f"{health.samples:,} in all",
        ),
        elements.fact("Messages", f"{health.messages:,}", note=f"since {formatting.second(health.started)}"),
        elements.fact(
            "Sent to seen, median",
            elements.quantity(latency["p50"]),
            note=f"p95 {latency['p95']}, p99 {latency['p99']}",
        ),
        *(elements.fact(name, f"{value:,}", tone="warn" if value else "", hint=hint) for name, value, hint in losses),
    ]


def _gateways(gateways: pl.DataFrame, now_ms: int) -> Piece:
    if gateways.is_empty():
        return elements.nothing("No gateway has been heard of yet.")
    heads = [
        ("Gateway", ""),
        ("State", ""),
        ("Pumps", "number"),
        ("Last heard", "number"),
        ("Speed", "number"),
        ("Waiting", "number"),
        ("Dropped", "number"),
        ("Sent again", "number"),
        ("Shard", "number"),
    ]
    worst_first = gateways.sort(pl.col("state") == "online", -pl.col("dropped"), "gateway")
    rows = [_gateway(row, now_ms) for row in worst_first.head(MAX_GATEWAYS).iter_rows(named=True)]
    more = gateways.height - len(rows)
    note = (
        [html.P(f"{formatting.count(more, 'more gateway')}, all like the last ones shown.", className="note")]
        if more
        else []
    )
    return html.Div([elements.table(heads, rows), *note])


def _gateway(row: dict[str, Any], now_ms: int) -> list[Piece]:
    state = row["state"] or formatting.UNKNOWN
    heard = (now_ms - row["heard_wall"]) / 1000 if row["heard_wall"] else None
    return [
        html.B(row["gateway"]),
        html.Span(state, className="tag" if state == "online" else "tag bad"),
        formatting.number(row["pumps"], 0),
        elements.quantity(formatting.span(heard)),
        formatting.UNKNOWN if row["speed"] is None else formatting.speed(row["speed"]),
        formatting.number(row["waiting"], 0),
        html.Span(formatting.number(row["dropped"], 0), className="warn-word" if row["dropped"] else ""),
        formatting.number(row["resent"], 0),
        formatting.number(row["shard"], 0),
    ]


def _bounds(health: Health) -> Piece:
    notes = [html.P(note, className="pipe-note") for note in health.notes[:20]]
    fullest = sorted(health.bounds, key=lambda bound: (not bound.near, not bound.reached))
    bars = [_bar(bound) for bound in fullest]
    return html.Div([*notes, *(bars or [elements.nothing("No bound has been reported yet.")])])


def _bar(bound: CapacityLimit) -> Piece:
    part = min(1.0, max(0.0, bound.value / bound.limit)) if bound.limit > 0 else 0.0
    tone = "bad" if bound.near else "warn" if bound.reached else ""
    said = (
        f"{formatting.size(bound.value)} of {formatting.size(bound.limit)}"
        if bound.unit == "bytes"
        else f"{formatting.amount(bound.value)} of {formatting.amount(bound.limit)} {bound.unit}"
    )
    return html.Div(
        [
            html.Div(
                [html.Span(formatting.title(bound.name)), html.Span(said, className="bound-said")],
                className="bound-head",
            ),
            html.Div(html.Div(className="bar-fill", style={"width": f"{part:.1%}"}), className="bar"),
            html.Div(f"full {formatting.count(bound.reached, 'time')}", className="bound-reached")
            if bound.reached
            else None,
        ],
        className=f"bound {tone}".rstrip(),
        title=WHEN_FULL[bound.when_full],
    )


def _refusals(health: Health) -> Piece:
    if not health.refusals:
        return elements.nothing("Nothing was refused.")
    newest = sorted(health.refusals, key=lambda refusal: -refusal.at)[:MAX_REFUSALS]
    rows = [
        [
            formatting.second(refusal.at),
            html.Code(refusal.topic[:120]),
            refusal.reason[:300],
            html.Code(refusal.excerpt[:120]),
        ]
        for refusal in newest
    ]
    return elements.table([("At", ""), ("Topic", ""), ("Reason", "wide"), ("Began with", "")], rows, name="refusals")
