"""This file is the list of all pumps, as long as the fleet: found, sorted, opened."""

from __future__ import annotations

import asyncio
from typing import Any, Final
from urllib.parse import parse_qs

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update

from broker.store.snapshot import Snapshot, band
from dashboard import formatting
from dashboard.components import client_script, elements, forecast_panel, grids
from dashboard.components.elements import Piece
from dashboard.data import pump_search
from dashboard.data.services import DataService

PATH: Final = "/pumps"
TITLE: Final = "Pumps"
ORDER: Final = 3
MAX_SEARCHED: Final = 100


def layout(_desk: DataService, _rest: str = "") -> Piece:
    """Return the page; the grid asks for its rows itself, a screenful at a time."""
    grid = dag.AgGrid(
        id="pump-grid",
        columnDefs=grids.PUMP_COLUMNS,
        defaultColDef=grids.DEFAULTS,
        getRowId="params.data.pump",
        rowModelType="infinite",
        style=grids.FILL,
        dashGridOptions={
            **grids.OPTIONS,
            "cacheBlockSize": 100,
            "maxBlocksInCache": 4,
            "maxConcurrentDatasourceRequests": 1,
        },
    )
    hint = "Serial, site, gateway, lot, model"
    search = dmc.TextInput(id="pump-search", placeholder=hint, size="xs", debounce=300, w=260)
    return html.Div(
        [
            html.H1("Pumps", className="hidden"),
            elements.card(
                "All pumps",
                html.Div(grid, className="grid-box"),
                html.Div(id="pump-note", className="note"),
                side=search,
                name="grow-card",
            ),
            html.Div(id="pump-refreshed", hidden=True),
        ],
        className="column",
    )


def register(app: Dash, desk: DataService) -> None:
    """Answer the grid's requests; have it ask again when there is news."""

    @app.callback(
        Output("pump-grid", "getRowsResponse"),
        Output("pump-note", "children"),
        Input("pump-grid", "getRowsRequest"),
        State("pump-search", "value"),
    )
    async def rows(request: dict[str, Any] | None, search: str | None) -> Any:
        if request is None:
            return no_update, no_update
        return await asyncio.to_thread(answer, desk.snapshot(), request, search or "")

    @app.callback(Output("pump-search", "value"), Input("url", "search"))
    async def fill(asked: str | None) -> Any:
        return searched(asked) or no_update

    client_script.runs(
        app,
        "refresh",
        Output("pump-refreshed", "children"),
        Input("live", "data"),
        Input("pump-search", "value"),
    )


def searched(asked: str | None) -> str:
    """Return what the address asks to search for, as a cohort's alarm does: "?search=lot%20B07"."""
    return " ".join(parse_qs((asked or "").removeprefix("?")).get("search", []))[:MAX_SEARCHED]


def answer(snapshot: Snapshot, request: dict[str, Any], search: str) -> tuple[dict[str, Any], str]:
    """Return the rows that the grid asks for, in words, and how many there are."""
    found, total = pump_search.page(snapshot.pumps, request, search)
    columns = ("pump", "site", "gateway", "model", "worst", "priority", "silent", "unacknowledged", "lost")
    rows = found.select(*columns, "age_s", "flow_ul_h", "reservoir_ml", "battery_v", *band("low_d")).to_dicts()
    titles = dict(snapshot.alarms.select("rule", "title").unique().iter_rows())
    for row in rows:
        row["age"] = formatting.span(row["age_s"])
        row["flow"] = formatting.reading("flow_ul_h", row.pop("flow_ul_h"))
        row["reservoir"] = formatting.reading("reservoir_ml", row["reservoir_ml"])
        row["battery"] = formatting.reading("battery_v", row["battery_v"])
        row["low"] = forecast_panel.days(row, "low_d")
        for name in band("low_d"):
            del row[name]
        row["worst"] = titles.get(row["worst"], formatting.title(row["worst"] or ""))
    return {"rowData": rows, "rowCount": total}, formatting.count(total, "pump")
