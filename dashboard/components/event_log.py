"""This file says what happened to alarms, and who did what: the entries of the journal as a table."""

from __future__ import annotations

from typing import Any

import polars as pl
from dash import html

from dashboard import formatting
from dashboard.components import elements
from dashboard.components.elements import Piece


def happened(events: pl.DataFrame) -> Piece:
    """Return the table of recent events, newest first."""
    if events.is_empty():
        return elements.nothing("Nothing has happened yet.")
    heads = [("At", ""), ("Therapy time", ""), ("What", ""), ("About", ""), ("Alarm", "wide"), ("Who", "")]
    rows = [
        [
            formatting.second(event["at"]),
            formatting.moment(event["time"]) if event["time"] else "",
            formatting.title(formatting.KIND_WORD.get(event["kind"], event["kind"])),
            _about(event),
            html.Span(
                [
                    elements.mark(event["priority"]) if event["priority"] else None,
                    event["title"],
                    html.Span(event["text"] or "", className="note"),
                ],
                className="priority",
            ),
            event["who"] or "",
        ]
        for event in _brief(events).iter_rows(named=True)
    ]
    return elements.table(heads, rows)


def past(events: pl.DataFrame) -> Piece:
    """Return what happened to the alarms of one pump, newest first, a line an entry."""
    if events.is_empty():
        return elements.nothing("This pump has had no alarm.")
    return html.Div([_entry(event) for event in _brief(events).iter_rows(named=True)], className="happenings")


def _brief(events: pl.DataFrame) -> pl.DataFrame:
    """Leave out that an alarm was held where its raising says so already."""
    raised = events.filter(pl.col("kind") == "raised").select("alarm", "time")
    held = events.filter(pl.col("kind") == "held").join(raised, on=["alarm", "time"], how="semi")
    return events.join(held, on=["alarm", "time", "kind"], how="anti", maintain_order="left")


def _entry(event: dict[str, Any]) -> Piece:
    kind = formatting.KIND_WORD.get(event["kind"], event["kind"])
    who = f" by {event['who']}" if event["who"] else ""
    return html.Div(
        [
            html.Div([elements.mark(event["priority"]), html.B(event["title"]), html.Span(f"{kind}{who}")]),
            html.Div(" · ".join(filter(None, (formatting.moment(event["time"]), event["text"]))), className="note"),
        ],
        className="happening",
    )


def _about(event: dict[str, Any]) -> Piece:
    """Return what an entry is about: a link to its pump, or the name of its subject."""
    if event["pump"]:
        return elements.pump_link(event["pump"])
    return event["subject"] or ""
