"""Form for injecting a fault: fault, pumps, severity, ramp, duration."""

from __future__ import annotations

import dash_mantine_components as dmc
from dash import html

from broker.contract.dose_limits import MAX_SEVERITY
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.components import elements, pump_picker
from dashboard.components.elements import Component


def form(snapshot: Snapshot) -> Component:
    """Return the form with the faults that the gateways have announced."""
    faults = [{"value": name, "label": formatting.title(name)} for name in snapshot.health.faults]
    may = VISITOR.get().may("inject")
    hours = {"min": 0, "step": 0.5, "decimalScale": 2, "suffix": " h", "w": 190}
    return html.Div(
        [
            dmc.Select(
                id="fault-name",
                label="Fault",
                data=faults,
                value=faults[0]["value"] if faults else None,
                searchable=True,
                placeholder="No gateway has announced its faults yet",
                allowDeselect=False,
            ),
            *pump_picker.fields("fault"),
            html.Div(
                [
                    html.Div("Severity", className="slider-label"),
                    dmc.Slider(
                        id="fault-severity",
                        thumbLabel="Severity",
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
                    dmc.NumberInput(id="fault-ramp", label="Ramp (therapy time)", value=0, **hours),
                    dmc.NumberInput(id="fault-hold", label="Duration (blank: permanent)", value="", **hours),
                ],
                gap=12,
            ),
            html.Div(
                [
                    html.Button("Inject fault", id="fault-inject", className="button strong", disabled=not may),
                    html.Button("Clear this fault", id="fault-clear", className="button", disabled=not may),
                    html.Button("Clear all faults", id="fault-clear-all", className="button", disabled=not may),
                ],
                className="buttons",
            ),
            None if may else elements.nothing("Only engineers may inject faults."),
        ],
        className="form",
    )
