"""Fields of the programmer form: each renders its input and validates what was entered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import dash_mantine_components as dmc

from broker.contract.dose_limits import MAX_STEPS
from dashboard import formatting
from dashboard.components.elements import Component

_STEP: Final = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)\s*=\s*(\d{1,4}(?:\.\d{1,4})?)")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MAX_TEXT: Final = 400


class FormError(ValueError):
    """An entry is invalid; the text says what is wrong and what is allowed."""


@dataclass(frozen=True)
class Number:
    """A number in the unit people use; the message carries it times `factor`, plus `offset`.

    `low` to `high` is the range of any pump; the limits of the selected pumps are checked by their gateway.
    `empty` says what a blank field means; without it a value is required.
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
        """The allowed range: "0 to 2,000 µg/day"."""
        return f"{formatting.number(self.low, _digits(self.low))} to {formatting.number(self.high, 0, self.unit)}"

    def input(self, name: str, *, disabled: bool) -> Component:
        """Return the field."""
        return dmc.NumberInput(
            id=name,
            label=self.title,
            description=self.range + (f"; blank: {self.empty}" if self.empty else ""),
            value="" if self.value is None else self.value,
            min=self.low,
            max=self.high,
            # A value out of range is refused with a message; a dose clamped to its limit might go unnoticed.
            clampBehavior="none",
            suffix=f" {self.unit}",
            decimalScale=0 if self.whole else 2,
            disabled=disabled,
        )

    def read(self, given: Any) -> Any:
        """Return the value for the message, None if blank. Raises `FormError`."""
        if given in (None, ""):
            if self.empty:
                return None
            raise FormError(f"{self.title} is blank; allowed: {self.range}.")
        try:
            number = float(given)
        except (TypeError, ValueError):
            raise FormError(f"{self.title}: {str(given)[:40]!r} is not a number.") from None
        if not self.low <= number <= self.high or (self.whole and number != int(number)):
            kind = ", a whole number" if self.whole else ""
            raise FormError(f"{self.title} is {number:,.10g} {self.unit}; allowed: {self.range}{kind}.")
        return int(number) if self.whole else number * self.factor + self.offset


@dataclass(frozen=True)
class Choice:
    """One of a few values; `empty` says what no choice means."""

    name: str
    title: str
    options: Mapping[str, Any]
    note: str
    value: str | None = None
    empty: str = ""

    def input(self, name: str, *, disabled: bool) -> Component:
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
        """Return the value for the message, None if nothing is selected. Raises `FormError`."""
        if self.empty and given in (None, ""):
            return None
        if not isinstance(given, str) or given not in self.options:
            raise FormError(f"{self.title} is {str(given)[:40]!r}; allowed: {', '.join(self.options)}.")
        return self.options[given]


@dataclass(frozen=True)
class Steps:
    """The steps of the daily program, as text."""

    name: str = "steps"
    title: str = "Daily steps"

    def input(self, name: str, *, disabled: bool) -> Component:
        """Return the field."""
        description = f"at most {MAX_STEPS}; blank: unchanged"
        return dmc.TextInput(
            id=name,
            label=self.title,
            description=description,
            placeholder="00:00=1, 06:00=1.5",
            disabled=disabled,
        )

    def read(self, given: Any) -> Any:
        """Return pairs of seconds after midnight and relative rate, None if blank. Raises `FormError`."""
        text = str(given or "")
        if len(text) > MAX_TEXT:
            raise FormError(f"{self.title}: {len(text):,} characters; allowed: {MAX_TEXT}.")
        parts = [part.strip() for part in text.split(",") if part.strip()]
        found = [_STEP.fullmatch(part) for part in parts]
        wrong = next((part for part, step in zip(parts, found, strict=True) if step is None), None)
        if wrong is not None:
            raise FormError(f"{wrong[:40]!r} is not a step; enter time and relative rate, such as 06:00=1.5.")
        return [(int(s[1]) * 3600.0 + int(s[2]) * 60.0, float(s[3])) for s in found if s] or None


@dataclass(frozen=True)
class Days:
    """The days of the week on which the steps run."""

    name: str = "days"
    title: str = "Days"

    def input(self, name: str, *, disabled: bool) -> Component:
        """Return the field."""
        return dmc.MultiSelect(
            id=name,
            label=self.title,
            description="blank: every day",
            data=list(_DAYS),
            value=[],
            disabled=disabled,
        )

    def read(self, given: Any) -> Any:
        """Return the numbers of the days, 0 for Monday; None if none is selected. Raises `FormError`."""
        days = set(map(str, given)) if isinstance(given, list) else set()
        unknown = sorted(days - set(_DAYS))
        if unknown:
            raise FormError(f"Unknown day: {formatting.listed(unknown)[:80]}; allowed: {', '.join(_DAYS)}.")
        return [number for number, day in enumerate(_DAYS) if day in days] or None


Field = Number | Choice | Steps | Days


def _digits(number: float) -> int:
    return 0 if number == int(number) else 1
