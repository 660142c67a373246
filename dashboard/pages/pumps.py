"""Pumps: the whole fleet in a grid, searched, filtered and sorted on the server; a list of cards on a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from functools import partial
from typing import Any, Final

import dash_ag_grid as dag
import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from broker.display.names import PUMP_STATES
from broker.store.pump_table import band
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.components import (
    address,
    client_script,
    elements,
    filter_disclosure,
    forecast_panel,
    grids,
    pump_rows_route,
    retirement_dialog,
    shell,
)
from dashboard.components.elements import Component
from dashboard.components.pump_rows_route import Asked
from dashboard.data import names, pump_search, queries, retirement
from dashboard.data.fleet_index import facts_index
from dashboard.data.pump_search import LABELLED, Filters, Page
from dashboard.data.services import DataService
from dashboard.languages import decimal, tr, tr_later

MAX_OPTIONS: Final = 1_000
"""Labels offered in one filter; the search finds pumps by any label."""
FILTERS: Final = ("state", "rule", *LABELLED)
NO_FILTERS: Final = Filters()
WIDTHS: Final = {"state": 106, "rule": 190, "model": 116, "site": 116, "gateway": 130}
FILTER_LABELS: Final = {
    "state": tr_later("Filter by state"),
    "rule": tr_later("Filter by alarm"),
    "model": tr_later("Filter by model"),
    "site": tr_later("Filter by site"),
    "gateway": tr_later("Filter by gateway"),
}
ALL: Final = {
    "state": tr_later("Any state"),
    "rule": tr_later("Any alarm"),
    "model": tr_later("Any model"),
    "site": tr_later("Any site"),
    "gateway": tr_later("Any gateway"),
}


def layout(data: DataService) -> Component:
    """Return the page; the grid requests its rows itself, one screenful at a time."""
    grid = dag.AgGrid(
        id="pump-grid",
        columnDefs=grids.titled([*grids.PUMP_COLUMNS, grids.PUMP_CARD]),
        defaultColDef=grids.DEFAULTS,
        getRowId="params.data.pump",
        rowModelType="infinite",
        style=grids.FILL,
        eventListeners={
            "rowClicked": ["openPump(params)"],
            "cellKeyDown": ["openPumpByKey(params)"],
            "modelUpdated": ["fitPumps(params)"],
            "bodyScrollEnd": ["pumpsMoved(params)"],
        },
        dashGridOptions={
            **grids.OPTIONS,
            "cacheBlockSize": 100,
            "maxBlocksInCache": 4,
            "maxConcurrentDatasourceRequests": 1,
            "localeText": {"noRowsToShow": tr("No pumps.")},
        },
    )
    hint = tr("Serial, state, alarm, site, lot, model")
    search = dmc.TextInput(
        id="pump-search", placeholder=hint, size="xs", debounce=300, w=220, **client_script.label(tr("Search pumps"))
    )
    return html.Div(
        [
            html.H1(tr("Pumps"), className="hidden"),
            elements.card(
                tr("Pumps"),
                html.Div(grid, className="grid-box pump-list"),
                html.Div(id="pump-note", className="note", role="status"),
                side=html.Div(
                    [search, *filter_disclosure.folded("pump", [_filter(data.snapshot(), name) for name in FILTERS])],
                    className="pump-tools",
                ),
                name="grow-card pumps-card",
            ),
            html.Details(
                [html.Summary(id="retired-count"), html.Div(id="retired-pumps", className="scroll")],
                id="retired-card",
                className="card retired-card",
                hidden=True,
            ),
            html.Div(id="pump-refreshed", hidden=True),
            dcc.Store(id="retired-ask"),
        ],
        className="column",
        **client_script.BY_EVENT,
    )


def _filter(snapshot: Snapshot, name: str) -> Component:
    return dmc.Select(
        id=f"pump-{name}",
        value="",
        data=[{"value": value, "label": label} for value, label in options(snapshot, name).items()],
        allowDeselect=False,
        searchable=name != "state",
        limit=200,
        size="xs",
        w=WIDTHS[name],
        **client_script.label(tr(FILTER_LABELS[name])),
    )


def options(snapshot: Snapshot, name: str) -> dict[str, str]:
    """Return the values that one of `FILTERS` can have, with their labels; "" is all."""
    if name == "state":
        return {"": tr(ALL[name]), **{state: tr(state.capitalize()) for state in PUMP_STATES}}
    if name == "rule":
        of_pumps = snapshot.health.rules | dict(
            snapshot.alarms.drop_nulls("pump").select("rule", "title").drop_nulls().unique("rule").iter_rows()
        )
        return {
            "": tr(ALL[name]),
            **dict(sorted(((rule, tr(title)) for rule, title in of_pumps.items()), key=lambda rule: rule[1].lower())),
        }
    labels = [label for label in facts_index(snapshot.table.facts).labels(name).names.head(MAX_OPTIONS) if label]
    return {"": tr(ALL[name]), **{label: label for label in labels}}


def register(app: Dash, data: DataService) -> None:
    """Add the page; answer the grid's requests, and keep the rows in view up to date."""
    shell.add_page(__name__, name="Pumps", path="/pumps", order=3, layout=partial(layout, data))

    def allowed(name: str) -> Callable[[], Collection[str]]:
        return lambda: options(data.snapshot(), name)

    controls = {
        "search": address.text("pump-search"),
        **{name: address.choice(f"pump-{name}", allowed(name), step=True) for name in FILTERS},
        "sort": address.sorting("pump-grid", pump_search.SORTABLE),
    }
    address.bind(app, "/pumps", controls)
    filter_disclosure.register(app, "pump", *(f"pump-{name}" for name in FILTERS))

    @app.callback(
        Output("pump-grid", "getRowsResponse"),
        Output("pump-note", "children"),
        Input("pump-grid", "getRowsRequest"),
        State("pump-search", "value"),
        *[State(f"pump-{name}", "value") for name in FILTERS],
    )
    async def rows(request: dict[str, Any] | None, search: str | None, *chosen: str | None) -> Any:
        if request is None:
            return no_update, no_update
        filters = Filters(**{name: str(value or "") for name, value in zip(FILTERS, chosen, strict=True)})
        return await asyncio.to_thread(answer, data.snapshot(), request, search or "", filters)

    @app.callback(
        Output("retired-card", "hidden"),
        Output("retired-count", "children"),
        Output("retired-pumps", "children"),
        Input("retired-ask", "data"),
        Input("pump-search", "value"),
    )
    async def retired(_ask: Any, search: str | None) -> Any:
        return await asyncio.to_thread(retired_pumps, data.snapshot(), search or "")

    client_script.runs(
        app,
        "refresh",
        Output("pump-refreshed", "children"),
        Input("pump-search", "value"),
        *[Input(f"pump-{name}", "value") for name in FILTERS],
    )
    pump_rows_route.serve(app, lambda asked: in_view(data.snapshot(), asked))


def retired_pumps(snapshot: Snapshot, search: str) -> tuple[bool, str, Component]:
    """Return whether to hide the list of retired pumps (there are none), its title and the list."""
    every, found = snapshot.retired.height, retirement.found(snapshot, search[: address.MAX_TEXT])
    of = tr(" of {every}", every=decimal(every)) if found.height != every else ""
    return every == 0, tr("Retired: {height}{of}", height=decimal(found.height), of=of), retirement_dialog.listed(found)


def answer(
    snapshot: Snapshot, request: dict[str, Any], search: str, filters: Filters = NO_FILTERS
) -> tuple[dict[str, Any], str]:
    """Return the formatted rows that the grid asks for, and the counts of all that match."""
    titles = names.rule_titles(snapshot)
    kept = pump_search.filtered(snapshot.table, filters, snapshot.alarms)
    # A person searches in the language of the page, or in English.
    states = {tr(state).lower(): state for state in PUMP_STATES}
    searched = {rule: f"{title} {tr(title)}" for rule, title in titles.items()}
    text = states.get(search.strip().lower(), search)
    found = pump_search.page(snapshot.table, request, text, searched, kept)
    columns = ("pump", "site", "gateway", "model", "worst", "priority", "silent", "unacknowledged", "lost")
    forecast = ("commanded_ul_h", *band("low_d"), *band("eos_d"))
    rows = found.rows.select(*columns, "age_s", "flow_ul_h", "reservoir_ml", "battery_v", *forecast).to_dicts()
    for row in rows:
        row["age"] = formatting.span(row["age_s"])
        row["low"] = forecast_panel.reservoir_text(row, "low_d")
        row["flow"] = formatting.reading("flow_ul_h", row.pop("flow_ul_h"))
        row["reservoir"] = formatting.reading("reservoir_ml", row["reservoir_ml"])
        row["battery"] = formatting.reading("battery_v", row["battery_v"])
        for name in forecast:
            del row[name]
        row["worst"] = tr(names.rule_title(titles, row["worst"]))
    return {"rowData": rows, "rowCount": found.total}, note(snapshot, found)


def in_view(snapshot: Snapshot, asked: Asked) -> dict[str, Any]:
    """Return the rows in view, as the grid got them, what stands below them, and how many pumps are retired."""
    filters = Filters(**{name: asked.filters.get(name, "") for name in FILTERS})
    rows, below = answer(snapshot, asked.request(), asked.search[: address.MAX_TEXT], filters)
    return {"rows": rows["rowData"], "total": rows["rowCount"], "note": below, "retired": snapshot.retired.height}


def note(snapshot: Snapshot, found: Page) -> str:
    """Return how many pumps match, how many of them are in which state, and how old their values are."""
    every = snapshot.table.height
    if not every:
        return tr(formatting.NO_PUMPS)
    if not found.total:
        return tr("None of {count} matches; clear the search or a filter.", count=formatting.count(every, "pump"))
    of = (
        tr("{total} of {count}", total=decimal(found.total), count=formatting.count(every, "pump"))
        if found.total < every
        else formatting.count(every, "pump")
    )
    states = ", ".join(f"{decimal(count)} {tr(state)}" for state, count in found.states.items() if count)
    return "; ".join(part for part in (f"{of}: {states}", queries.lag_note(snapshot)) if part)
