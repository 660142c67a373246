"""Bridge to our JavaScript: clientside callbacks, and the attributes that the scripts and screen readers use."""

from __future__ import annotations

from typing import Any, Final

from dash import ClientsideFunction, Dash

GO: Final[dict[str, Any]] = {"data-go": ""}
"""Attribute of a link that changes the page without reloading the frame."""

BY_EVENT: Final[dict[str, Any]] = {"data-by-event": ""}
"""Attribute of a page whose scripts hear of snapshots by events: no callback of it has `Input("live", "data")`."""


def label(text: str) -> dict[str, Any]:
    """Return the attribute that gives a shape or picture a text for screen readers."""
    return {"aria-label": text}


def chooses(store: str, value: str) -> dict[str, Any]:
    """Return the attributes of a button that puts a value into a store when it is clicked."""
    return {"data-store": store, "data-choose": value}


def runs(app: Dash, function: str, *wires: Any, **options: Any) -> None:
    """Register a function of our assets as a callback that runs in the browser."""
    app.clientside_callback(ClientsideFunction("pumpwatch", function), *wires, **options)  # type: ignore[no-untyped-call]
