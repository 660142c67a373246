"""Filters that a small screen keeps behind a button, which says how many of them are set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import Dash, Input, Output, html

from dashboard.components import client_script
from dashboard.components.elements import Component
from dashboard.languages import tr


def folded(name: str, controls: Sequence[Component], look: str = "") -> list[Component]:
    """Return the button "Filters", which only small screens show, and the controls that it folds and unfolds.

    `name` is unique among pages; `look` are further classes of the element around the controls.
    """
    state: dict[str, Any] = {"aria-expanded": "false", "aria-controls": f"{name}-filters"}
    button = html.Button(tr("Filters"), id=_button(name), className="button filters-button", type="button", **state)
    return [button, html.Div(list(controls), id=f"{name}-filters", className=f"filters-folded {look}".rstrip())]


def register(app: Dash, name: str, *controls: str) -> None:
    """Let the button count which of the controls (ids) have a value; "none" is a control's word for no value."""
    client_script.runs(app, "filters", Output(_button(name), "children"), *(Input(one, "value") for one in controls))


def _button(name: str) -> str:
    return f"{name}-filters-button"
