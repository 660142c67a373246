"""Alarms: the list of open alarms with filters, groups and actions; evidence, what is out of service, event log."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import polars as pl
from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from dashboard import clocks, formatting
from dashboard.access.accounts import VISITOR
from dashboard.access.proxies import path_of
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import (
    address,
    alarm_action_dialog,
    alarm_filters,
    client_script,
    elements,
    event_log,
    evidence_panel,
    filter_disclosure,
    keyed_list,
    out_of_service_dialog,
    shell,
    silence_views,
)
from dashboard.components.elements import Component
from dashboard.data import alarm_actions, notifications, silencing
from dashboard.data.fleet_clock import therapy_clock
from dashboard.data.services import DataService
from dashboard.languages import LANGUAGE, tr, tr_n
from dashboard.zones import ZONE

PATH: Final = "/rows/alarms"
MAX_EVENTS: Final = 30
MAX_EVENTS_READ: Final = 500
"""Events of which the newest lines are made: suppressed ones are counted."""
MAX_ORDERS: Final = 50


def words() -> dict[str, Any]:
    """Return what the scripts of the page need to know: actions, words, and the states behind each filter."""
    return {
        **alarm_action_dialog.spec(),
        "filters": {name: states for name, (_, states) in alarm_filters.FILTERS.items()},
    }


def layout(data: DataService) -> Component:
    """Return the page; its rows follow from the browser's own requests."""
    drawer = html.Aside(
        [
            html.Div(
                [html.H2(tr("Evidence")), html.Button(tr("Close"), id="alarm-close", className="button")],
                className="card-head",
            ),
            html.Div(id="alarm-evidence"),
        ],
        id="alarm-drawer",
        hidden=True,
        **client_script.label(tr("Evidence of the current alarm")),
    )
    return html.Div(
        [
            html.H1(tr("Alarms"), className="hidden"),
            *(
                dcc.Store(id=f"alarm-{name}")
                for name in (
                    "current",
                    "evidence-key",
                    "orders-ask",
                    "log-ask",
                    "log-key",
                    "silences-ask",
                    "silences-key",
                )
            ),
            html.Div(id="alarm-followed", hidden=True),
            html.Div(id="alarm-silences", role="status"),
            html.Section(
                [
                    html.Div(alarm_filters.controls(), className="alarm-filters"),
                    html.Div(id="alarm-tools", className="alarm-tools"),
                    html.Div(
                        [
                            html.Div(
                                [
                                    keyed_list.box("alarm-list", tr("Alarms"), PATH, spec=words()),
                                    _nothing(data),
                                ],
                                className="alarm-box",
                            ),
                            drawer,
                        ],
                        id="alarm-split",
                        className="alarm-split",
                    ),
                ],
                className="card alarm-summary",
                **client_script.label(tr("Alarm summary")),
            ),
            html.Div(id="alarm-orders"),
            html.Details(
                [html.Summary(tr("Event log")), html.Div(id="alarm-events", className="scroll")],
                id="alarm-log",
                className="card alarm-log",
            ),
        ],
        className="column alarm-page",
        **client_script.BY_EVENT,
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page: the feed of its rows, and what is asked for the current alarm and the event log."""
    shell.add_page(__name__, name="Alarms", path="/alarms", order=2, layout=partial(layout, data))
    address.bind(app, "/alarms", alarm_filters.bound())
    filter_disclosure.register(app, "alarm", *alarm_filters.FOLDED)
    keyed_list.serve(app, PATH, lambda run, cursor: changes(data, run, cursor))
    client_script.runs(
        app,
        "alarms",
        Output("alarm-followed", "children"),
        *(Input(f"alarm-{name}", "value") for name in alarm_filters.CONTROLS),
    )

    @app.callback(
        Output("alarm-evidence", "children"),
        Output("alarm-evidence-key", "data"),
        Input("alarm-current", "data"),
        State("alarm-evidence-key", "data"),
    )
    async def show_evidence(asked: Any, key: Any) -> Any:
        if not isinstance(asked, dict):
            raise PreventUpdate
        snapshot, alarm = data.snapshot(), str(asked.get("alarm"))
        found = snapshot.alarms.filter(pl.col("alarm") == alarm).rows(named=True)
        more = await asyncio.to_thread(
            lambda: [*silencing.story(data, snapshot, alarm), *notifications.notified(data, alarm)]
        )
        shown = evidence(found[0], therapy_clock(snapshot, found[0]["gateway"]), more) if found else None
        fresh = f"{alarm} {hash(str(shown))} {ZONE.get()} {LANGUAGE.get().code}"
        return (no_update, no_update) if fresh == key else (shown, fresh)

    @app.callback(
        Output("alarm-silences", "children"),
        Output("alarm-silences-key", "data"),
        Input("alarm-silences-ask", "data"),
        State("alarm-silences-key", "data"),
    )
    async def show_silences(_live: Any, key: Any) -> Any:
        fresh = f"{_silences_key(data)} {ZONE.get()} {LANGUAGE.get().code}"
        if fresh == key:
            raise PreventUpdate
        known, now = data.silences.readable(), data.now()
        return silence_views.notice(known, silencing.expired_lately(known, now), now), fresh

    @app.callback(Output("alarm-orders", "children"), Input("alarm-orders-ask", "data"))
    async def show_orders(_ask: Any) -> Any:
        return out_of_service(data.snapshot().orders)

    @app.callback(
        Output("alarm-events", "children"),
        Output("alarm-log-key", "data"),
        Input("alarm-log-ask", "data"),
        State("alarm-log-key", "data"),
    )
    async def show_log(_ask: Any, key: Any) -> Any:
        events = await asyncio.to_thread(data.events, limit=MAX_EVENTS_READ)
        fresh = event_log.key(events)
        return (
            (no_update, no_update)
            if fresh == key
            else (event_log.table(event_log.condensed(events, MAX_EVENTS), therapy_clock(data.snapshot())), fresh)
        )


def _nothing(data: DataService) -> Component:
    """Return the text of an empty list: nothing is open, or there is no pump, or the filters leave nothing."""
    empty = tr("No alarms.") if data.snapshot().table.height else tr(formatting.NO_PUMPS)
    texts: dict[str, Any] = {"data-empty": empty, "data-filtered": tr("No alarm matches the filters.")}
    return html.P(empty, id="alarm-nothing", className="nothing", hidden=True, **texts)


def changes(data: DataService, run: int, cursor: int) -> dict[str, Any]:
    """Return what changed in the list of alarms since a browser's cursor, with the texts of the rules of new rows."""
    found, snapshot = data.alarm_rows, data.snapshot()
    found.follow(snapshot, lambda: silencing.marks(data.silences, snapshot, data.now()))
    orders = snapshot.orders.select("subject", "rule", "out_wall", "out_by")
    # Tells the browser when to ask again for what is out of service, and for what is silenced.
    also = [f"{orders.hash_rows().sum()}" if orders.height else "0", _silences_key(data)]
    return {**keyed_list.shown(found.answer(found.alarms, run, cursor)), "also": also}


def _silences_key(data: DataService) -> str:
    """Return what is the same as long as the line about silences is."""
    known, now = data.silences.readable(), data.now()
    active = sum(one.status(now) == "active" for one in known)
    return f"{active} {' '.join(one.id for one in silencing.expired_lately(known, now))}"


def out_of_service(orders: pl.DataFrame) -> Component:
    """Return the card of what is out of service, newest first; None if nothing is."""
    if orders.is_empty():
        return None
    newest = orders.sort("out_wall", descending=True)
    more = orders.height - MAX_ORDERS
    note = html.Div(tr_n("and {count} more", "and {count} more", more), className="note") if more > 0 else None
    listed = html.Div([out_of_service_dialog.listed(newest.head(MAX_ORDERS)), note], className="scroll")
    return html.Details(
        [
            html.Summary(tr("Out of service: {count}", count=formatting.count(orders.height, "entry", "entries"))),
            listed,
        ],
        className="card alarm-log",
    )


def evidence(row: dict[str, Any], clock: TherapyClock = WALL, more: Sequence[str] = ()) -> Component:
    """Return what is known of an alarm: what to do first, meaning, evidence, who did what and what `more` happened."""
    story = [*alarm_actions.audit_trail(row), *more]
    chain = (
        tr(
            "Suppresses: {explains}. First out: {first_out}.",
            explains=alarm_actions.suppressed(row["explains"]),
            first_out=tr(row["first_out"]),
        )
        if row["explains"]
        else ""
    )
    parts = [
        (tr("Recommended action"), tr(row["action"])),
        (tr("Time to respond"), clocks.deadline(row)),
        (tr("Meaning"), tr(row["meaning"])),
        (tr("Since"), f"{clocks.therapy_moment(row['onset'], clock)}, {clocks.alarm_age(row)}"),
        (tr("Suppression"), chain),
        (tr("Actions so far"), html.Ul([html.Li(entry) for entry in story]) if story else None),
    ]
    known = [html.Div([html.Span(label, className="alarm-label"), value]) for label, value in parts if value]
    return html.Div(
        [
            html.Div(
                [elements.priority(row["priority"], row["state"]), html.B(tr(row["title"])), elements.subject(row)],
                className="evidence-head",
            ),
            *known,
            silence_link(row),
            evidence_panel.shown(row, clock) or elements.nothing(tr("Raised by an older version, without evidence.")),
        ]
    )


def silence_link(row: dict[str, Any]) -> Component:
    """Return the link that opens the form to silence this alarm; None for who may not."""
    if not VISITOR.get().may(silencing.RIGHT):
        return None
    about = {"rule": row["rule"], **({"pump": row["pump"]} if row["pump"] else {})}
    return html.A(
        tr("Silence…"), href=path_of(f"/silences?{urlencode(about)}"), className="pump-link", **client_script.GO
    )
