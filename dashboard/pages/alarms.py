"""This file is the list of alarms to work off, one or many at a time, and what happened lately."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_ag_grid as dag
import dash_mantine_components as dmc
import polars as pl
from dash import Dash, Input, Output, State, html, no_update

from broker.snapshot import Snapshot
from dashboard import grids, pieces, queries, words
from dashboard.choice import contains
from dashboard.desk import Desk
from dashboard.pieces import Piece

PATH: Final = "/alarms"
TITLE: Final = "Alarms"
ORDER: Final = 2
MOST_ROWS: Final = 400
"""More than a person can work off at once; the rest is found by the search."""
MOST_EVENTS: Final = 60
COLUMNS: Final = (
    "alarm",
    "pump",
    "site",
    "title",
    "priority",
    "state",
    "meaning",
    "action",
    "deadline",
    "acknowledged_by",
)


def layout(_desk: Desk, _rest: str = "") -> Piece:
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
            data=[{"value": "all", "label": "All open"}, {"value": "waiting", "label": "Not acknowledged"}],
        ),
        dmc.TextInput(id="alarm-search", placeholder="Pump, site or gateway", size="xs", debounce=300, w=190),
        html.Button("Acknowledge selected", id="ack-selected", className="button", disabled=True),
    ]
    return html.Div(
        [
            html.H1("Alarms", className="hidden"),
            pieces.card(
                "Open alarms",
                html.Div(grid, className="grid-box"),
                html.Div(id="alarm-note", className="note"),
                side=tools,
                name="grow-card",
            ),
            pieces.card("What happened lately", html.Div(id="alarm-events", className="scroll"), name="events-card"),
        ],
        className="column",
    )


def register(app: Dash, desk: Desk) -> None:
    """Refresh with every snapshot; acknowledge what is selected."""

    @app.callback(
        Output("alarm-grid", "rowData"),
        Output("alarm-note", "children"),
        Output("alarm-events", "children"),
        Input("live", "data"),
        Input("alarm-filter", "value"),
        Input("alarm-search", "value"),
    )
    async def show(_live: Any, chosen: str | None, search: str | None) -> Any:
        rows, note = await asyncio.to_thread(open_alarms, desk.snapshot(), chosen or "all", search or "")
        return rows, note, await asyncio.to_thread(lambda: happened(desk.events(limit=MOST_EVENTS)))

    @app.callback(
        Output("ack-selected", "disabled"), Output("ack-selected", "children"), Input("alarm-grid", "selectedRows")
    )
    async def offer(rows: list[dict[str, Any]] | None) -> Any:
        ids = waiting_of(rows)
        return not ids, f"Acknowledge {words.count(len(ids), 'alarm')}" if ids else "Acknowledge selected"

    @app.callback(
        Output("ack", "data", allow_duplicate=True),
        Input("ack-selected", "n_clicks"),
        State("alarm-grid", "selectedRows"),
        prevent_initial_call=True,
    )
    async def acknowledge(clicks: int | None, rows: list[dict[str, Any]] | None) -> Any:
        ids = waiting_of(rows)
        return {"alarms": ids, "n": clicks} if clicks and ids else no_update


def open_alarms(snapshot: Snapshot, chosen: str, search: str) -> tuple[list[dict[str, Any]], str]:
    """Return the grid's rows in working order, and what to say where there are more."""
    found = snapshot.alarms if chosen == "all" else snapshot.alarms.filter(pl.col("state") != "acknowledged")
    found = queries.ordered(found.filter(contains(search)))
    rows = found.head(MOST_ROWS).select(*COLUMNS, "age_s").to_dicts()
    for row in rows:
        row["age"] = words.span(row["age_s"])
        row["said_state"] = words.STATE_WORD.get(row["state"], row["state"])
    more = found.height - len(rows)
    return rows, f"{words.count(more, 'more alarm')} not shown; narrow them down by the search." if more else ""


def happened(events: pl.DataFrame) -> Piece:
    """Return the table of recent events, newest first."""
    if events.is_empty():
        return pieces.nothing("Nothing has happened yet.")
    heads = [("At", ""), ("Therapy time", ""), ("What", ""), ("Pump", ""), ("Alarm", "wide"), ("Who", "")]
    rows = [
        [
            words.second(event["at"]),
            words.moment(event["time"]),
            words.KIND_WORD.get(event["kind"], words.title(event["kind"])),
            pieces.pump_link(event["pump"]) if event["pump"] else "",
            html.Span(
                [
                    pieces.mark(event["priority"]),
                    event["title"] or "",
                    html.Span(event["text"] or "", className="note"),
                ],
                className="priority",
            ),
            event["who"] or "",
        ]
        for event in events.iter_rows(named=True)
    ]
    return pieces.table(heads, rows)


def waiting_of(rows: list[dict[str, Any]] | None) -> list[str]:
    """Return the ids of selected alarms that nobody has acknowledged."""
    return [str(row["alarm"]) for row in rows or [] if row.get("state") != "acknowledged"]
