"""Form for injecting faults: pumps by number, by search or at random, severity, ramp, duration."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from broker.contract.dose_limits import MAX_SEVERITY
from broker.store.pump_table import PumpTable
from dashboard.access.accounts import VISITOR
from dashboard.components import client_script, elements, pump_picker, random_pumps
from dashboard.components.elements import Component
from dashboard.components.fault_choice import KEPT

ONLY: str = "Only engineers and admins may inject faults."


def form(table: PumpTable) -> Component:
    """Return the form for the pumps of a fleet; its fields keep their values while the browser's tab is open."""
    may = VISITOR.get().may("inject")
    hours = {"min": 0, "step": 0.5, "decimalScale": 2, "suffix": " h", "className": "hours"}
    steps = [{"value": v * MAX_SEVERITY / 4, "label": f"{v * MAX_SEVERITY / 4:g}"} for v in range(5)]
    return html.Div(
        [
            *pump_picker.fields("fault", **KEPT),
            random_pumps.fields("fault", table),
            html.Div(
                [
                    html.Div(["Severity ", html.B(id="fault-severity-now")], className="slider-label"),
                    dmc.Slider(
                        id="fault-severity",
                        value=0.8,
                        min=0,
                        max=MAX_SEVERITY,
                        step=0.05,
                        precision=2,
                        marks=steps,
                        thumbLabel="Severity",
                        updatemode="drag",
                        **KEPT,
                    ),
                ],
                className="slider",
            ),
            html.Div(
                [
                    dmc.NumberInput(id="fault-ramp", label="Ramp (therapy time)", value=0, **hours, **KEPT),
                    dmc.NumberInput(id="fault-hold", label="Duration (blank: permanent)", value="", **hours, **KEPT),
                ],
                className="fault-times",
            ),
            html.Div(
                [
                    html.Button("Inject", id="fault-inject", className="button strong", disabled=not may),
                    html.Button("Clear these faults", id="fault-clear", className="button", disabled=not may),
                    html.Button("Clear all faults", id="fault-clear-all", className="button", disabled=not may),
                ],
                className="buttons",
                role="group",
                **client_script.label("Inject and clear on the selected pumps"),
            ),
            None if may else elements.nothing(ONLY),
        ],
        className="form",
    )
