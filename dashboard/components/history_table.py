"""Table of the page History: one line for each occurrence of an alarm."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from dash import html

from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.languages import tr, tr_later

HEADS: Final = [
    (tr_later("Raised"), ""),
    (tr_later("Alarm"), "wide"),
    (tr_later("Source"), ""),
    (tr_later("Site"), "wrap"),
    (tr_later("Acknowledged after"), "number"),
    (tr_later("By"), "wrap"),
    (tr_later("Shelved"), "wrap"),
    (tr_later("Lasted (therapy time)"), "number"),
]


def shown(rows: pl.DataFrame) -> Component:
    """Return occurrences as a table, newest first."""
    if rows.is_empty():
        return elements.nothing(tr("No alarms were raised for this choice."))
    heads = [(tr(title), name) for title, name in HEADS]
    return elements.table(heads, [_cells(row) for row in rows.iter_rows(named=True)], name="history-table")


def _cells(row: dict[str, Any]) -> list[Component]:
    acknowledged = row["response_ms"] is not None
    waiting = tr("suppressed") if row["shown"] is None else tr("not acknowledged")
    after = formatting.span(row["response_ms"] / 1000) if acknowledged else html.Span(waiting, className="muted")
    shelved = tr("{time} by {who}", time=formatting.clock(row["shelved"]), who=row["shelved_by"])
    return [
        html.Span(formatting.timestamp(row["raised"]), className="tabular"),
        html.Span([elements.mark(row["priority"]), tr(row["title"])], className="priority"),
        elements.pump_link(row["pump"]) if row["pump"] else row["subject"],
        row["site"] or "",
        html.Span(after, title=formatting.timestamp(row["acknowledged"]) if acknowledged else None),
        row["acknowledged_by"] or "",
        tr("out of service") if row["out"] else shelved if row["shelved"] else "",
        tr("standing") if row["returned"] is None else formatting.span((row["lasted_ms"] or 0) / 1000),
    ]
