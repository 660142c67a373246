"""What is due as a list, a month, a week, and as sheets to print."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any, Final

import polars as pl
from dash import html

from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.components import elements, rule_texts
from dashboard.components.elements import Component
from dashboard.data import refill_days
from dashboard.data.refill_days import Agenda
from dashboard.data.refill_files import REASONS, needs
from dashboard.data.refills import KINDS
from dashboard.languages import decimal, shown_date, tr, tr_later, tr_n

MAX_A_DAY: Final = 12
"""Pumps of one day in the week's view; the day's list has all."""
MAX_PRINTED: Final = 500
MARK: Final = tr_later("Simulated fleet. Not for clinical use.")
HEADS: Final = (
    tr_later("By", context="date"),
    tr_later("Pump"),
    tr_later("Task"),
    tr_later("Clinic day"),
    tr_later("Latest safe date"),
    tr_later("Left that day"),
    tr_later("Site"),
    tr_later("Worst alarm"),
)
EMPTY: Final = tr_later("Nothing is due here. Choose a longer time, or another site.")
NO_PUMPS: Final = tr_later("No pump has reported yet. Refills appear here with the first forecasts.")


def written(day: date | None, *, weekday: bool = False) -> str:
    """Return a date: "16 Feb 2026", or "Mon 16 Feb 2026"."""
    if day is None:
        return tr(formatting.UNKNOWN)
    return shown_date(day, "yMMMEd" if weekday else "yMMMd")


def table(snapshot: Snapshot, tasks: pl.DataFrame, today: date) -> Component:
    """Return tasks as a table, which narrow screens show as cards."""
    rows, heads = refill_days.details(snapshot, tasks).iter_rows(named=True), [_head(title) for title in HEADS]
    body = [
        html.Tr(
            [html.Td(cell, **rule_texts.label(head)) for head, cell in zip(heads, _cells(row, today), strict=True)],
            className="overdue" if row["overdue"] else "",
        )
        for row in rows
    ]
    head = html.Thead(html.Tr([html.Th(title, scope="col") for title in heads]))
    return html.Div(html.Table([head, html.Tbody(body)]), className="table cards refill-table")


def _head(title: str) -> str:
    return tr("By", context="date") if title == "By" else tr(title)


def _cells(row: dict[str, Any], today: date) -> list[Component]:
    return [
        _two(_by(row), _why(row, today)),
        elements.pump_link(row["pump"]),
        _two(html.B(tr(KINDS[row["kind"]])), needs(row)),
        _day(row),
        written(row["latest_day"]) if row["by_day"] else "",
        formatting.number(row["left_ml"], 1, "mL") if row["left_ml"] is not None else "",
        row["site"] or tr(formatting.UNKNOWN),
        _alarm(row),
    ]


def click(name: str, value: str) -> dict[str, Any]:
    """Return the attribute of a button that chooses a `span` or a `day` of the list."""
    return {f"data-refill-{name}": value}


def _two(first: Component, second: Component) -> Component:
    return html.Div([html.Div(first), html.Div(second, className="note")])


def _by(row: dict[str, Any]) -> Component:
    if row["by_day"] is None:
        return html.B(tr("no date"))
    if row["overdue"]:
        return html.B(tr("overdue"), className="overdue-word")
    return html.B(written(row["by_day"]))


def _why(row: dict[str, Any], today: date) -> str:
    reason = tr(REASONS[row["reason"]])
    if row["by_day"] is None:
        return reason
    days = (row["by_day"] - today).days
    ahead = tr_n("in {count} day", "in {count} days", days) if days > 0 else tr("today")
    when = ahead
    if days < 0 or row["overdue"]:
        when = tr("since {time}", time=written(row["by_day"]) if days < 0 else tr("today"))
    middle = row["middle"]
    if middle is None or (row["overdue"] and row["late"] == middle):
        return f"{when} · {reason}"
    first, likely, last = (_date(row[edge], today) for edge in ("early", "middle", "late"))
    between = "" if first == likely == last else f" ({tr('{first} to {last}', first=first, last=last)})"
    return f"{when} · {reason} {likely}{between}"


def _date(ms: int | None, today: date) -> str:
    """Return a date, without its year if that is today's."""
    if ms is None:
        return tr("later")
    day = refill_days.local_date(ms)
    return shown_date(day, "MMMd") if day.year == today.year else written(day)


def _day(row: dict[str, Any]) -> Component:
    if row["day"] is None:
        return ""
    late = html.Div(tr("after the latest safe date"), className="overdue-word") if row["after_latest"] else None
    return html.Div([html.Div(written(row["day"], weekday=True)), late])


def _alarm(row: dict[str, Any]) -> Component:
    if not row["priority"]:
        return ""
    return html.Span([elements.mark(row["priority"]), tr(row["alarm"] or "")], className="priority")


def month(agenda: Agenda, ahead: int) -> tuple[str, Component]:
    """Return the name of a month and its days, each with what is due on that clinic day."""
    first, last = refill_days.month_of(agenda.today, ahead)
    counted = refill_days.by_day(agenda.tasks, first, last)
    monday = first - timedelta(days=first.weekday())
    weeks = -(-((last - monday).days + 1) // 7)
    days = [monday + timedelta(days=at) for at in range(7 * weeks)]
    cells = [_cell(day, counted.get(day, {}), agenda.today, inside=first <= day <= last) for day in days]
    heads = [html.Div(shown_date(day, "E"), className="day-head") for day in days[:7]]
    return shown_date(first, "yMMMM"), html.Div([*heads, *cells], className="refill-month")


def _cell(day: date, counted: dict[str, int], today: date, *, inside: bool) -> Component:
    parts = [html.Span(_counted(kind, counted[kind]), className=f"due {kind}") for kind in KINDS if counted.get(kind)]
    if counted.get("overdue"):
        parts.append(
            html.Span(tr("{overdue} overdue", overdue=decimal(counted["overdue"])), className="due overdue-word")
        )
    name = "day" + (" other" if not inside else "") + (" today" if day == today else "") + ("" if parts else " free")
    number = html.Span(
        [html.Span(f"{shown_date(day, 'E')} ", className="day-name"), f"{day.day}"], className="day-number"
    )
    if not parts or not inside:
        return html.Div([number], className=name)
    listing = tr("List {day}", day=shown_date(day, "MMMd"))
    return html.Button([number, *parts], className=name, title=listing, **click("day", day.isoformat()))


def _counted(kind: str, many: int) -> list[Component]:
    """Return a count with its noun, the number bold, wherever the language has it."""
    noun = formatting.count(many, "refill") if kind == "refill" else formatting.count(many, "replacement")
    before, number, after = noun.partition(decimal(many))
    return [before, html.B(number), after]


def week(snapshot: Snapshot, agenda: Agenda, ahead: int) -> tuple[str, Component]:
    """Return the name of a week and its days, each with the pumps of that clinic day."""
    monday, sunday = refill_days.week_of(agenda.today + timedelta(days=7 * ahead))
    within = agenda.tasks.filter(pl.col("day").is_between(monday, sunday))
    days = []
    for day in (monday + timedelta(days=at) for at in range(7)):
        found = within.filter(pl.col("day") == day)
        shown = refill_days.details(snapshot, found.head(MAX_A_DAY)).iter_rows(named=True)
        items = [_item(row) for row in shown]
        if found.height:
            text = tr("List all {count}", count=decimal(found.height)) if found.height > MAX_A_DAY else tr("List")
            items.append(html.Button(text, className="button", **click("day", day.isoformat())))
        mark = " today" if day == agenda.today else ""
        head = html.H3([shown_date(day, "MMMEd"), html.Span(decimal(found.height), className="nav-count")])
        days.append(html.Div([head, *items], className=f"week-day{mark}" + ("" if items else " free")))
    return tr("{first} to {last}", first=written(monday), last=written(sunday)), html.Div(days, className="refill-week")


def _item(row: dict[str, Any]) -> Component:
    late = html.Span(tr("overdue"), className="overdue-word") if row["overdue"] else None
    parts = [elements.pump_link(row["pump"]), html.Span(tr(KINDS[row["kind"]])), html.Span(row["site"] or ""), late]
    return html.Div(parts, className="week-item")


def sheets(snapshot: Snapshot, tasks: pl.DataFrame) -> list[Component]:
    """Return a sheet to print for each clinic day and site, at most `MAX_PRINTED` pumps, the soonest first."""
    dated = tasks.filter(pl.col("day").is_not_null())
    found = refill_days.details(snapshot, dated.head(MAX_PRINTED)).sort("day", "site", "pump", nulls_last=True)
    texts = {"first": decimal(MAX_PRINTED), "many": decimal(dated.height)}
    cut = tr("Only the first {first} of {many} are printed.", **texts) if dated.height > MAX_PRINTED else ""
    pages = found.partition_by("day", "site", maintain_order=True)
    return [_sheet(page, cut) for page in pages] or [html.P(tr("Nothing to print: nothing here has a date."))]


def _sheet(page: pl.DataFrame, cut: str) -> Component:
    first = page.row(0, named=True)
    heads = [
        (tr("Pump"), ""),
        (tr("Task"), ""),
        (tr("Needs"), ""),
        (tr("By", context="date"), ""),
        (tr("Latest safe date"), ""),
        (tr("Left that day"), "number"),
        (tr("Worst alarm"), "wide"),
        (tr("Done"), ""),
    ]
    rows = [
        [
            row["pump"],
            tr(KINDS[row["kind"]]),
            needs(row),
            tr("overdue") if row["overdue"] else written(row["by_day"]),
            written(row["latest_day"]),
            formatting.number(row["left_ml"], 1, "mL") if row["left_ml"] is not None else "",
            tr(row["alarm"] or ""),
            "☐",
        ]
        for row in page.iter_rows(named=True)
    ]
    return html.Section(
        [
            html.H2(
                f"{first['site'] or tr('Site unknown')}: {shown_date(first['day'], 'EEEE')} {written(first['day'])}"
            ),
            html.P(f"{tr(MARK)} {tr('Therapy dates.')} {formatting.count(page.height, 'appointment')}. {cut}"),
            elements.table(heads, rows),
        ],
        className="sheet",
    )
