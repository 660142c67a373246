"""Alarms: alarm summary with bulk actions, evidence of selected alarms, what is out of service, event log."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_ag_grid as dag
import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.exceptions import PreventUpdate

from broker.store.snapshot import WAITING, Snapshot
from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.components import client_script, elements, event_log, evidence_panel, grids, out_of_service_dialog, shell
from dashboard.components.elements import Component
from dashboard.data import alarm_actions, queries
from dashboard.data.alarm_actions import ALARM_ACTIONS
from dashboard.data.fleet_clock import therapy_clock
from dashboard.data.pump_search import contains
from dashboard.data.services import DataService

MAX_ROWS: Final = 200
"""More than anyone works through at once; search finds the rest."""
NAMES: Final = tuple(pl.col(name) for name in ("subject", "site", "gateway"))
"""Columns that the search looks at."""
MAX_EVENTS: Final = 30
MAX_ORDERS: Final = 50
MAX_EVIDENCE: Final = 3
"""Selected alarms whose evidence is shown."""
COLUMNS: Final = (
    "alarm",
    "subject",
    "pump",
    "held",
    "site",
    "title",
    "priority",
    "state",
    "meaning",
    "action",
)
FILTERS: Final = {
    "all": ("Open", (*WAITING, "acknowledged", "latched")),
    "waiting": ("Unacknowledged", WAITING),
    "aside": ("Shelved or out of service", ("shelved", "out_of_service")),
}
IN_MENU: Final = ("unshelve", "unacknowledge", "reset", "out_of_service", "in_service")
"""Actions in the menu; the others have their own button."""


def layout() -> Component:
    """Return the page; its rows follow with the first snapshot."""
    grid = dag.AgGrid(
        id="alarm-grid",
        columnDefs=grids.ALARM_COLUMNS,
        defaultColDef=grids.DEFAULTS,
        getRowId="params.data.alarm",
        rowData=[],
        style=grids.FILL,
        dashGridOptions={
            **grids.OPTIONS,
            "rowSelection": {"mode": "multiRow", "headerCheckbox": True, "enableClickSelection": False},
            "localeText": {"noRowsToShow": "No alarms."},
        },
    )
    tools = [
        dmc.SegmentedControl(
            id="alarm-filter",
            value="all",
            size="xs",
            data=[{"value": name, "label": label} for name, (label, _) in FILTERS.items()],
        ),
        dmc.TextInput(
            id="alarm-search",
            placeholder="Pump, lot, site, gateway",
            size="xs",
            debounce=300,
            w=170,
            **client_script.label("Search alarms"),
        ),
        _menu(),
        *(
            html.Button(ALARM_ACTIONS[name].label, id=f"do-{name}", className="button", disabled=True)
            for name in ("note", "shelve")
        ),
        html.Button("Acknowledge selected", id="do-acknowledge", className="button strong", disabled=True),
    ]
    return html.Div(
        [
            html.H1("Alarms", className="hidden"),
            dcc.Store(id="alarm-chosen"),
            dcc.Store(id="alarm-events-key"),
            elements.card(
                "Alarm summary",
                html.Div(grid, className="grid-box"),
                html.Div(id="alarm-note", className="note"),
                side=tools,
                name="grow-card",
            ),
            html.Div(id="alarm-orders"),
            html.Div(id="alarm-evidence"),
            elements.card("Event log", html.Div(id="alarm-events", className="scroll"), name="events-card"),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page, refreshed with every snapshot, and its actions on selected alarms."""
    shell.add_page(__name__, name="Alarms", path="/alarms", order=2, layout=layout)

    @app.callback(
        Output("alarm-grid", "rowData"),
        Output("alarm-note", "children"),
        Output("alarm-orders", "children"),
        Output("alarm-events", "children"),
        Output("alarm-events-key", "data"),
        Input("live", "data"),
        Input("alarm-filter", "value"),
        Input("alarm-search", "value"),
        State("alarm-events-key", "data"),
    )
    async def show(_live: Any, chosen: str | None, search: str | None, key: str | None) -> Any:
        snapshot = data.snapshot()
        rows, note = await asyncio.to_thread(open_alarms, snapshot, chosen or "all", search or "")
        events = await asyncio.to_thread(data.events, limit=MAX_EVENTS)
        fresh = event_log.key(events)
        log = (no_update, no_update) if fresh == key else (event_log.table(events, therapy_clock(snapshot)), fresh)
        return rows, note, out_of_service(snapshot.orders), *log

    client_script.runs(app, "chosen", Output("alarm-chosen", "data"), Input("alarm-grid", "selectedRows"))
    buttons = [f"do-{name}" for name in ALARM_ACTIONS]
    wires = [State("alarm-filter", "value"), State("alarm-search", "value")]

    @app.callback(
        Output("do-acknowledge", "children"),
        Output("alarm-evidence", "children"),
        *[Output(name, "disabled") for name in buttons],
        Input("alarm-chosen", "data"),
        Input("live", "data"),
        *wires,
    )
    async def offer(ids: Any, _live: Any, chosen: str | None, search: str | None) -> Any:
        if not ids and ctx.triggered_id == "live":
            raise PreventUpdate
        rows = selected(data.snapshot(), ids, chosen, search)
        waiting = len(alarm_actions.offered("acknowledge", rows))
        label = f"Acknowledge {formatting.count(waiting, 'alarm')}" if waiting else "Acknowledge selected"
        return (
            label,
            evidence(rows, therapy_clock(data.snapshot())),
            *[not alarm_actions.offered(name, rows) for name in ALARM_ACTIONS],
        )

    @app.callback(
        Output("action", "data", allow_duplicate=True),
        *[Input(name, "n_clicks") for name in buttons],
        State("alarm-chosen", "data"),
        *wires,
        prevent_initial_call=True,
    )
    async def act(*given: Any) -> Any:
        clicks, rows = given[: len(buttons)], selected(data.snapshot(), *given[len(buttons) :])
        name = str(ctx.triggered_id).removeprefix("do-")
        ids = alarm_actions.offered(name, rows) if name in ALARM_ACTIONS else []
        return {"kind": name, "alarms": ids, "n": sum(count or 0 for count in clicks)} if ids else no_update


def out_of_service(orders: pl.DataFrame) -> Component:
    """Return the card of what is out of service, newest first; None if nothing is."""
    if orders.is_empty():
        return None
    newest = orders.sort("out_wall", descending=True)
    more = orders.height - MAX_ORDERS
    note = html.Div(f"and {formatting.count(more, 'more')}", className="note") if more > 0 else None
    return elements.card(
        "Out of service", html.Div([out_of_service_dialog.listed(newest.head(MAX_ORDERS)), note], className="scroll")
    )


def evidence(rows: pl.DataFrame, clock: TherapyClock = WALL) -> Component:
    """Return the evidence of the first selected alarms; None if none is selected."""
    if rows.is_empty():
        return None
    shown = [
        html.Div(
            [
                html.Div([elements.mark(row["priority"], row["state"]), html.B(row["title"]), elements.subject(row)]),
                evidence_panel.shown(row, clock) or elements.nothing("Raised by an older version, without evidence."),
            ],
            className="evidence-of",
        )
        for row in queries.ordered(rows).head(MAX_EVIDENCE).iter_rows(named=True)
    ]
    more = rows.height - len(shown)
    note = html.Div(f"and {formatting.count(more, 'more selected alarm')}", className="note") if more > 0 else None
    return elements.card(
        "Evidence of selected alarms", html.Div([*shown, note], className="scroll"), name="evidence-card"
    )


def selected(snapshot: Snapshot, ids: Any, chosen: str | None, search: str | None) -> pl.DataFrame:
    """Return the selected alarms that are still open and in the list on screen."""
    known = [str(alarm) for alarm in ids][:MAX_ROWS] if isinstance(ids, list) else []
    return listed(snapshot, chosen, search).filter(pl.col("alarm").is_in(known))


def listed(snapshot: Snapshot, chosen: str | None, search: str | None) -> pl.DataFrame:
    """Return the open alarms of one of `FILTERS` that contain a text."""
    _, states = FILTERS.get(chosen or "all", FILTERS["all"])
    return snapshot.alarms.filter(pl.col("state").is_in(states) & contains(search or "", NAMES))


def _menu() -> Component:
    items = [dmc.MenuItem(ALARM_ACTIONS[name].label, id=f"do-{name}", disabled=True) for name in IN_MENU]
    return dmc.Menu(
        [dmc.MenuTarget(html.Button("More", className="button", title="More actions")), dmc.MenuDropdown(items)],
        transitionProps={"duration": 0},
    )


def open_alarms(snapshot: Snapshot, chosen: str, search: str) -> tuple[list[dict[str, Any]], str]:
    """Return the grid's rows, most urgent first, and a note if there are more."""
    found = queries.ordered(listed(snapshot, chosen, search))
    rows = [_row(row) for row in found.head(MAX_ROWS).iter_rows(named=True)]
    more = found.height - len(rows)
    return rows, f"{formatting.count(more, 'more alarm')} not shown; use the search to narrow the list." if more else ""


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the grid shows of an alarm."""
    chain = f"Suppresses: {row['explains']}. First out: {row['first_out']}." if row["explains"] else ""
    return {
        **{name: row[name] for name in (*COLUMNS, "age_s")},
        "age": clocks.alarm_age(row, short=True),
        "deadline": clocks.deadline(row),
        "state_text": formatting.STATE_WORD.get(row["state"], row["state"]),
        "chain": chain,
        "many": elements.of_many(row),
        "story": "; ".join(alarm_actions.audit_trail(row)),
    }
