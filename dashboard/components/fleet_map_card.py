"""Fleet map: a card with a cell per pump; large fleets by group, which a click opens. Every cell is a link."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboard.components import address, client_script, elements
from dashboard.components.elements import Component
from dashboard.data import fleet_map
from dashboard.data.fleet_map import GROUPINGS, View
from dashboard.data.services import DataService
from dashboard.languages import tr, tr_later

MAX_PART: int = 100_000
BY: Final = {
    "site": tr_later("By site"),
    "gateway": tr_later("By gateway"),
    "model": tr_later("By model"),
    "lot": tr_later("By lot"),
    "group": tr_later("By patient group"),
}
"""What the map may be divided by (`dashboard.data.fleet_map.GROUPINGS`)."""


def card() -> Component:
    """Return the card; its cells follow with the first snapshot."""
    by = dmc.Select(
        id="map-by",
        value="site",
        data=[{"value": name, "label": tr(title)} for name, title in BY.items()],
        allowDeselect=False,
        size="xs",
        w=150,
        **client_script.label(tr("Divide the map by")),
    )
    return elements.card(
        tr("Fleet map"),
        html.Div(id="map-path", className="map-path"),
        html.Div(id="map", className="fleet-map"),
        html.Div(id="map-note", className="note"),
        dcc.Store(id="map-ask"),
        dcc.Store(id="map-group", data=""),
        dcc.Store(id="map-part", data=""),
        dcc.Store(id="map-cells"),
        dcc.Store(id="map-names"),
        dcc.Store(id="map-key"),
        side=by,
        name="map-card",
    )


def register(app: Dash, data: DataService, path: str) -> None:
    """Add the card's callbacks, and what is open in the map to the address of the page at `path`."""
    address.bind(
        app,
        path,
        {
            "by": address.choice("map-by", GROUPINGS, default="site", step=True),
            "group": address.text("map-group", prop="data", step=True),
            "part": address.text("map-part", prop="data", step=True),
        },
    )

    @app.callback(
        Output("map-cells", "data"),
        Output("map-names", "data"),
        Output("map-key", "data"),
        Input("map-ask", "data"),
        Input("map-by", "value"),
        Input("map-group", "data"),
        Input("map-part", "data"),
        State("map-key", "data"),
    )
    async def fleet(_ask: Any, by: Any, group: Any, part: Any, key: Any) -> Any:
        return await asyncio.to_thread(drawn, data, view(by, group, part), key)

    client_script.runs(
        app,
        "map",
        Output("map-note", "children"),
        Input("map-cells", "data"),
        State("map-names", "data"),
    )


def view(by: Any, group: Any, part: Any) -> View:
    """Return what a browser asks to see, the whole fleet by site if that is nothing the map has."""
    divided = by if by in GROUPINGS else "site"
    opened = group[: address.MAX_TEXT] if isinstance(group, str) else ""
    digits = part if isinstance(part, str) and part.isascii() and part.isdigit() and len(part) < 7 else ""
    return View(divided, opened, int(digits) if opened and digits else None)


def drawn(data: DataService, asked: View, key: Any) -> tuple[Any, Any, Any]:
    """Return the map's cells and their names, neither if the browser has them, and what it has then (`key`)."""
    found = fleet_map.cells(data.snapshot(), asked)
    cells = {name: value for name, value in found.items() if name not in {"names", "key"}}
    fresh = [found["key"], str(hash(str(cells)))]
    known = key if isinstance(key, list) and len(key) == len(fresh) else [None, None]
    return (
        no_update if known == fresh else cells,
        no_update if known[0] == fresh[0] else found["names"],
        no_update if known == fresh else fresh,
    )
