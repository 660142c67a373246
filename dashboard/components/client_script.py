"""This file is what Python says to the browser beside components: our own JavaScript, and attributes for it."""

from __future__ import annotations

from typing import Any, Final

from dash import ClientsideFunction, Dash

GO: Final[dict[str, Any]] = {"data-go": ""}
"""Marks a link that changes the page without reloading the frame."""


def label(said: str) -> dict[str, Any]:
    """Return the attribute that tells a screen reader what a shape or picture says."""
    return {"aria-label": said}


def runs(app: Dash, function: str, *wires: Any) -> None:
    """Let a function of our assets answer outputs, inputs and states, without asking the server."""
    app.clientside_callback(ClientsideFunction("pumpwatch", function), *wires)  # type: ignore[no-untyped-call]
