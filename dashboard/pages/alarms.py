"""This file is the list of alarms to work off, one or many at a time, and what happened lately."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_ag_grid as dag
import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, ctx, dcc, html, no_update

from broker.store.snapshot import WAITING, Snapshot
from dashboard import formatting
from dashboard.components import client_script, elements, evidence_panel, grids, out_of_service_dialog
from dashboard.components.elements import Piece
from dashboard.components.event_log import happened
from dashboard.data import alarm_actions, queries
from dashboard.data.alarm_actions import ALARM_ACTIONS
from dashboard.data.pump_search import contains
from dashboard.data.services import DataService

PATH: Final = "/alarms"
TITLE: Final = "Alarms"
ORDER: Final = 2
MAX_ROWS: Final = 400
"""More than a person can work off at once; the rest is found by the search."""
NAMES: Final = tuple(pl.col(name) for name in ("subject", "site", "gateway"))
"""What an alarm is searched by."""
MAX_EVENTS: Final = 60
MAX_ORDERS: Final = 50
MAX_EXPLAINED: Final = 3
"""Of so many ticked alarms the evidence is shown."""
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
    "deadline",
)
FILTERS: Final = {
    "all": ("All open", (*WAITING, "acknowledged", "latched")),
    "waiting": ("Not acknowledged", WAITING),
    "aside": ("Shelved or out of service", ("shelved", "out_of_service")),
}
MORE: Final = ("unshelve", "unacknowledge", "reset", "out_of_service", "in_service")
"""Deeds that are in the menu; the others have a button of their own."""


def layout(_desk: DataService, _rest: str = "") -> Piece:
    """Return the page; its rows follow with the first word of a snapshot."""
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
            "localeText": {"noRowsToShow": "No open alarm here."},
        },
    )
    tools = [
        dmc.SegmentedControl(
            id="alarm-filter",
            value="all",
            size="xs",
            data=[{"value": name, "label": label} for name, (label, _) in FILTERS.items()],
        ),
        dmc.TextInput(id="alarm-search", placeholder="Pump, lot, site, gateway", size="xs", debounce=300, w=170),
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
            elements.card(
                "Open alarms",
                html.Div(grid, className="grid-box"),
                html.Div(id="alarm-note", className="note"),
                side=tools,
                name="grow-card",
            ),
            html.Div(id="alarm-orders"),
            html.Div(id="alarm-evidence"),
            elements.card("What happened lately", html.Div(id="alarm-events", className="scroll"), name="events-card"),
        ],
        className="column",
    )


def register(app: Dash, desk: DataService) -> None:
    """Refresh with every snapshot; acknowledge what is selected."""

    @app.callback(
        Output("alarm-grid", "rowData"),
        Output("alarm-note", "children"),
        Output("alarm-events", "children"),
        Output("alarm-orders", "children"),
        Input("live", "data"),
        Input("alarm-filter", "value"),
        Input("alarm-search", "value"),
    )
    async def show(_live: Any, chosen: str | None, search: str | None) -> Any:
        snapshot = desk.snapshot()
        rows, note = await asyncio.to_thread(open_alarms, snapshot, chosen or "all", search or "")
        events = await asyncio.to_thread(lambda: happened(desk.events(limit=MAX_EVENTS)))
        return rows, note, events, ordered_out(snapshot.orders)

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
        rows = selected(desk.snapshot(), ids, chosen, search)
        waiting = len(alarm_actions.offered("acknowledge", rows))
        label = f"Acknowledge {formatting.count(waiting, 'alarm')}" if waiting else "Acknowledge selected"
        return label, explained(rows), *[not alarm_actions.offered(name, rows) for name in ALARM_ACTIONS]

    @app.callback(
        Output("deed", "data", allow_duplicate=True),
        *[Input(name, "n_clicks") for name in buttons],
        State("alarm-chosen", "data"),
        *wires,
        prevent_initial_call=True,
    )
    async def deal(*given: Any) -> Any:
        clicks, rows = given[: len(buttons)], selected(desk.snapshot(), *given[len(buttons) :])
        name = str(ctx.triggered_id).removeprefix("do-")
        ids = alarm_actions.offered(name, rows) if name in ALARM_ACTIONS else []
        return {"kind": name, "alarms": ids, "n": sum(one or 0 for one in clicks)} if ids else no_update


def ordered_out(orders: pl.DataFrame) -> Piece:
    """Return what is out of service before it alarms, the newest first; None where nothing is."""
    if orders.is_empty():
        return None
    newest = orders.sort("out_wall", descending=True)
    more = orders.height - MAX_ORDERS
    note = html.Div(f"and {formatting.count(more, 'more')}", className="note") if more > 0 else None
    title = "Out of service, whatever alarms"
    return elements.card(
        title, html.Div([out_of_service_dialog.listed(newest.head(MAX_ORDERS)), note], className="scroll")
    )


def explained(rows: pl.DataFrame) -> Piece:
    """Return what the first of the ticked alarms rest on; None where none is ticked."""
    if rows.is_empty():
        return None
    told = [
        html.Div(
            [
                html.Div([elements.mark(row["priority"], row["state"]), html.B(row["title"]), elements.subject(row)]),
                evidence_panel.shown(row) or elements.nothing("Raised by an older version, without its evidence."),
            ],
            className="explained",
        )
        for row in queries.ordered(rows).head(MAX_EXPLAINED).iter_rows(named=True)
    ]
    more = rows.height - len(told)
    note = html.Div(f"and {formatting.count(more, 'more ticked alarm')}", className="note") if more > 0 else None
    return elements.card("Evidence of the ticked alarms", html.Div([*told, note], className="scroll"), name="why-card")


def selected(snapshot: Snapshot, ids: Any, chosen: str | None, search: str | None) -> pl.DataFrame:
    """Return those of the alarms that a person ticked which are still open and in the list that they look at."""
    known = [str(one) for one in ids][:MAX_ROWS] if isinstance(ids, list) else []
    return listed(snapshot, chosen, search).filter(pl.col("alarm").is_in(known))


def listed(snapshot: Snapshot, chosen: str | None, search: str | None) -> pl.DataFrame:
    """Return the open alarms of one of `FILTERS` that contain a text."""
    _, states = FILTERS.get(chosen or "all", FILTERS["all"])
    return snapshot.alarms.filter(pl.col("state").is_in(states) & contains(search or "", NAMES))


def _menu() -> Piece:
    items = [dmc.MenuItem(ALARM_ACTIONS[name].label, id=f"do-{name}", disabled=True) for name in MORE]
    return dmc.Menu(
        [dmc.MenuTarget(html.Button("More", className="button")), dmc.MenuDropdown(items)],
        transitionProps={"duration": 0},
    )


def open_alarms(snapshot: Snapshot, chosen: str, search: str) -> tuple[list[dict[str, Any]], str]:
    """Return the grid's rows in working order, and what to say where there are more."""
    found = queries.ordered(listed(snapshot, chosen, search))
    rows = [_row(row) for row in found.head(MAX_ROWS).iter_rows(named=True)]
    more = found.height - len(rows)
    return rows, f"{formatting.count(more, 'more alarm')} not shown; narrow them down by the search." if more else ""


def _row(row: dict[str, Any]) -> dict[str, Any]:
    """Return what the table shows of an alarm."""
    chain = f"Explains as well: {row['explains']}. First: {row['first_out']}." if row["explains"] else ""
    return {
        **{name: row[name] for name in (*COLUMNS, "age_s")},
        "age": formatting.stood(row["age_s"], over=row["returned"] is not None),
        "said_state": formatting.STATE_WORD.get(row["state"], row["state"]),
        "chain": chain,
        "many": elements.of_many(row),
        "story": "; ".join(alarm_actions.told(row)),
    }
