"""This file is the form in which an engineer says which pumps shall fail, how, and how badly."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from broker.contract.dose_limits import MAX_SEVERITY
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.components import elements, pump_picker
from dashboard.components.elements import Piece


def form(snapshot: Snapshot) -> Piece:
    """Return the form, with the faults that the gateways said they can play."""
    faults = [{"value": name, "label": formatting.title(name)} for name in snapshot.health.faults]
    may = VISITOR.get().may("inject")
    hours = {"min": 0, "step": 0.5, "decimalScale": 2, "suffix": " h", "w": 150}
    return html.Div(
        [
            dmc.Select(
                id="fault-name",
                label="Fault",
                data=faults,
                value=faults[0]["value"] if faults else None,
                searchable=True,
                placeholder="no gateway has named its faults yet",
                allowDeselect=False,
            ),
            *pump_picker.fields("fault"),
            html.Div(
                [
                    html.Div("Severity", className="slider-label"),
                    dmc.Slider(
                        id="fault-severity",
                        value=0.8,
                        min=0,
                        max=MAX_SEVERITY,
                        step=0.05,
                        marks=[{"value": v * MAX_SEVERITY / 4, "label": f"{v * MAX_SEVERITY / 4:g}"} for v in range(5)],
                    ),
                ],
                className="slider",
            ),
            dmc.Group(
                [
                    dmc.NumberInput(id="fault-ramp", label="Ramp, therapy time", value=0, **hours),
                    dmc.NumberInput(id="fault-hold", label="Hold, empty: for good", value="", **hours),
                ],
                gap=12,
            ),
            html.Div(
                [
                    html.Button("Inject", id="fault-inject", className="button strong", disabled=not may),
                    html.Button("Clear this fault", id="fault-clear", className="button", disabled=not may),
                    html.Button(
                        "Clear all faults of these pumps", id="fault-clear-all", className="button", disabled=not may
                    ),
                ],
                className="buttons",
            ),
            None if may else elements.nothing("Only engineers may make pumps fail."),
        ],
        className="form",
    )
