"""Refills: what needs refilling or replacing, overdue first, as a list, by clinic day, on paper and in calendars."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, Final

from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import formatting
from dashboard.access.proxies import path_of
from dashboard.components import (
    address,
    client_script,
    elements,
    refill_controls,
    refill_routes,
    refill_settings,
    refill_views,
    shell,
)
from dashboard.components.elements import Component
from dashboard.data import refill_days, refill_files
from dashboard.data.clinic_days import ClinicDays, ClinicDaysError
from dashboard.data.fleet_clock import fleet_clock
from dashboard.data.refill_days import SPANS, VIEWS, choice_of
from dashboard.data.refills import KINDS
from dashboard.data.services import DataService
from dashboard.languages import decimal, tr
from dashboard.zones import ZONE

REFRESH_MS: Final = 10_000
SPAN: Final = "30"
MAX_AHEAD: Final = 100_000
"""Pages of the list, months or weeks; fewer where there are fewer."""


def layout() -> Component:
    """Return the page; its list follows at once and is renewed every ten seconds."""
    return html.Div(
        [
            html.H1(tr("Refills"), className="hidden"),
            dcc.Interval(id="refill-beat", interval=REFRESH_MS),
            dcc.Store(id="refill-span", data=SPAN),
            dcc.Store(id="refill-day"),
            dcc.Store(id="refill-place", data=0),
            dcc.Store(id="refill-key"),
            elements.card(
                tr("Refills and replacements"),
                html.Div(
                    refill_controls.spans(), className="chips", role="group", **client_script.label(tr("Time ahead"))
                ),
                html.Div(
                    [
                        html.Button(tr("Earlier"), id="refill-earlier", className="button"),
                        html.Button(tr("Later"), id="refill-later", className="button"),
                        html.Span(id="refill-title", className="refill-title", role="status"),
                        html.Div(refill_controls.files(), className="refill-files"),
                    ],
                    className="refill-bar",
                ),
                html.Div(id="refill-body"),
                html.Div(id="refill-note", className="note"),
                side=refill_controls.tools(),
                name="refill-card no-print",
            ),
            refill_settings.layout(),
            html.Div(id="refill-sheets", className="sheets"),
            html.Div(id="refill-printed", hidden=True),
        ],
        className="column refills",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page and its files."""
    shell.add_page(__name__, name="Refills", path="/refills", order=4, layout=layout)
    clinic = ClinicDays(data.settings.data)
    refill_routes.register(app, data, clinic)
    refill_settings.register(app, data, clinic)
    address.bind(
        app,
        "/refills",
        {
            "view": address.choice("refill-view", VIEWS, default="list", step=True),
            "kind": address.choice("refill-kind", ("", *KINDS), step=True),
            "site": address.text("refill-site", step=True),
            "span": address.choice("refill-span", SPANS, prop="data", default=SPAN, step=True),
            "day": address.text("refill-day", prop="data", step=True),
            "ahead": address.whole("refill-place", 0, MAX_AHEAD, prop="data", default=0, step=True),
        },
    )
    filters = [Input(f"refill-{name}", "value") for name in ("view", "kind", "site")]
    filters += [Input(f"refill-{name}", "data") for name in ("span", "day")]
    address.begin(app, Output("refill-place", "data"), *filters)

    @app.callback(
        Output("refill-place", "data", allow_duplicate=True),
        Input("refill-earlier", "n_clicks"),
        Input("refill-later", "n_clicks"),
        State("refill-place", "data"),
        prevent_initial_call=True,
    )
    async def move(*given: Any) -> Any:
        return moved(ctx.triggered_id, given[-1])

    @app.callback(
        Output("refill-body", "children"),
        Output("refill-title", "children"),
        Output("refill-note", "children"),
        Output("refill-earlier", "disabled"),
        Output("refill-later", "disabled"),
        Output("refill-site", "data"),
        Output("refill-csv", "href"),
        Output("refill-ics", "href"),
        *[Output(f"refill-count-{span}", "children") for span in SPANS],
        *[Output(f"refill-span-{span}", "className") for span in SPANS],
        Output("refill-key", "data"),
        Input("refill-beat", "n_intervals"),
        *filters,
        Input("refill-place", "data"),
        State("refill-key", "data"),
    )
    async def show(_beat: Any, view: Any, kind: Any, site: Any, *more: Any) -> Any:
        span, day, place, key = more
        answer = await asyncio.to_thread(render, data, clinic, choice_of(kind, site, span, day), view, place)
        fresh = hashlib.sha256(repr(answer).encode()).hexdigest()
        if ctx.triggered_id == "refill-beat" and fresh == key:
            raise PreventUpdate
        return *answer, fresh

    @app.callback(
        Output("refill-sheets", "children"),
        Input("refill-print", "n_clicks"),
        State("refill-kind", "value"),
        State("refill-site", "value"),
        State("refill-span", "data"),
        State("refill-day", "data"),
        prevent_initial_call=True,
    )
    async def sheets(clicks: int | None, *given: Any) -> Any:
        if not clicks:
            raise PreventUpdate
        choice = choice_of(*given)

        def made() -> list[Component]:
            snapshot = data.snapshot()
            return refill_views.sheets(snapshot, refill_days.agenda(snapshot, choice, clinic).shown(choice))

        return await asyncio.to_thread(made)

    client_script.runs(app, "print_sheets", Output("refill-printed", "children"), Input("refill-sheets", "children"))


def moved(trigger: Any, place: Any) -> int:
    """Return where the list or calendar is after a click: pages of the list, or months or weeks ahead."""
    step = {"refill-earlier": -1, "refill-later": 1}.get(trigger, 0) if isinstance(trigger, str) else 0
    return min(max(0, place_of(place) + step), MAX_AHEAD)


def place_of(given: Any) -> int:
    """Return how far ahead a browser wants to see, 0 for what is no such number."""
    return given if isinstance(given, int) and 0 <= given <= MAX_AHEAD else 0


def render(
    data: DataService, clinic: ClinicDays, choice: refill_days.Choice, view: Any, place: Any
) -> tuple[Component, ...]:
    """Return the page for a choice: body, title, note, which buttons are disabled, sites, addresses, counts, chips."""
    snapshot = data.snapshot()
    try:
        agenda = refill_days.agenda(snapshot, choice, clinic)
    except ClinicDaysError as error:
        return (
            elements.nothing(tr("Clinic days: {error}.", error=error)),
            "",
            "",
            True,
            True,
            [],
            *[no_update] * 2,
            *_nothing(),
        )
    ahead = place_of(place)
    query = refill_routes.query_of(choice)
    hrefs = [path_of(f"{route}?{query}") for route in (refill_routes.CSV, refill_routes.CALENDAR)]
    listing = view not in ("month", "week")
    chips = [
        f"button chip {span if agenda.counts[span] else ''}" + (" on" if _pressed(choice, span) and listing else "")
        for span in SPANS
    ]
    days = tr("Days are those of {zone}.", zone=ZONE.get())
    clock = refill_files.clock_note(fleet_clock(snapshot), snapshot.health.written)
    note = f"{clock} {days}" if snapshot.table.height else days
    frame = (refill_days.sites_of(snapshot), *hrefs, *(decimal(many) for many in agenda.counts.values()), *chips)
    if view == "month":
        ahead = min(ahead, refill_days.MAX_MONTHS)
        title, body = refill_views.month(agenda, ahead)
        return body, title, note, ahead == 0, ahead == refill_days.MAX_MONTHS, *frame
    if view == "week":
        ahead = min(ahead, 52)
        title, body = refill_views.week(snapshot, agenda, ahead)
        return body, title, note, ahead == 0, ahead == 52, *frame
    tasks = agenda.shown(choice)
    ahead = min(ahead, max(0, (tasks.height - 1) // refill_days.PAGE))
    page = tasks.slice(ahead * refill_days.PAGE, refill_days.PAGE)
    empty = refill_views.EMPTY if snapshot.table.height else refill_views.NO_PUMPS
    body = refill_views.table(snapshot, page, agenda.today) if page.height else elements.nothing(tr(empty))
    last = (ahead + 1) * refill_days.PAGE >= tasks.height
    return body, _title(choice, tasks.height, ahead), note, ahead == 0, last, *frame


def _nothing() -> list[str]:
    """Return counts and chips when there is nothing to count."""
    return [*[""] * len(SPANS), *["button chip"] * len(SPANS)]


def _pressed(choice: refill_days.Choice, span: str) -> bool:
    return choice.day is None and choice.span == span


def _title(choice: refill_days.Choice, many: int, page: int) -> str:
    day = refill_views.written(choice.day, weekday=True)
    what = tr("Clinic day {day}", day=day) if choice.day else tr(SPANS[choice.span])
    tasks, first = formatting.count(many, "task"), page * refill_days.PAGE
    if many <= refill_days.PAGE:
        return f"{what}: {tasks}"
    last = decimal(min(many, first + refill_days.PAGE))
    return f"{what}: {tr('{tasks}, {first} to {last} shown', tasks=tasks, first=decimal(first + 1), last=last)}"
