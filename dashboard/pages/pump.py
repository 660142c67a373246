"""One pump: open alarms and recommended actions, forecast, latest values, trends of all signals."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.access.proxies import path_of
from dashboard.clocks import TherapyClock
from dashboard.components import (
    address,
    client_script,
    elements,
    event_log,
    forecast_panel,
    pump_summary,
    retirement_dialog,
    shell,
    trend_card,
)
from dashboard.components.elements import Component
from dashboard.data import queries, retirement
from dashboard.data.fleet_clock import therapy_clock
from dashboard.data.services import DataService
from dashboard.languages import tr

MAX_EVENTS: Final = 40


def layout(serial: str) -> Component:
    """Return the page of the pump with this serial number."""
    return html.Div(
        [
            dcc.Store(id="pump-serial", data=serial),
            dcc.Store(id="pump-events-key"),
            html.Div(id="pump-head"),
            html.Div(
                [
                    trend_card.layout(),
                    html.Div(
                        [
                            elements.card(tr("Latest values"), html.Div(id="pump-now"), name="values-card"),
                            elements.card(tr("Pump status"), html.Div(id="pump-flags")),
                            elements.card(tr("Data quality"), html.Div(id="pump-quality")),
                            elements.card(
                                tr("Alarm history"), html.Div(id="pump-events", className="scroll"), name="history-card"
                            ),
                        ],
                        className="pump-side",
                    ),
                ],
                id="pump-body",
                className="pump-body",
            ),
        ],
        className="column pump",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page; texts are refreshed with every snapshot, the chart when it would look different."""
    shell.add_page(__name__, name="Pump", path="/pump/<serial>", layout=layout)

    @app.callback(
        Output("pump-head", "children"),
        Output("pump-now", "children"),
        Output("pump-flags", "children"),
        Output("pump-quality", "children"),
        Output("pump-events", "children"),
        Output("pump-events-key", "data"),
        Output("pump-body", "hidden"),
        Input("live", "data"),
        Input("pump-serial", "data"),
        State("pump-events-key", "data"),
    )
    async def show(_live: Any, serial: str, key: str | None) -> Any:
        clock = clock_of(data.snapshot(), str(serial))
        known = retirement.is_known(data.snapshot(), str(serial))
        now = await asyncio.to_thread(render, data.snapshot(), str(serial))
        events = await asyncio.to_thread(data.events, str(serial), MAX_EVENTS)
        fresh = f"{serial} {event_log.key(events)}"
        log = (no_update, no_update) if fresh == key else (event_log.history(events, clock), fresh)
        return *now, *log, not known

    trend_card.register(app, data)
    address.bind(app, "/pump/<serial>", trend_card.CONTROLS)


def clock_of(snapshot: Snapshot, serial: str) -> TherapyClock:
    """Return how therapy time runs for a pump; for one that is unknown, that of the fleet."""
    row = queries.pump_row(snapshot, serial)
    return therapy_clock(snapshot, row["gateway"] if row else None)


def render(snapshot: Snapshot, serial: str) -> tuple[Component, Component, Component, Component]:
    """Return header, latest values, status and data quality of one pump."""
    row = queries.pump_row(snapshot, serial)
    clock = therapy_clock(snapshot, row["gateway"] if row else None)
    if row is None and (retired := retirement.row(snapshot, serial)) is not None:
        return retirement_dialog.head(retired, clock), *([elements.nothing(tr("Not monitored: retired."))] * 3)
    if row is None:
        waiting = "" if snapshot.health.version else tr(" The stream processor has not written anything yet.")
        missing = html.Section(
            [
                html.H1(serial),
                elements.nothing(tr("Unknown pump: no gateway has announced it.{waiting}", waiting=waiting)),
                html.A(tr("Pumps"), href=path_of("/pumps"), className="pump-link", **client_script.GO),
            ],
            className="card pump-unknown",
        )
        return missing, *([elements.nothing(formatting.UNKNOWN)] * 3)
    alarms = queries.alarms_of(snapshot, serial)
    head = [
        pump_summary.head(row, alarms, queries.orders_of(snapshot, row)),
        *pump_summary.alarms(alarms, clock),
        pump_summary.evidence(alarms, clock),
        forecast_panel.card(row, clock),
        pump_summary.facts(row),
    ]
    note = queries.lag_note(snapshot)
    values = [pump_summary.values(row), html.P(f"{note.capitalize()}.", className="note") if note else None]
    return head, values, pump_summary.flags(row), pump_summary.quality(row, clock)
