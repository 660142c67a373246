"""Alarm KPI: the figures of the page Alarm health against their targets (ISA-18.2, EEMUA 191), as rows for export."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

import polars as pl

from broker.store.snapshot import Snapshot
from dashboard.data import alarm_performance, fleet_clock
from dashboard.data.alarm_performance import Report

MAX_EVENTS: Final = 50_000
"""Journal entries that are counted, the newest."""
MAX_OPERATORS: Final = 1_000
FIELDS: Final = ("name", "value", "unit", "target", "within_target", "note")
"""Fields of a row. `within_target` is null if there is too little data to judge."""


def measured(events: pl.DataFrame, snapshot: Snapshot, operators: int) -> Report:
    """Return the performance of the alarm system per operator; `events` are journal entries, newest first."""
    moved = fleet_clock.on_fleet_clock(events, snapshot)
    return alarm_performance.report(moved, now_of(moved, snapshot), operators)


def now_of(events: pl.DataFrame, snapshot: Snapshot) -> int:
    """Return the therapy time (ms) up to which entries on the fleet's clock are counted."""
    latest = events["time"].max()
    return max(fleet_clock.fleet_clock(snapshot).therapy_ms, latest if isinstance(latest, int) else 0)


def rows(report: Report) -> list[dict[str, Any]]:
    """Return a row (`FIELDS`) per figure."""
    return [
        {
            "name": metric.name,
            "value": None if metric.value is None else round(metric.value, 4),
            "unit": metric.unit,
            "target": metric.target,
            "within_target": metric.good,
            "note": metric.note,
        }
        for metric in report.metrics
    ]


def summary(report: Report, operators: int) -> dict[str, Any]:
    """Return the report for JSON: the figures, how long they cover, and the most frequent alarms."""
    return {
        "operators": operators,
        "therapy_hours": round(report.span_ms / 3_600_000, 3),
        "annunciated": report.annunciated,
        "figures": rows(report),
        "most_frequent": report.actors.select("subject", "title", "priority", "alarms", "share").to_dicts(),
    }


def csv_text(report: Report) -> str:
    """Return the figures as CSV; unknown is empty."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(FIELDS)
    words = {True: "yes", False: "no", None: ""}
    for row in rows(report):
        writer.writerow([words[row[name]] if name == "within_target" else row[name] for name in FIELDS])
    return out.getvalue()
