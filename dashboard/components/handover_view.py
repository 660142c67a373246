"""A handover sheet as a page and on paper."""

from __future__ import annotations

import itertools
from typing import Any, Final

import msgspec
from dash import html

from dashboard import clocks, formatting
from dashboard.components import elements
from dashboard.components.elements import Component
from dashboard.data.handover_files import Kept
from dashboard.data.handover_sheet import ActionLine, AlarmLine, Due, OpenAlarm, Order, Sheet

OLD_DATA_MS: Final = 10_000
"""From this age on, a sheet says how old the data in it is."""
PRINT: Final[dict[str, Any]] = {"data-print": ""}
"""Attribute of a button that prints the page."""


def sheet(shown: Sheet, kept: Kept | None = None) -> Component:
    """Return a sheet; without its kept form it is a draft."""
    return html.Article(
        [
            _head(shown, kept),
            _section("From the one who hands over", html.P(shown.text, className="sheet-text") if shown.text else None),
            _section("What stands, most urgent first", _standing(shown.standing), shown.more.get("standing", 0)),
            _section(
                f"To watch in the next {shown.hours} h, if nothing changes", _due(shown), shown.more.get("due", 0)
            ),
            _section("Shelved", _shelved(shown), shown.more.get("aside", 0)),
            _section("Out of service", _out(shown), shown.more.get("orders", 0)),
            _section("Open notes", _notes(shown.notes), shown.more.get("notes", 0)),
            _section(f"What happened in the last {shown.hours} h", _happened(shown), shown.more.get("happened", 0)),
            _section("What people did", _actions(shown.actions), shown.more.get("actions", 0)),
            _signatures(shown, kept),
        ],
        className="sheet",
    )


def _head(shown: Sheet, kept: Kept | None) -> Component:
    counts = shown.counts
    numbers = ", ".join(
        [
            f"{counts['pumps']:,} pumps: {counts['high']:,} high, {counts['medium']:,} medium, {counts['low']:,} low",
            f"{counts['silent']:,} silent, {counts['normal']:,} normal",
            f"{formatting.count(counts['waiting'], 'unacknowledged alarm')}",
        ]
    )
    old = f" The data was {formatting.span(shown.data_age_ms / 1000)} old." if shown.data_age_ms > OLD_DATA_MS else ""
    speed = "" if shown.speed == 1 else f" Therapy time runs at {formatting.speed(shown.speed)}."
    title = f"Handover sheet {shown.number:,}" if kept else "Handover sheet (draft)"
    return html.Header(
        [
            html.Div(
                [html.Span("Pumpwatch", className="brand"), html.Span("Simulated fleet", className="badge-sim")],
                className="sheet-brand",
            ),
            html.H2(title),
            html.P(f"{formatting.moment(shown.since)} to {formatting.moment(shown.made)}, by {shown.by}."),
            html.P(f"{numbers}.{speed}{old}"),
        ],
        className="sheet-head",
    )


def _section(title: str, content: Component, more: int = 0) -> Component:
    rest = html.P(f"and {formatting.count(more, 'more line')}; see the pages", className="note") if more else None
    body = content if content is not None else elements.nothing("None.")
    return html.Section([html.H3(title), body, rest], className="sheet-part")


def _standing(alarms: list[OpenAlarm]) -> Component:
    rows = []
    for alarm in alarms:
        row = msgspec.structs.asdict(alarm)
        seen = f"by {alarm.acknowledged_by}" if alarm.acknowledged_by else ""
        rows.append(
            [
                _what(alarm.priority, alarm.title),
                _source(row),
                [formatting.moment(alarm.raised_wall), html.Div(clocks.alarm_age(row), className="note")],
                [clocks.deadline(row), html.Div(alarm.action, className="note")],
                [formatting.STATE_WORD.get(alarm.state, alarm.state), html.Div(seen, className="note")],
            ]
        )
    heads = [("Alarm", ""), ("Source", ""), ("Raised", ""), ("Time left, what to do", "wide"), ("State", "")]
    return _table(heads, rows)


def _due(shown: Sheet) -> Component:
    """Return one line for each pump with all that comes due, the soonest first."""
    by_pump: dict[str, list[Due]] = {}
    for one in shown.due:
        by_pump.setdefault(one.pump, []).append(one)
    rows = [
        [elements.pump_link(pump), "; ".join(f"{one.what} {_when(one)}" for one in lines)]
        for pump, lines in by_pump.items()
    ]
    return _table([("Pump", ""), ("What comes due", "wide")], rows)


def _when(one: Due) -> str:
    if one.in_s <= 0:
        late = formatting.span(-one.in_s)
        return "now" if -one.in_s < 60 else clocks.with_here(f"{late} ago", -one.in_s, one.speed)
    return clocks.with_here(f"in {formatting.span(one.in_s)}", one.in_s, one.speed)


def _shelved(shown: Sheet) -> Component:
    rows = [
        [
            _what(alarm.priority, alarm.title),
            _source(msgspec.structs.asdict(alarm)),
            _until(shown.made, alarm.shelved_left_s, alarm.speed or shown.speed),
            f"{alarm.shelved_by or ''}: {alarm.shelved_why or ''}",
        ]
        for alarm in shown.aside
        if alarm.state == "shelved"
    ]
    return _table([("Alarm", ""), ("Source", ""), ("Until", ""), ("By, reason", "wide")], rows)


def _out(shown: Sheet) -> Component:
    alarms = [
        [
            _source(msgspec.structs.asdict(one)),
            one.title,
            "until it is returned to service",
            _by(one.out_by, one.out_wall, one.out_why),
        ]
        for one in shown.aside
        if one.state == "out_of_service"
    ]
    orders = [_order(one, shown) for one in shown.orders]
    return _table([("Source", ""), ("Alarms", ""), ("Until", ""), ("By, reason", "wide")], [*orders, *alarms])


def _order(one: Order, shown: Sheet) -> list[Component]:
    until = "until it is returned to service" if one.left_s is None else _until(shown.made, one.left_s, shown.speed)
    return [html.B(one.subject), one.title or "all", until, _by(one.out_by, one.out_wall, one.out_why)]


def _notes(alarms: list[OpenAlarm]) -> Component:
    rows = [
        [
            _source(msgspec.structs.asdict(one)),
            one.title,
            [one.note, html.Div(f"{one.note_by or ''}, {formatting.moment(one.note_wall)}", className="note")],
        ]
        for one in alarms
    ]
    return _table([("Source", ""), ("Alarm", ""), ("Note", "wide")], rows)


def _happened(shown: Sheet) -> Component:
    median = shown.median_response_ms
    typical = f"; median time to acknowledge {formatting.span(median / 1000)}" if median is not None else ""
    summary = f"{formatting.count(shown.raised, 'alarm')} raised, {shown.acknowledged:,} acknowledged{typical}."
    rows = [_occurrence(one) for one in shown.happened]
    heads = [("Alarm", ""), ("Source", ""), ("Raised", ""), ("Acknowledged", ""), ("Returned", "")]
    return html.Div([html.P(summary), _table(heads, rows)])


def _occurrence(one: AlarmLine) -> list[Component]:
    acknowledged = "not acknowledged"
    if one.acknowledged:
        after = "" if one.response_ms is None else f" after {formatting.span(one.response_ms / 1000)}"
        acknowledged = f"by {one.acknowledged_by or formatting.UNKNOWN}{after}"
    return [
        _what(one.priority, one.title),
        elements.pump_link(one.pump) if one.pump else one.subject,
        formatting.moment(one.raised) if one.raised else "before the journal begins",
        acknowledged,
        formatting.moment(one.returned) if one.returned else "standing",
    ]


def _actions(actions: list[ActionLine]) -> Component:
    rows = [
        [formatting.moment(one.at), formatting.event_kind(one.kind), one.who, one.about, one.text] for one in actions
    ]
    return _table([("Time", ""), ("Action", ""), ("Person", ""), ("About", ""), ("Details", "wide")], rows)


def _signatures(shown: Sheet, kept: Kept | None) -> Component:
    second = kept.taken_over if kept else None
    first = f"{shown.by}, {formatting.timestamp(shown.made)}" if kept else "not signed"
    other = f"{second.who}, {formatting.timestamp(second.at)}" if second else "not signed"
    lines = [("Handed over by", first), ("Taken over by", other)]
    if kept:
        lines.append(("SHA-256 of this sheet", kept.digest))
    pairs = itertools.chain.from_iterable([html.Dt(label), html.Dd(value)] for label, value in lines)
    return html.Section([html.H3("Signatures"), html.Dl(list(pairs), className="sheet-signatures")])


def _what(priority: int | None, title: str) -> Component:
    word = formatting.PRIORITY_WORD.get(priority or 0, "")
    return html.Span([elements.mark(priority), html.B(title), html.Span(word, className="note")], className="priority")


def _source(row: dict[str, Any]) -> Component:
    return elements.pump_link(row["pump"]) if row["pump"] else html.B(row["subject"])


def _until(made: int, left_s: float | None, speed: float) -> str:
    if left_s is None:
        return formatting.UNKNOWN
    return formatting.moment(made + round(1000 * left_s / (speed or 1)))


def _by(who: str | None, at: int | None, why: str | None) -> str:
    since = f" since {formatting.moment(at)}" if at else ""
    return f"{who or formatting.UNKNOWN}{since}: {why or ''}"


def _table(heads: list[tuple[str, str]], rows: list[list[Component]]) -> Component:
    return elements.table(heads, rows) if rows else None
