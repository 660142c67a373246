"""Event log: alarm events and operator actions from the journal, as a table or as one pump's alarm history."""

from __future__ import annotations

from typing import Any, Final

import polars as pl
from dash import html

from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.languages import tr
from dashboard.zones import ZONE

MINUTE_MS: Final = 60_000


def key(events: pl.DataFrame) -> str:
    """Return a text that changes when a log of these events would look different to this viewer."""
    return f"{events.hash_rows().sum()} {events.height} {ZONE.get()}"


def condensed(events: pl.DataFrame, limit: int) -> pl.DataFrame:
    """Return the newest `limit` lines of events: suppressions by one cause within a minute are one line (`many`).

    In a flood the suppressed alarms of one gateway would hide all else.
    """
    events = _without_repetition(events)
    suppressed = (
        pl.col("kind").is_in(["held", "released"]) | (pl.col("kind") == "raised") & pl.col("cause").is_not_null()
    )
    minute = pl.col("at") // MINUTE_MS
    group = pl.when(suppressed).then(pl.format("{}/{}/{}", pl.col("kind"), pl.col("cause").fill_null(""), minute))
    numbered = events.with_row_index("place").with_columns(
        group=pl.coalesce(group, pl.format("{}", pl.col("place").cast(pl.String)))
    )
    lines = numbered.with_columns(many=pl.len().over("group")).unique("group", keep="first", maintain_order=True)
    return lines.drop("place", "group").head(limit)


def table(events: pl.DataFrame, clock: TherapyClock = WALL) -> Component:
    """Return recent events, or lines of `condensed` ones, as a table, newest first.

    A line says when it was recorded here, and its therapy time by `clock`.
    """
    if events.is_empty():
        return elements.nothing(tr("No events yet."))
    heads = [
        (tr("Recorded"), ""),
        (tr("Therapy time"), ""),
        (tr("Event"), ""),
        (tr("Source"), ""),
        (tr("Alarm"), "wide"),
        (tr("User"), ""),
    ]
    rows = [
        [
            formatting.second(event["at"]),
            clocks.therapy_moment(event["time"], clock) if event["time"] else "",
            formatting.event_kind(event["kind"]),
            _source(event) if event.get("many", 1) == 1 else formatting.count(event["many"], "alarm"),
            html.Span(_what(event), className="priority"),
            event["who"] or "",
        ]
        for event in (events if "many" in events.columns else _without_repetition(events)).iter_rows(named=True)
    ]
    return elements.table(heads, rows)


def history(events: pl.DataFrame, clock: TherapyClock = WALL) -> Component:
    """Return the alarm events of one pump, newest first, one line each."""
    if events.is_empty():
        return elements.nothing(tr("No alarms recorded for this pump."))
    return html.Div(
        [_entry(event, clock) for event in _without_repetition(events).iter_rows(named=True)], className="timeline"
    )


def _without_repetition(events: pl.DataFrame) -> pl.DataFrame:
    """Drop suppressions at the moment of raising: the raised entry already says so."""
    raised = events.filter(pl.col("kind") == "raised").select("alarm", "time")
    held = events.filter(pl.col("kind") == "held").join(raised, on=["alarm", "time"], how="semi")
    return events.join(held, on=["alarm", "time", "kind"], how="anti", maintain_order="left")


def _what(event: dict[str, Any]) -> list[Component]:
    """Return what happened; a line of several suppressions names only their cause."""
    if event.get("many", 1) > 1:
        return [
            html.Span((event["text"] or "").rpartition("; ")[2] or tr("no longer suppressed"), className="event-title")
        ]
    return [
        elements.mark(event["priority"]) if event["priority"] else None,
        html.Span(tr(event["title"] or ""), className="event-title"),
        html.Span(event["text"] or "", className="note"),
    ]


def _entry(event: dict[str, Any], clock: TherapyClock) -> Component:
    kind = tr(formatting.KIND_WORD.get(event["kind"], event["kind"]))
    who = tr(" by {who}", who=event["who"]) if event["who"] else ""
    return html.Div(
        [
            html.Div([elements.mark(event["priority"]), html.B(tr(event["title"] or "")), html.Span(f"{kind}{who}")]),
            html.Div(
                " · ".join(filter(None, (clocks.therapy_moment(event["time"], clock), event["text"]))), className="note"
            ),
        ],
        className="entry",
    )


def _source(event: dict[str, Any]) -> Component:
    """Return the source of an entry: a link to its pump, or the name of its subject."""
    if event["pump"]:
        return elements.pump_link(event["pump"])
    return event["subject"] or ""
