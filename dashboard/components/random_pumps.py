"""Fields that draw healthy pumps at random: how many, of which model and site; the server draws and shows them."""

from __future__ import annotations

from typing import Any, Final

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, ctx, html, no_update

from broker.store.pump_table import PumpTable
from dashboard.components.elements import Component
from dashboard.components.fault_choice import KEPT
from dashboard.data import healthy_pumps
from dashboard.data.services import DataService

MAX_DRAWN: Final = 100
MAX_DRAW: Final = 1_000_000
EVERY: Final = "any"


def fields(name: str, table: PumpTable) -> Component:
    """Return the fields `{name}-draw-…` for the models and sites of a fleet; what is drawn goes to the picker.

    The choices are there from the beginning: a field forgets a kept value that is none of its choices.
    """
    models, sites = ([EVERY, *healthy_pumps.names(table, label)] for label in ("model", "site"))
    choices = {"allowDeselect": False, "searchable": True, "value": EVERY, **KEPT}
    return html.Fieldset(
        [
            html.Legend("or draw healthy pumps at random"),
            html.Div(
                [
                    dmc.NumberInput(
                        id=f"{name}-draw-count",
                        label="How many",
                        value=10,
                        min=1,
                        max=MAX_DRAWN,
                        clampBehavior="strict",
                        allowDecimal=False,
                        w=96,
                        **KEPT,
                    ),
                    dmc.Select(id=f"{name}-draw-model", label="Model", data=models, w=260, **choices),
                    dmc.Select(id=f"{name}-draw-site", label="Site", data=sites, w=130, **choices),
                    dmc.NumberInput(
                        id=f"{name}-draw-number",
                        label="Draw number",
                        value=1,
                        min=1,
                        max=MAX_DRAW,
                        clampBehavior="strict",
                        allowDecimal=False,
                        w=110,
                        **KEPT,
                    ),
                    html.Button("Draw", id=f"{name}-draw", className="button"),
                    html.Button("Draw others", id=f"{name}-draw-again", className="button"),
                ],
                className="draw-fields",
            ),
            html.P(id=f"{name}-drawn", className="note", role="status"),
        ],
        className="draw",
    )


def register(app: Dash, data: DataService, name: str, faulty: Any) -> None:
    """Draw; `faulty` returns the serials of pumps that have an injected fault."""

    @app.callback(
        Output(f"{name}-picked", "value"),
        Output(f"{name}-draw-number", "value"),
        Output(f"{name}-drawn", "children"),
        Input(f"{name}-draw", "n_clicks"),
        Input(f"{name}-draw-again", "n_clicks"),
        State(f"{name}-draw-count", "value"),
        State(f"{name}-draw-model", "value"),
        State(f"{name}-draw-site", "value"),
        State(f"{name}-draw-number", "value"),
        prevent_initial_call=True,
    )
    async def draw(*values: Any) -> Any:
        clicks, (count, model, site, number) = values[:2], values[2:]
        if not any(clicks):
            return no_update, no_update, no_update
        return drawn(
            data,
            count=count,
            model=model,
            site=site,
            number=_whole(number, 1, MAX_DRAW) + (ctx.triggered_id == f"{name}-draw-again"),
            faulty=faulty(),
        )


def drawn(
    data: DataService, *, count: Any, model: Any, site: Any, number: int, faulty: set[str]
) -> tuple[list[str], int, str]:
    """Return the serials drawn, the number of the draw, and a sentence about it; what is out of range is brought in."""
    wanted = _whole(count, 1, MAX_DRAWN)
    table = data.snapshot().table
    found = healthy_pumps.draw(table, wanted, number, model=_label(model), site=_label(site), faulty=faulty)
    return found.pumps["pump"].to_list(), number, healthy_pumps.describe(found, wanted)


def _label(value: Any) -> str:
    return "" if value in (None, EVERY) else str(value)[:200]


def _whole(value: Any, low: int, high: int) -> int:
    return min(high, max(low, int(value))) if isinstance(value, int | float) else low
