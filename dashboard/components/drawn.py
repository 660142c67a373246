"""Large still parts of a page, drawn by our own script.

Dash's renderer asks every component on each change of a page: a sheet of five thousand took two minutes to appear. What
is plain HTML that no callback knows goes to the browser as data instead; `draw.js` makes its elements, and keeps those
that did not change.
"""

from __future__ import annotations

from typing import Any, Final

from dash import Dash, Input, Output, dcc, html
from dash.development.base_component import Component as DashComponent

from dashboard.components import client_script
from dashboard.components.elements import Component

Node = str | list[Any]
"""A text, or an element: its tag, its attributes by name, its nodes."""
NAMES: Final = {"className": "class", "htmlFor": "for", "colSpan": "colspan", "rowSpan": "rowspan"}
"""Attributes of Dash that HTML calls otherwise."""


def area(name: str, **attributes: Any) -> list[Component]:
    """Return the place where a part is drawn, and what holds its data."""
    return [html.Div(id=name, **attributes), dcc.Store(id=_data_of(name))]


def output(name: str) -> Output:
    """Return the output of the callback that gives the nodes of an area."""
    return Output(_data_of(name), "data")


def register(app: Dash, name: str) -> None:
    """Draw an area whenever its nodes change."""
    client_script.runs(app, "draw", Input(_data_of(name), "data"))


def nodes(content: Component) -> list[Node]:
    """Return the nodes of HTML components.

    Raises `TypeError` for what is not plain: another component, one with an id or a style, or one that counts clicks.
    """
    if content is None:
        return []
    if isinstance(content, list | tuple):
        return [node for one in content for node in nodes(one)]
    if not isinstance(content, DashComponent):
        return [str(content)]
    found = content.to_plotly_json()  # type: ignore[no-untyped-call]
    attributes = {name: value for name, value in found["props"].items() if name != "children" and value is not None}
    unknown = attributes.keys() & {"id", "style", "n_clicks"}
    if found["namespace"] != html.Div._namespace or unknown:
        what = f" with {', '.join(sorted(unknown))}" if unknown else ""
        raise TypeError(f"{found['type']}{what} cannot be drawn: only HTML components that no callback knows can")
    return [
        [
            found["type"].lower(),
            {NAMES.get(name, name): _text(value) for name, value in attributes.items() if value is not False},
            nodes(found["props"].get("children")),
        ]
    ]


def _text(value: Any) -> str:
    return "" if value is True else str(value)


def _data_of(name: str) -> str:
    return f"{name}-nodes"
