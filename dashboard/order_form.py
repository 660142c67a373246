"""This file is the programmer's form: what each order needs, with unit and range, and the message it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from dash import html

from broker.messages import Bolus, Interrogate, Program, Refill, Replace, Stop, Treatment
from dashboard.order_fields import Choice, Days, Field, FormError, Number, Steps
from dashboard.pieces import Piece


@dataclass(frozen=True)
class Form:
    """An order: its word, what it does, its fields, and the message it becomes."""

    title: str
    does: str
    fields: tuple[Field, ...]
    kind: type[Treatment]


FORMS: Final[Mapping[str, Form]] = {
    "program": Form(
        "Program",
        "Changes the prescription and runs it; what is empty stays as it is.",
        (
            Number("dose_ug_day", "Dose, for all alike", "µg/day", 0, 2000, empty="as before"),
            Number("change", "or change of each own dose", "%", -30, 30, empty="none", factor=0.01, offset=1),
            Steps(),
            Days(),
            Number("boluses_a_day", "or boluses a day", "a day", 1, 6, empty="none", whole=True),
            Number("bolus_share", "Their share of the dose", "%", 1, 99, 50, factor=0.01),
            Number("bolus_s", "Each takes", "min", 1, 1439, 60, factor=60),
            Choice("mode", "Mode", {"Run": "run", "Minimum rate": "minimum"}, "run the program, or 0.25 µL/h", "Run"),
        ),
        Program,
    ),
    "bolus": Form(
        "Bolus",
        "Gives a single bolus beside the program, from now on.",
        (
            Number("dose_ug", "Dose", "µg", 0, 100),
            Number("over_s", "Over", "min", 1, 1440, 30, factor=60),
        ),
        Bolus,
    ),
    "stop": Form("Stop", "Stops the pumps until the next program.", (), Stop),
    "refill": Form(
        "Refill",
        "Empties the reservoirs and fills them. What is really filled in may differ from what is entered.",
        (
            Number("entered_ml", "Volume entered", "mL", 1.4, 40, empty="a full reservoir"),
            Choice(
                "entered_ug_ml",
                "Concentration entered",
                {"500 µg/mL": 500.0, "1,000 µg/mL": 1000.0, "2,000 µg/mL": 2000.0},
                "500, 1,000 or 2,000 µg/mL",
                empty="as before",
            ),
            Number("actual_ml", "Volume really filled in", "mL", 1.4, 40, empty="as entered"),
            Number("actual_ug_ml", "Concentration really filled in", "µg/mL", 0, 4000, empty="as entered"),
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
    "replace": Form("Replace", "Puts new pumps of the same kind and program in; the catheter stays.", (), Replace),
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
