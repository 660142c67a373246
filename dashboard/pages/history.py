"""History: every occurrence of an alarm, who acknowledged it and how long that took, by pump, person, rule and time."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, Final

import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from broker.store.snapshot import PRIORITIES
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.components import address, elements, filter_disclosure, history_table, shell
from dashboard.components.elements import Component
from dashboard.data import alarm_history
from dashboard.data.alarm_history import ACKNOWLEDGED, PAGE, PERIODS, ResponseTimes
from dashboard.data.occurrences import Known
from dashboard.data.services import DataService
from dashboard.languages import LANGUAGE, decimal, tr
from dashboard.zones import ZONE

REFRESH_MS: Final = 15_000
MAX_PAGES: Final = 100_000
FILTERS: Final = ("pump", "person", "rule", "priority", "site", "acknowledged", "period", "first", "last")


def layout() -> Component:
    """Return the page; its rows follow at once."""
    pump = dmc.TextInput(id="history-pump", value="", label=tr("Pump or source"), size="xs", debounce=300, w=112)
    tools = [
        dmc.TextInput(id="history-person", value="", label=tr("Person"), size="xs", debounce=300, w=96),
        dmc.Select(id="history-rule", value="", label=tr("Alarm"), data=[_any()], searchable=True, size="xs", w=165),
        dmc.Select(
            id="history-priority",
            value="",
            label=tr("Priority"),
            data=[_any(), *map(_option, PRIORITIES)],
            size="xs",
            w=92,
        ),
        dmc.Select(id="history-site", value="", label=tr("Site"), data=[_any()], searchable=True, size="xs", w=110),
        dmc.Select(
            id="history-acknowledged", value="", label=tr("Acknowledged"), data=_options(ACKNOWLEDGED), size="xs", w=140
        ),
        dmc.Select(id="history-period", value="", label=tr("Time"), data=_options(PERIODS), size="xs", w=118),
        *(
            dmc.DateInput(
                id=f"history-{name}", value="", label=label, valueFormat="YYYY-MM-DD", clearable=True, size="xs", w=104
            )
            for name, label in (("first", tr("From day")), ("last", tr("To day")))
        ),
    ]
    return html.Div(
        [
            html.H1(tr("Alarm history"), className="hidden"),
            dcc.Interval(id="history-beat", interval=REFRESH_MS),
            dcc.Store(id="history-key"),
            dcc.Download(id="history-file"),
            elements.card(
                tr("Alarm history"),
                html.Div([pump, *filter_disclosure.folded("history", tools)], className="history-filters"),
                html.Div(id="history-figures", className="measures history-figures", role="status"),
                html.Div(id="history-rows", className="history-rows"),
                html.Div(
                    [
                        dmc.Pagination(id="history-page", value=1, total=1, size="sm", withControls=False),
                        html.Span(id="history-note", className="note"),
                    ],
                    className="history-pages",
                ),
                side=html.Button(tr("Export CSV"), id="history-export", className="button"),
                name="history-page-card",
            ),
        ],
        className="column",
    )


def _any() -> dict[str, str]:
    return {"value": "", "label": tr("Any")}


def _option(name: str) -> dict[str, str]:
    return {"value": name, "label": tr(name).capitalize()}


def _options(labels: dict[str, str]) -> list[dict[str, str]]:
    return [{"value": value, "label": tr(label)} for value, label in labels.items()]


def register(app: Dash, data: DataService) -> None:
    """Add the page: occurrences by filter, page by page; it follows the journal."""
    shell.add_page(__name__, name="History", path="/history", order=6, layout=layout)
    wires = [f"history-{name}" for name in FILTERS]
    bound = {name: address.text(f"history-{name}") for name in FILTERS}
    allowed = {"priority": ("", *PRIORITIES), "acknowledged": tuple(ACKNOWLEDGED), "period": tuple(PERIODS)}
    bound |= {name: address.choice(f"history-{name}", values, step=True) for name, values in allowed.items()}
    bound["page"] = address.whole("history-page", 1, MAX_PAGES, default=1, step=True)
    address.bind(app, "/history", bound)
    filter_disclosure.register(app, "history", *wires[1:])

    @app.callback(
        Output("history-rows", "children"),
        Output("history-figures", "children"),
        Output("history-note", "children"),
        Output("history-page", "total"),
        Output("history-rule", "data"),
        Output("history-site", "data"),
        Output("history-key", "data"),
        *[Input(name, "value") for name in wires],
        Input("history-page", "value"),
        Input("history-beat", "n_intervals"),
        State("history-key", "data"),
    )
    async def show(*given: Any) -> Any:
        key = f"{given[: len(FILTERS) + 1]} {ZONE.get()} {LANGUAGE.get().code}"
        try:
            shown, last = await asyncio.to_thread(render, data, given)
        except sqlite3.Error as error:
            return no_update, no_update, tr("The journal cannot be read now: {error}.", error=error), *[no_update] * 4
        if ctx.triggered_id == "history-beat" and f"{key} {last}" == given[-1]:
            raise PreventUpdate
        return *shown, f"{key} {last}"

    address.begin(app, Output("history-page", "value"), *[Input(name, "value") for name in wires])

    @app.callback(
        Output("history-file", "data"),
        Output("notices", "sendNotifications", allow_duplicate=True),
        Input("history-export", "n_clicks"),
        *[State(name, "value") for name in wires],
        prevent_initial_call=True,
    )
    async def export(clicks: int | None, *given: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        return await exported(data, given)


def render(data: DataService, given: tuple[Any, ...]) -> tuple[tuple[Any, ...], int]:
    """Return the parts of the page for the values of its controls, and the last journal entry that they show."""
    known = data.occurrences.known()
    found = chosen(data, known, given)
    pages = max(1, -(-found.height // PAGE))
    at = given[len(FILTERS)]
    page = min(max(1, at if isinstance(at, int) else 1), pages)
    rows = alarm_history.sited(found.slice((page - 1) * PAGE, PAGE), places(data))
    sites = data.snapshot().table.facts["site"].cast(pl.String).unique().drop_nulls().sort()
    parts = (
        history_table.shown(rows),
        figures(alarm_history.response_times(found)),
        note(known, found.height, page, pages),
        pages,
        [_any(), *_titled(alarm_history.rules(known.found))],
        [_any(), *({"value": site, "label": site} for site in sites)],
    )
    return parts, 0 if known.entries.is_empty() else int(known.entries["id"][-1])


def _titled(rules: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**option, "label": tr(option["label"])} for option in rules]


def chosen(data: DataService, known: Known, given: tuple[Any, ...]) -> pl.DataFrame:
    """Return the occurrences for the values of the page's controls, newest first."""
    values = dict(zip(FILTERS, given, strict=False))
    return alarm_history.matching(known.found, alarm_history.filter_of(values, data.now(), ZONE.get()), places(data))


def places(data: DataService) -> pl.DataFrame:
    """Return the `site` of each `pump` that is known now."""
    return data.snapshot().table.facts.select(pl.col("pump", "site").cast(pl.String))


async def exported(data: DataService, given: tuple[Any, ...]) -> tuple[Any, list[dict[str, Any]]]:
    """Return the file and a notice; an export that cannot be recorded in the audit log is not made."""
    known = await asyncio.to_thread(data.occurrences.known)
    found = await asyncio.to_thread(chosen, data, known, given)
    text, fit = await asyncio.to_thread(alarm_history.csv, found, places(data))
    words = alarm_history.filter_of(dict(zip(FILTERS, given, strict=False)), data.now(), ZONE.get()).words()
    if not await data.audit.record("exported", VISITOR.get(), f"alarm history, {fit:,} occurrences: {words}"):
        notice = tr("Not exported: the export cannot be recorded in the audit log; see the dashboard's log.")
        return no_update, [elements.notice(notice, good=False)]
    exported = tr("Exported {alarms}.", alarms=formatting.count(fit, "alarm"))
    older = decimal(found.height - fit)
    rest = f" {tr('{count} older ones do not fit, choose a shorter time.', count=older)}" if fit < found.height else ""
    file = {"content": text, "filename": f"alarm-history-{data.now()}.csv", "type": "text/csv"}
    return file, [elements.notice(f"{exported}{rest}", good=True)]


def figures(found: ResponseTimes) -> list[Component]:
    """Return how many alarms there were and how long people took."""
    waited = found.alarms - found.suppressed
    return [
        elements.fact(
            tr("Alarms"),
            decimal(found.alarms),
            note=tr("{count} suppressed throughout", count=decimal(found.suppressed)),
        ),
        elements.fact(
            tr("Acknowledged"), decimal(found.acknowledged), note=tr("of {count} annunciated", count=decimal(waited))
        ),
        *(
            elements.fact(title, elements.quantity(formatting.span(seconds)), note=tr("wall-clock time"))
            for title, seconds in (
                (tr("Median time to acknowledge"), found.median_s),
                (tr("p95 time to acknowledge"), found.p95_s),
            )
        ),
    ]


def note(known: Known, count: int, page: int, pages: int) -> str:
    """Return which of the alarms are shown, and since when the journal was looked at if that is not all of it."""
    back = tr("The journal was searched back to {moment}.", moment=formatting.moment(known.since))
    alarms = formatting.count(count, "alarm")
    at = tr("{alarms}, page {page} of {pages}.", alarms=alarms, page=decimal(page), pages=decimal(pages))
    return at if known.complete else f"{at} {back}"
