"""This file says what the gateways answered, and what the system noticed of the faults put into pumps."""

from __future__ import annotations

from typing import Any

import polars as pl
from dash import html

from broker.contract.commands import Reply
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Piece
from dashboard.data import detections


def answers(replies: list[Reply]) -> Piece:
    """Return what the gateways answered."""
    rows = [
        [
            html.Span("done" if reply.ok else "failed", className="tag" if reply.ok else "tag bad"),
            reply.gateway or "dashboard",
            reply.text,
            f"{reply.pumps:,}" if reply.ok else "",
            formatting.moment(reply.time) if reply.time else "",
        ]
        for reply in replies[:50]
    ]
    return elements.table([("", ""), ("Gateway", ""), ("Answer", "wide"), ("Pumps", "number"), ("From", "")], rows)


def noticed(injections: Any, snapshot: Snapshot, events: pl.DataFrame) -> Piece:
    """Return the table of this session's injections with what was found, and after how long."""
    if not isinstance(injections, list) or not injections:
        return elements.nothing("Inject a fault; here you will see which alarm rose, on which pump and after how long.")
    heads = [
        ("Injected", ""),
        ("Fault", ""),
        ("Severity", "number"),
        ("Pumps", ""),
        ("Noticed", "wide"),
        ("On", "number"),
    ]
    rows = []
    for injection in injections[: detections.MAX_INJECTIONS]:
        seen = detections.told(injection, snapshot.alarms, events)
        pumps = [str(pump) for pump in injection.get("pumps") or []]
        named = (
            [elements.pump_link(pumps[0]), f" and {len(pumps) - 1:,} more" if len(pumps) > 1 else ""] if pumps else ""
        )
        rows.append(
            [
                formatting.moment(injection.get("time")),
                formatting.title(str(injection.get("fault"))),
                formatting.number(injection.get("severity"), 2),
                named,
                _finding(injection, seen, snapshot.health.therapy_ms),
                f"{seen['pumps']:,} of {seen['of']:,}",
            ]
        )
    return elements.table(heads, rows)


def _finding(injection: dict[str, Any], seen: dict[str, Any], now_ms: int) -> Piece:
    injected = int(injection.get("time") or 0)
    if seen["first"] is None:
        return html.Span(
            f"injected {formatting.clock(injected)} → nothing yet after {formatting.span((now_ms - injected) / 1000)}",
            className="muted",
        )
    first = seen["first"]
    said = f"injected {formatting.clock(injected)} → found {formatting.clock(first['raised'])} ({formatting.span(seen['after_s'])}): "
    return html.Span(
        [elements.mark(first["priority"]), said, html.B(formatting.listed(seen["titles"]))], className="priority"
    )
