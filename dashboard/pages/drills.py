"""Drills: plan a blind fault, answer what to do first, and see how the staff responded."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.store import account_files
from dashboard.access.accounts import VISITOR, AccessError, Visitor, read_accounts
from dashboard.components import drill_views, elements, shell
from dashboard.components.drill_views import ANY_FAULT, NO_ACTIONS, ON_SHIFT
from dashboard.components.elements import Component
from dashboard.data import drill_alarms, drills
from dashboard.data.drill_records import Drill
from dashboard.data.drill_store import DrillError
from dashboard.data.drills import Drills
from dashboard.data.services import DataService
from dashboard.languages import tr
from dashboard.zones import ZONE


def layout(data: DataService) -> Component:
    """Return the page for the visitor: the plan form only for who may plan."""
    visitor = VISITOR.get()
    may = visitor.may("inject")
    plan = drill_views.plan_form(drill_alarms.detectable(data.snapshot()), people(data)) if may else None
    mine = html.Div(id="drill-planned")
    of_whom = tr("Results of everybody") if visitor.may("admin") else tr("Your results")
    return html.Div(
        [
            html.H1(tr("Drills"), className="hidden"),
            dcc.Store(id="drill-key"),
            dcc.Store(id="drill-cancel"),
            dcc.Store(id="drill-changed"),
            html.Div(
                elements.card(tr("Your drill"), html.Div(drill_views.question(None), id="drill-question")),
                id="drill-asked",
            ),
            html.Div(
                [
                    elements.card(tr("Plan a drill"), plan, name="drill-plan-card"),
                    elements.card(tr("Planned drills"), mine, name="drill-list-card"),
                ],
                className="drill-page",
            )
            if may
            else html.Div(mine, hidden=True),
            elements.card(of_whom, html.Div(id="drill-people"), html.Div(id="drill-results")),
        ],
        className="column drills",
    )


def people(data: DataService) -> list[str]:
    """Return the names of the accounts that may acknowledge alarms, in order; none if they cannot be read."""
    if not account_files.required(data.settings.data):
        return []
    try:
        accounts = read_accounts(data.settings.data).values()
    except AccessError:
        return []
    return sorted(one.name for one in accounts if not one.disabled and Visitor(one.name, one.role).may("acknowledge"))


def register(app: Dash, data: DataService) -> None:
    """Add the page; its parts are drawn again when the drills that the visitor may see change."""
    shell.add_page(__name__, name="Drills", path="/drills", order=22, layout=partial(layout, data))
    service = Drills(data, random.Random())

    @app.callback(
        Output("drill-question", "children"),
        Output("drill-asked", "hidden"),
        Output("drill-planned", "children"),
        Output("drill-people", "children"),
        Output("drill-results", "children"),
        Output("drill-key", "data"),
        Input("live", "data"),
        Input("drill-changed", "data"),
        State("drill-key", "data"),
    )
    async def show(_live: Any, _changed: Any, key: Any) -> Any:
        try:
            return render(data.drills.drills(), VISITOR.get(), key, drill_alarms.first_actions(data.snapshot()))
        except DrillError as error:
            return no_update, no_update, elements.nothing(f"{error}."), no_update, no_update, None

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("drill-changed", "data", allow_duplicate=True),
        Input("drill-plan", "n_clicks"),
        State("drill-fault", "value"),
        State("drill-person", "value"),
        State("drill-span", "value"),
        State("drill-severity", "value"),
        prevent_initial_call=True,
    )
    async def plan(clicks: Any, fault: Any, person: Any, span: Any, severity: Any) -> Any:
        if not clicks:
            return no_update, no_update
        answer = await service.plan(
            fault="" if fault in (None, ANY_FAULT) else str(fault),
            severity=float(severity) if isinstance(severity, int | float) else 0.9,
            span_min=int(span) if str(span).isdecimal() else 0,
            for_whom="" if person in (None, ON_SHIFT) else str(person),
        )
        return [elements.notice(answer.text, good=answer.good)], clicks

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("drill-changed", "data", allow_duplicate=True),
        Input("drill-cancel", "data"),
        prevent_initial_call=True,
    )
    async def cancel(key: Any) -> Any:
        if not key:
            return no_update, no_update
        answer = await service.cancel(str(key))
        return [elements.notice(answer.text, good=answer.good)], str(key)

    @app.callback(
        Output("notices", "sendNotifications", allow_duplicate=True),
        Output("drill-changed", "data", allow_duplicate=True),
        Input("drill-save", "n_clicks"),
        State("drill-answer", "value"),
        prevent_initial_call=True,
    )
    async def save(clicks: Any, chosen: Any) -> Any:
        asked = drills.question(data.drills.opened(), VISITOR.get())
        if not clicks or asked is None:
            return no_update, no_update
        answer = await service.answer(asked.id, str(chosen or ""))
        return [elements.notice(answer.text, good=answer.good)], clicks


def render(
    known: tuple[Drill, ...], visitor: Visitor, key: Any, actions: Mapping[str, str] = NO_ACTIONS
) -> tuple[Any, ...]:
    """Return the parts of the page for a visitor; nothing if they would look the same as those of `key`.

    `actions` are first actions in the viewer's language by their English.
    """
    asked = drills.question(known, visitor)
    mine, over = drills.planned(known, visitor), drills.results(known, visitor)
    looks = [(one.id, one.state, one.note, one.answer) for one in (*mine, *over)]
    fresh = f"{visitor.name} {asked.id if asked else ''} {ZONE.get()} {looks}"
    if fresh == key:
        return (no_update,) * 6
    reports = drill_views.people(drills.report(over)) if over else None
    return (
        drill_views.question(asked, actions),
        asked is None,
        drill_views.planned(mine, visitor),
        reports,
        drill_views.results(over, actions),
        fresh,
    )
