"""This file is the programmer's form: what each order needs, with unit and range, and the message it becomes."""

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
from dashboard.components.elements import Piece
from dashboard.components.form_fields import Choice, Days, Field, FormError, Number, Steps


@dataclass(frozen=True)
class Form:
    """An order: its word, what it does, its fields, and the message it becomes.

    One with a `warning` is confirmed before it is sent.
    """

    title: str
    does: str
    fields: tuple[Field, ...]
    kind: type[Treatment]
    warning: str = ""


def _times(factor: float, bounds: tuple[float, float]) -> tuple[float, float]:
    """Return bounds in the unit that people use, which the wire's times `factor` is."""
    low, high = (round(factor * bound, 6) for bound in bounds)
    return low, high


_STEP: Final = 100 * max(SPINAL_STEP, CEREBRAL_STEP)
_FILL: Final = (RESIDUAL_ML, max(RESERVOIR_CAPACITIES_ML))
_STRENGTHS: Final = {f"{strength:,.0f} µg/mL": strength for strength in CONCENTRATIONS_UG_ML}

FORMS: Final[Mapping[str, Form]] = {
    "program": Form(
        "Program",
        "Changes the prescription and runs it; what is empty stays as it is.",
        (
            Number("dose_ug_day", "Dose, for all alike", "µg/day", 0, MAX_UG_DAY, empty="as before"),
            Number("change", "or change of each own dose", "%", -_STEP, _STEP, empty="none", factor=0.01, offset=1),
            Steps(),
            Days(),
            Number("boluses_a_day", "or boluses a day", "a day", 1, MAX_BOLUSES, empty="none", whole=True),
            Number("bolus_share", "Their share of the dose", "%", *_times(100, PERIODIC_SHARE), 50, factor=0.01),
            Number("bolus_s", "Each takes", "min", *_times(1 / 60, PERIODIC_BOLUS_S), 60, factor=60),
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
        "Gives a single bolus beside the program, from now on.",
        (
            Number("dose_ug", "Dose", "µg", 0, MAX_BOLUS_UG),
            Number("over_s", "Over", "min", *_times(1 / 60, BOLUS_S), 30, factor=60),
        ),
        Bolus,
    ),
    "stop": Form(
        "Stop",
        "Stops the pumps until the next program.",
        (),
        Stop,
        "They give no drug until somebody orders a program; withdrawal may set in within hours.",
    ),
    "refill": Form(
        "Refill",
        "Empties the reservoirs and fills them. What is really filled in may differ from what is entered.",
        (
            Number("entered_ml", "Volume entered", "mL", *_FILL, empty="a full reservoir"),
            Choice(
                "entered_ug_ml",
                "Concentration entered",
                _STRENGTHS,
                "the strengths on the market",
                empty="as before",
            ),
            Number("actual_ml", "Volume really filled in", "mL", *_FILL, empty="as entered"),
            Number("actual_ug_ml", "Concentration really filled in", "µg/mL", 0, MAX_ACTUAL_UG_ML, empty="as entered"),
            Choice(
                "after",
                "Old drug in the dead space",
                {"Nothing": "nothing", "Bridge bolus": "bridge", "Priming bolus": "prime"},
                "at another concentration",
                "Nothing",
            ),
        ),
        Refill,
    ),
    "replace": Form(
        "Replace",
        "Puts new pumps of the same kind and program in; the catheter stays.",
        (),
        Replace,
        "The old pumps are gone for good, with what was wrong with them. New, full ones run the same program.",
    ),
    "interrogate": Form(
        "Interrogate", "Asks the pumps how they are; that also brings them back from telemetry mode.", (), Interrogate
    ),
}


def field_id(what: str, name: str) -> str:
    """Return the id of a field of an order."""
    return f"order-{what}-{name}"


FIELD_IDS: Final = tuple(field_id(what, field.name) for what, form in FORMS.items() for field in form.fields)


def groups(*, disabled: bool) -> list[Piece]:
    """Return the fields of every order, all hidden but those of the first."""
    return [
        html.Div(
            html.Div(
                [field.input(field_id(what, field.name), disabled=disabled) for field in form.fields],
                className="order-fields",
            ),
            id=f"order-{what}",
            hidden=place > 0,
        )
        for place, (what, form) in enumerate(FORMS.items())
    ]


def treatment(what: Any, given: Mapping[str, Any]) -> Treatment:
    """Return the message of an order, for nobody's pumps yet; `given` has the fields' values by id.

    Raises `FormError` for what no pump would take.
    """
    form = FORMS.get(str(what))
    if form is None:
        raise FormError(f"There is no order {str(what)[:40]!r}; there are {', '.join(FORMS)}.")
    read = {field.name: field.read(given.get(field_id(str(what), field.name))) for field in form.fields}
    if read.get("days") and not (read["steps"] or read["boluses_a_day"]):
        raise FormError("Days are chosen, but neither steps nor boluses; write those of these days.")
    return form.kind(id="", pumps=[], **read)
