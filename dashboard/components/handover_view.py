"""A handover sheet as a page and on paper."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from dash import html

from dashboard import clocks, formatting
from dashboard.components import elements, handover_head
from dashboard.components.elements import Component
from dashboard.data.handover_files import Kept
from dashboard.data.handover_sheet import ActionLine, AlarmLine, Due, OpenAlarm, Order, Sheet
from dashboard.languages import decimal, tr, tr_later, tr_sentence

ABOUT: Final = (tr_later("{pump} and {count} more"),)
"""How a sheet says that an action was about several pumps."""
PRINT: Final[dict[str, Any]] = {"data-print": ""}
"""Attribute of a button that prints the page."""


def sheet(shown: Sheet, kept: Kept | None = None) -> Component:
    """Return a sheet; without its kept form it is a draft."""
    return html.Article(
        [
            handover_head.head(shown, kept),
            _section(
                tr("From the one who hands over"), html.P(shown.text, className="sheet-text") if shown.text else None
            ),
            _section(tr("What stands, most urgent first"), _standing(shown.standing), shown.more.get("standing", 0)),
            _section(
                tr("To watch in the next {hours} h, if nothing changes", hours=shown.hours),
                _due(shown),
                shown.more.get("due", 0),
            ),
            _section(tr("Shelved"), _shelved(shown), shown.more.get("aside", 0)),
            _section(tr("Out of service"), _out(shown), shown.more.get("orders", 0)),
            _section(tr("Open notes"), _notes(shown.notes), shown.more.get("notes", 0)),
            _section(
                tr("What happened in the last {hours} h", hours=shown.hours),
                _happened(shown),
                shown.more.get("happened", 0),
            ),
            _section(tr("What people did"), _actions(shown.actions), shown.more.get("actions", 0)),
            handover_head.signatures(shown, kept),
        ],
        className="sheet",
    )


def _section(title: str, content: Component, more: int = 0) -> Component:
    lines = formatting.count(more, "more line")
    rest = html.P(tr("and {lines}; see the pages", lines=lines), className="note") if more else None
    body = content if content is not None else elements.nothing(tr("None."))
    return html.Section([html.H3(title), body, rest], className="sheet-part")


def _standing(alarms: list[OpenAlarm]) -> Component:
    rows = []
    for alarm in alarms:
        row = msgspec.structs.asdict(alarm)
        seen = tr("by {who}", who=alarm.acknowledged_by) if alarm.acknowledged_by else ""
        rows.append(
            [
                _what(alarm.priority, alarm.title),
                _source(row),
                [formatting.moment(alarm.raised_wall), html.Div(clocks.alarm_age(row), className="note")],
                [clocks.deadline(row), html.Div(tr(alarm.action or ""), className="note")],
                [tr(formatting.STATE_WORD.get(alarm.state, alarm.state)), html.Div(seen, className="note")],
            ]
        )
    titles = (tr("Alarm"), tr("Source"), tr("Raised"), tr("Time left, what to do"), tr("State"))
    return _table(list(zip(titles, ("", "", "", "wide", ""), strict=True)), rows)


def _due(shown: Sheet) -> Component:
    """Return one line for each pump with all that comes due, the soonest first."""
    by_pump: dict[str, list[Due]] = {}
    for one in shown.due:
        by_pump.setdefault(one.pump, []).append(one)
    rows = [
        [elements.pump_link(pump), "; ".join(f"{tr(one.what)} {_when(one)}" for one in lines)]
        for pump, lines in by_pump.items()
    ]
    return _table([(tr("Pump"), ""), (tr("What comes due"), "wide")], rows)


def _when(one: Due) -> str:
    if one.in_s <= 0:
        late = tr("{duration} ago", duration=formatting.span(-one.in_s))
        return tr("now") if -one.in_s < 60 else clocks.with_here(late, -one.in_s, one.speed)
    return clocks.with_here(tr("in {duration}", duration=formatting.span(one.in_s)), one.in_s, one.speed)


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
    return _table([(tr("Alarm"), ""), (tr("Source"), ""), (tr("Until"), ""), (tr("By, reason"), "wide")], rows)


def _out(shown: Sheet) -> Component:
    alarms = [
        [
            _source(msgspec.structs.asdict(one)),
            tr(one.title),
            tr("until it is returned to service"),
            _by(one.out_by, one.out_wall, one.out_why),
        ]
        for one in shown.aside
        if one.state == "out_of_service"
    ]
    orders = [_order(one, shown) for one in shown.orders]
    return _table(
        [(tr("Source"), ""), (tr("Alarms"), ""), (tr("Until"), ""), (tr("By, reason"), "wide")], [*orders, *alarms]
    )


def _order(one: Order, shown: Sheet) -> list[Component]:
    forever = tr("until it is returned to service")
    until = forever if one.left_s is None else _until(shown.made, one.left_s, shown.speed)
    return [
        html.B(one.subject),
        tr(one.title) if one.title else tr("all"),
        until,
        _by(one.out_by, one.out_wall, one.out_why),
    ]


def _notes(alarms: list[OpenAlarm]) -> Component:
    rows = [
        [
            _source(msgspec.structs.asdict(one)),
            tr(one.title),
            [one.note, html.Div(f"{one.note_by or ''}, {formatting.moment(one.note_wall)}", className="note")],
        ]
        for one in alarms
    ]
    return _table([(tr("Source"), ""), (tr("Alarm"), ""), (tr("Note"), "wide")], rows)


def _happened(shown: Sheet) -> Component:
    median = shown.median_response_ms
    alarms, acknowledged = formatting.count(shown.raised, "alarm"), decimal(shown.acknowledged)
    summary = tr("{alarms} raised, {acknowledged} acknowledged.", alarms=alarms, acknowledged=acknowledged)
    if median is not None:
        summary += f" {tr('Median time to acknowledge: {duration}.', duration=formatting.span(median / 1000))}"
    rows = [_occurrence(one) for one in shown.happened]
    titles = (tr("Alarm"), tr("Source"), tr("Raised"), tr("Acknowledged"), tr("Returned"))
    return html.Div([html.P(summary), _table([(title, "") for title in titles], rows)])


def _occurrence(one: AlarmLine) -> list[Component]:
    acknowledged = tr("not acknowledged")
    if one.acknowledged:
        who = one.acknowledged_by or tr(formatting.UNKNOWN)
        acknowledged = tr("by {who}", who=who)
        if one.response_ms is not None:
            acknowledged = tr("by {who} after {duration}", who=who, duration=formatting.span(one.response_ms / 1000))
    return [
        _what(one.priority, one.title),
        elements.pump_link(one.pump) if one.pump else one.subject,
        formatting.moment(one.raised) if one.raised else tr("before the journal begins"),
        acknowledged,
        formatting.moment(one.returned) if one.returned else tr("standing"),
    ]


def _actions(actions: list[ActionLine]) -> Component:
    rows = [
        [
            formatting.moment(one.at),
            formatting.event_kind(one.kind),
            one.who,
            tr_sentence(one.about, ABOUT),
            _titled(one.text),
        ]
        for one in actions
    ]
    titles = (tr("Time"), tr("Action"), tr("Person"), tr("About"), tr("Details"))
    return _table(list(zip(titles, ("", "", "", "", "wide"), strict=True)), rows)


def _titled(text: str) -> str:
    """Return the text of an entry, which begins with a title if it is about a rule."""
    title, colon, rest = text.partition(": ")
    return f"{tr(title)}{colon}{rest}"


def _what(priority: int | None, title: str) -> Component:
    word = tr(formatting.PRIORITY_WORD.get(priority or 0, ""))
    return html.Span(
        [elements.mark(priority), html.B(tr(title)), html.Span(word, className="note")], className="priority"
    )


def _source(row: dict[str, Any]) -> Component:
    return elements.pump_link(row["pump"]) if row["pump"] else html.B(row["subject"])


def _until(made: int, left_s: float | None, speed: float) -> str:
    if left_s is None:
        return tr(formatting.UNKNOWN)
    return formatting.moment(made + round(1000 * left_s / (speed or 1)))


def _by(who: str | None, at: int | None, why: str | None) -> str:
    since = f" {tr('since {time}', time=formatting.moment(at))}" if at else ""
    return f"{who or tr(formatting.UNKNOWN)}{since}: {why or ''}"


def _table(heads: list[tuple[str, str]], rows: list[list[Component]]) -> Component:
    return elements.table(heads, rows) if rows else None
