"""Responses of the gateways to commands, and detections of injected faults."""

from __future__ import annotations

from typing import Any

import polars as pl
from dash import html

from broker.contract.commands import Reply
from broker.store.snapshot import Snapshot
from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.data import detections, queries
from dashboard.data.fleet_clock import therapy_clock


def responses(replies: list[Reply], clock: TherapyClock = WALL) -> Component:
    """Return the responses of the gateways as a table."""
    rows = [
        [
            html.Span("done" if reply.ok else "failed", className="tag" if reply.ok else "tag bad"),
            reply.gateway or "dashboard",
            reply.text,
            f"{reply.pumps:,}" if reply.ok else "",
            clocks.therapy_moment(reply.time, clock) if reply.time else "",
        ]
        for reply in replies[:50]
    ]
    return elements.table(
        [("", ""), ("Gateway", ""), ("Response", "wide"), ("Pumps", "number"), ("Effective from", "")], rows
    )


def detected(injections: Any, snapshot: Snapshot, events: pl.DataFrame) -> Component:
    """Return the table of this session's injections with their detections and times to detect."""
    if not isinstance(injections, list) or not injections:
        return elements.nothing("Inject a fault to see which alarm detects it, on which pumps and how soon.")
    heads = [
        ("Injected", ""),
        ("Fault", ""),
        ("Severity", "number"),
        ("Pumps", ""),
        ("Detection", "wide"),
        ("Detected on", "number"),
    ]
    rows, clock = [], therapy_clock(snapshot)
    for injection in injections[: detections.MAX_INJECTIONS]:
        detection = detections.summary(injection, snapshot.alarms, events)
        pumps = [str(pump) for pump in injection.get("pumps") or []]
        links = (
            [elements.pump_link(pumps[0]), f" and {len(pumps) - 1:,} more" if len(pumps) > 1 else ""] if pumps else ""
        )
        rows.append(
            [
                clocks.therapy_moment(injection.get("time"), clock),
                formatting.title(str(injection.get("fault"))),
                formatting.number(injection.get("severity"), 2),
                links,
                _detection(injection, detection, _now(snapshot, pumps), clock),
                f"{detection['pumps']:,} of {detection['of']:,}",
            ]
        )
    return elements.table(heads, rows)


def _now(snapshot: Snapshot, pumps: list[str]) -> int:
    return queries.therapy_now(snapshot, queries.pump_row(snapshot, pumps[0]) if pumps else None)


def _detection(injection: dict[str, Any], detection: dict[str, Any], now_ms: int, clock: TherapyClock) -> Component:
    injected = int(injection.get("time") or 0)
    first = detection["first"]
    if first is None:
        waited_s = (now_ms - injected) / 1000
        waited = clocks.with_here(formatting.since(waited_s), waited_s, clock.speed)
        return html.Span(f"injected {formatting.clock(injected)} → pending {waited}", className="muted")
    times = f"injected {formatting.clock(injected)} → detected {formatting.clock(first['raised'])}"
    after_s = detection["after_s"]
    after = f", {clocks.with_here(formatting.span(after_s), after_s, clock.speed)}: "
    titles = html.B(formatting.listed(detection["titles"]))
    return html.Span([elements.mark(first["priority"]), times + after, titles], className="priority")
