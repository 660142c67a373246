"""This file is the kinds of fields the programmer's form is made of: each shows itself and reads what was put in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import dash_mantine_components as dmc

from broker.contract.dose_limits import MAX_STEPS
from dashboard import formatting
from dashboard.components.elements import Piece

_STEP: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*=\s*(\d{1,4}(?:\.\d{1,4})?)")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MAX_TEXT: Final = 400


class FormError(ValueError):
    """What is in the form cannot be ordered; the text says what is wrong and what is allowed."""


@dataclass(frozen=True)
class Number:
    """A number of an order, in the unit people use; the message bears it times `factor`, plus `offset`.

    `low` to `high` is what any pump may take; what the pumps named can take is for their gateway to say.
    """

    name: str
    title: str
    unit: str
    low: float
    high: float
    value: float | None = None
    empty: str = ""
    factor: float = 1.0
    offset: float = 0.0
    whole: bool = False

    @property
    def range(self) -> str:
        """Say what is allowed: "0 to 2,000 µg/day"."""
        return f"{formatting.number(self.low, _digits(self.low))} to {formatting.number(self.high, 0, self.unit)}"

    def input(self, name: str, *, disabled: bool) -> Piece:
        """Return the field."""
        return dmc.NumberInput(
            id=name,
            label=self.title,
            description=self.range + (f"; empty: {self.empty}" if self.empty else ""),
            value="" if self.value is None else self.value,
            min=self.low,
            max=self.high,
            # Out of range is refused in words; a dose that is moved to the bound by itself might go unnoticed.
            clampBehavior="none",
            suffix=f" {self.unit}",
            decimalScale=0 if self.whole else 2,
            disabled=disabled,
        )

    def read(self, given: Any) -> Any:
        """Return the message's value, None where the field is empty. Raises `FormError`."""
        if given in (None, ""):
            if self.empty:
                return None
            raise FormError(f"{self.title} is empty; allowed is {self.range}.")
        try:
            number = float(given)
        except (TypeError, ValueError):
            raise FormError(f"{self.title} is {str(given)[:40]!r}, which is no number.") from None
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            kind = ", a whole number" if self.whole else ""
            raise FormError(f"{self.title} is {number:,.10g} {self.unit}; allowed is {self.range}{kind}.")
        return int(number) if self.whole else number * self.factor + self.offset


@dataclass(frozen=True)
class Choice:
    """One of a few values; `empty` says what none of them means."""

    name: str
    title: str
    options: Mapping[str, Any]
    note: str
    value: str | None = None
    empty: str = ""

    def input(self, name: str, *, disabled: bool) -> Piece:
        """Return the field."""
        return dmc.Select(
            id=name,
            label=self.title,
            description=self.note,
            data=list(self.options),
            value=self.value,
            placeholder=self.empty,
            clearable=bool(self.empty),
            allowDeselect=bool(self.empty),
            disabled=disabled,
        )

    def read(self, given: Any) -> Any:
        """Return the message's value, None where nothing is chosen. Raises `FormError`."""
        if self.empty and given in (None, ""):
            return None
        if not isinstance(given, str) or given not in self.options:
            raise FormError(f"{self.title} is {str(given)[:40]!r}; allowed are {', '.join(self.options)}.")
        return self.options[given]


@dataclass(frozen=True)
class Steps:
    """The steps of a day, as text."""

    name: str = "steps"
    title: str = "Steps of the day"

    def input(self, name: str, *, disabled: bool) -> Piece:
        """Return the field."""
        said = f"up to {MAX_STEPS}, from 00:00; empty: as before"
        return dmc.TextInput(
            id=name, label=self.title, description=said, placeholder="00:00=1, 06:00=1.5, 22:00=0.8", disabled=disabled
        )

    def read(self, given: Any) -> Any:
        """Return pairs of seconds after midnight and relative rate, None for an empty text. Raises `FormError`."""
        text = str(given or "")
        if len(text) > MAX_TEXT:
            raise FormError(f"{self.title} have {len(text):,} characters; allowed are {MAX_TEXT}.")
        parts = [part.strip() for part in text.split(",") if part.strip()]
        found = [_STEP.fullmatch(part) for part in parts]
        wrong = next((part for part, step in zip(parts, found, strict=True) if step is None), None)
        if wrong is not None:
            raise FormError(f"{wrong[:40]!r} is not a step; write time and relative rate such as 06:00=1.5.")
        return [(int(s[1]) * 3600.0 + int(s[2]) * 60.0, float(s[3])) for s in found if s] or None


@dataclass(frozen=True)
class Days:
    """The days of the week on which the steps are run."""

    name: str = "days"
    title: str = "On the days"

    def input(self, name: str, *, disabled: bool) -> Piece:
        """Return the field."""
        return dmc.MultiSelect(
            id=name,
            label=self.title,
            description="of the steps or boluses; empty: every day",
            data=list(_DAYS),
            value=[],
            disabled=disabled,
        )

    def read(self, given: Any) -> Any:
        """Return the numbers of the days, 0 for Monday; None where none is chosen. Raises `FormError`."""
        chosen = set(map(str, given)) if isinstance(given, list) else set()
        if chosen - set(_DAYS):
            raise FormError(
                f"{formatting.listed(sorted(chosen - set(_DAYS)))[:80]} is no day; allowed are {', '.join(_DAYS)}."
            )
        return [number for number, day in enumerate(_DAYS) if day in chosen] or None


Field = Number | Choice | Steps | Days


def _digits(number: float) -> int:
    return 0 if number == int(number) else 1
