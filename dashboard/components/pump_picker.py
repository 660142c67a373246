"""Fields that select the pumps of a command: by number, or from a list of serial numbers."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html

from dashboard.components.elements import Component
from dashboard.data import pump_search
from dashboard.data.services import DataService


def fields(name: str, **more: Any) -> list[Component]:
    """Return the fields `{name}-pumps` and `{name}-picked`; the first shows the selected pumps below it.

    `more` are properties of both, such as whether they keep their values.
    """
    return [
        dmc.TextInput(
            id=f"{name}-pumps",
            label="Pumps",
            placeholder="3, 7-9, ITB-000123",
            description=html.Span(id=f"{name}-chosen"),
            **more,
        ),
        dmc.MultiSelect(
            id=f"{name}-picked",
            label="or select by serial number",
            data=[],
            searchable=True,
            placeholder="Type part of a serial number",
            maxValues=100,
            limit=50,
            **more,
        ),
    ]


def register(app: Dash, data: DataService, name: str) -> None:
    """Offer the serial numbers that match what is typed, and show the selected pumps."""

    @app.callback(
        Output(f"{name}-picked", "data"), Input(f"{name}-picked", "searchValue"), State(f"{name}-picked", "value")
    )
    async def offer(typed: str | None, picked: list[str] | None) -> Any:
        return sorted({*pump_search.matching(data.snapshot().table, typed or ""), *(picked or [])})

    @app.callback(
        Output(f"{name}-chosen", "children"), Input(f"{name}-pumps", "value"), Input(f"{name}-picked", "value")
    )
    async def count(text: str | None, picked: list[str] | None) -> Any:
        return pump_search.describe(chosen(data, text, picked))


def chosen(data: DataService, text: str | None, picked: list[str] | None) -> pump_search.Choice:
    """Return the pumps that both fields select together."""
    return pump_search.choose(data.snapshot().table, " ".join([text or "", *(picked or [])]))
