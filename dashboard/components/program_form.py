"""Form of the programmer: the fields of each command, with units and ranges, and the message they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dash import html

from broker.contract.commands import Bolus, Interrogate, Program, Refill, Replace, Stop, Treatment
from broker.contract.datasheet import RESERVOIR_CAPACITIES_ML, RESIDUAL_ML
from broker.contract.dose_limits import (
    BOLUS_S,
    CEREBRAL_STEP,
    CONCENTRATIONS_UG_ML,
    MAX_ACTUAL_UG_ML,
    MAX_BOLUS_UG,
    MAX_BOLUSES,
    MAX_UG_DAY,
    MINIMUM_UL_H,
    PERIODIC_BOLUS_S,
    PERIODIC_SHARE,
    SPINAL_STEP,
)
from dashboard.components.elements import Component
from dashboard.components.form_fields import Choice, Days, Field, FormError, Number, Steps


@dataclass(frozen=True)
class Form:
    """A command: its title, what it does, its fields, and the message it becomes.

    A command with a `warning` is confirmed before it is sent.
    """

    title: str
    does: str
    fields: tuple[Field, ...]
    kind: type[Treatment]
    warning: str = ""


def _times(factor: float, limits: tuple[float, float]) -> tuple[float, float]:
    """Return a range of the wire format in the unit that people use."""
    low, high = (round(factor * limit, 6) for limit in limits)
    return low, high


_STEP: Final = 100 * max(SPINAL_STEP, CEREBRAL_STEP)
_FILL: Final = (RESIDUAL_ML, max(RESERVOIR_CAPACITIES_ML))
_STRENGTHS: Final = {f"{strength:,.0f} µg/mL": strength for strength in CONCENTRATIONS_UG_ML}

FORMS: Final[Mapping[str, Form]] = {
    "program": Form(
        "Program",
        "Changes the prescription and runs it. Blank fields stay unchanged.",
        (
            Number("dose_ug_day", "Daily dose", "µg/day", 0, MAX_UG_DAY, empty="unchanged"),
            Number("change", "or change of current dose", "%", -_STEP, _STEP, empty="none", factor=0.01, offset=1),
            Steps(),
            Days(),
            Number("boluses_a_day", "or boluses per day", "per day", 1, MAX_BOLUSES, empty="none", whole=True),
            Number("bolus_share", "Bolus share of daily dose", "%", *_times(100, PERIODIC_SHARE), 50, factor=0.01),
            Number("bolus_s", "Bolus duration", "min", *_times(1 / 60, PERIODIC_BOLUS_S), 60, factor=60),
            Choice(
                "mode",
                "Mode",
                {"Run": "run", "Minimum rate": "minimum"},
                f"run the program, or {MINIMUM_UL_H:g} µL/h",
                "Run",
            ),
        ),
        Program,
    ),
    "bolus": Form(
        "Bolus",
        "Delivers a single bolus on top of the program, starting now.",
        (
            Number("dose_ug", "Dose", "µg", 0, MAX_BOLUS_UG),
            Number("over_s", "Duration", "min", *_times(1 / 60, BOLUS_S), 30, factor=60),
        ),
        Bolus,
    ),
    "stop": Form(
        "Stop",
        "Stops the pumps until a new program is sent.",
        (),
        Stop,
        "They deliver no drug until a new program is sent; withdrawal may begin within hours.",
    ),
    "refill": Form(
        "Refill",
        "Empties and refills the reservoirs. The actual fill may differ from the one entered.",
        (
            Number("entered_ml", "Volume entered", "mL", *_FILL, empty="full reservoir"),
            Choice(
                "entered_ug_ml",
                "Concentration entered",
                _STRENGTHS,
                "available strengths",
                empty="unchanged",
            ),
            Number("actual_ml", "Actual volume", "mL", *_FILL, empty="as entered"),
            Number("actual_ug_ml", "Actual concentration", "µg/mL", 0, MAX_ACTUAL_UG_ML, empty="as entered"),
            Choice(
                "after",
                "Bolus after refill",
                {"No bolus": "nothing", "Bridge bolus": "bridge", "Priming bolus": "prime"},
                "if the concentration changes",
                "No bolus",
            ),
        ),
        Refill,
    ),
    "replace": Form(
        "Replace",
        "Replaces the pumps with new ones of the same model and program; the catheter stays.",
        (),
        Replace,
        "The old pumps and their faults are permanently removed. The new pumps start full and run the same program.",
    ),
    "interrogate": Form("Interrogate", "Interrogates the pumps; also ends telemetry mode.", (), Interrogate),
}


def field_id(kind: str, name: str) -> str:
    """Return the id of a field of a command."""
    return f"command-{kind}-{name}"


FIELD_IDS: Final = tuple(field_id(kind, field.name) for kind, form in FORMS.items() for field in form.fields)


def groups(*, disabled: bool) -> list[Component]:
    """Return the fields of every command, all hidden but those of the first."""
    return [
        html.Div(
            html.Div(
                [field.input(field_id(kind, field.name), disabled=disabled) for field in form.fields],
                className="command-fields",
            ),
            id=f"command-{kind}",
            hidden=place > 0,
        )
        for place, (kind, form) in enumerate(FORMS.items())
    ]


def treatment(kind: Any, given: Mapping[str, Any]) -> Treatment:
    """Return the message of a command, not yet addressed to pumps; `given` holds the fields' values by id.

    Raises `FormError` if an entry is invalid for every pump.
    """
    form = FORMS.get(str(kind))
    if form is None:
        raise FormError(f"Unknown command {str(kind)[:40]!r}; known: {', '.join(FORMS)}.")
    read = {field.name: field.read(given.get(field_id(str(kind), field.name))) for field in form.fields}
    if read.get("days") and not (read["steps"] or read["boluses_a_day"]):
        raise FormError("Days are selected without steps or boluses; enter those for these days.")
    return form.kind(id="", pumps=[], **read)
