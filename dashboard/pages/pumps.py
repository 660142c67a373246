"""Pumps: the whole fleet in a grid, searched and sorted on the server."""

from __future__ import annotations

import asyncio
from typing import Any

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html, no_update

from broker.store.pump_table import band
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.components import address, client_script, elements, forecast_panel, grids, retirement_dialog, shell
from dashboard.components.elements import Component
from dashboard.data import pump_search, queries, retirement
from dashboard.data.services import DataService


def layout() -> Component:
    """Return the page; the grid requests its rows itself, one screenful at a time."""
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
    hint = "Serial, state, alarm, site, lot, model"
    search = dmc.TextInput(
        id="pump-search", placeholder=hint, size="xs", debounce=300, w=260, **client_script.label("Search pumps")
    )
    return html.Div(
        [
            html.H1("Pumps", className="hidden"),
            elements.card(
                "Pumps",
                html.Div(grid, className="grid-box"),
                html.Div(id="pump-note", className="note"),
                side=search,
                name="grow-card",
            ),
            html.Details(
                [html.Summary(id="retired-count"), html.Div(id="retired-pumps", className="scroll")],
                id="retired-card",
                className="card retired-card",
                hidden=True,
            ),
            html.Div(id="pump-refreshed", hidden=True),
        ],
        className="column",
    )


def register(app: Dash, data: DataService) -> None:
    """Add the page; answer the grid's requests, and refresh it with new snapshots."""
    shell.add_page(__name__, name="Pumps", path="/pumps", order=3, layout=layout)
    controls = {"search": address.text("pump-search"), "sort": address.sorting("pump-grid", pump_search.SORTABLE)}
    address.bind(app, "/pumps", controls)

    @app.callback(
        Output("pump-grid", "getRowsResponse"),
        Output("pump-note", "children"),
        Input("pump-grid", "getRowsRequest"),
        State("pump-search", "value"),
    )
    async def rows(request: dict[str, Any] | None, search: str | None) -> Any:
        if request is None:
            return no_update, no_update
        return await asyncio.to_thread(answer, data.snapshot(), request, search or "")

    @app.callback(
        Output("retired-card", "hidden"),
        Output("retired-count", "children"),
        Output("retired-pumps", "children"),
        Input("live", "data"),
        Input("pump-search", "value"),
    )
    async def retired(_live: Any, search: str | None) -> Any:
        return await asyncio.to_thread(retired_pumps, data.snapshot(), search or "")

    client_script.runs(
        app,
        "refresh",
        Output("pump-refreshed", "children"),
        Input("live", "data"),
        Input("pump-search", "value"),
    )


def retired_pumps(snapshot: Snapshot, search: str) -> tuple[bool, str, Component]:
    """Return whether to hide the list of retired pumps (there are none), its title and the list."""
    every, found = snapshot.retired.height, retirement.found(snapshot, search[: address.MAX_TEXT])
    of = f" of {every:,}" if found.height != every else ""
    return every == 0, f"Retired: {found.height:,}{of}", retirement_dialog.listed(found)


def answer(snapshot: Snapshot, request: dict[str, Any], search: str) -> tuple[dict[str, Any], str]:
    """Return the formatted rows that the grid asks for, and the count of all."""
    titles = {**snapshot.health.rules, **dict(snapshot.alarms.select("rule", "title").unique().iter_rows())}
    found, total = pump_search.page(snapshot.table, request, search, titles)
    columns = ("pump", "site", "gateway", "model", "worst", "priority", "silent", "unacknowledged", "lost")
    forecast = ("commanded_ul_h", *band("low_d"), *band("eos_d"))
    rows = found.select(*columns, "age_s", "flow_ul_h", "reservoir_ml", "battery_v", *forecast).to_dicts()
    for row in rows:
        row["age"] = formatting.span(row["age_s"])
        row["low"] = forecast_panel.reservoir_text(row, "low_d")
        row["flow"] = formatting.reading("flow_ul_h", row.pop("flow_ul_h"))
        row["reservoir"] = formatting.reading("reservoir_ml", row["reservoir_ml"])
        row["battery"] = formatting.reading("battery_v", row["battery_v"])
        for name in forecast:
            del row[name]
        row["worst"] = titles.get(row["worst"], formatting.title(row["worst"] or ""))
    note = "; ".join(part for part in (formatting.count(total, "pump"), queries.lag_note(snapshot)) if part)
    return {"rowData": rows, "rowCount": total}, note
