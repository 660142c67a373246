"""This file is the two fields in which an engineer names the pumps of an order: by number, or picked by serial."""

from __future__ import annotations

from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, html

from dashboard.components.elements import Piece
from dashboard.data import pump_search
from dashboard.data.services import DataService


def fields(name: str) -> list[Piece]:
    """Return the fields `{name}-pumps` and `{name}-picked`; below the first it is said which pumps are named."""
    return [
        dmc.TextInput(
            id=f"{name}-pumps",
            label="Pumps",
            placeholder="3, 7-9, ITB-000123",
            description=html.Span(id=f"{name}-chosen"),
        ),
        dmc.MultiSelect(
            id=f"{name}-picked",
            label="or pick by serial",
            data=[],
            searchable=True,
            placeholder="type a part of a serial",
            maxValues=100,
            limit=50,
        ),
    ]


def register(app: Dash, desk: DataService, name: str) -> None:
    """Offer serials that match what is typed, and say which pumps are named."""

    @app.callback(
        Output(f"{name}-picked", "data"), Input(f"{name}-picked", "searchValue"), State(f"{name}-picked", "value")
    )
    async def offer(typed: str | None, picked: list[str] | None) -> Any:
        return sorted({*pump_search.matching(desk.snapshot().pumps, typed or ""), *(picked or [])})

    @app.callback(
        Output(f"{name}-chosen", "children"), Input(f"{name}-pumps", "value"), Input(f"{name}-picked", "value")
    )
    async def count(text: str | None, picked: list[str] | None) -> Any:
        return pump_search.say(chosen(desk, text, picked))


def chosen(desk: DataService, text: str | None, picked: list[str] | None) -> pump_search.Choice:
    """Return the pumps that both fields name together."""
    return pump_search.choose(desk.snapshot().pumps, " ".join([text or "", *(picked or [])]))
