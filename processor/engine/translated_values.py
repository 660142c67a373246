"""Values of translated expressions: kinds, literals and comparisons as WebAssembly text."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

FLOAT, DOUBLE, INTEGER, BOOLEAN = "f32", "f64", "i64", "bool"
LITERAL, UNKNOWN = "literal", "unknown"
"""Kinds of values. A literal takes the type of what it meets; `UNKNOWN` is the literal null."""
STORED: Final = {FLOAT: "f32", DOUBLE: "f64", INTEGER: "i64", BOOLEAN: "i32", LITERAL: "f64"}
"""The WebAssembly type of each kind."""
ORDERED: Final = {"Gt": "gt", "GtEq": "ge", "Lt": "lt", "LtEq": "le"}
"""Polars' names of comparisons, and WebAssembly's."""


class UntranslatableError(ValueError):
    """Raised for an expression that has no translation."""


@dataclass(frozen=True)
class Value:
    """A value of one row: WebAssembly `code` of a `kind`, whether it is `known` (code; None: always), or a `number`."""

    kind: str
    code: str
    known: str | None = None
    number: float | int | None = None


def ordered(operator: str, kind: str, left: str, right: str) -> str:
    """Return the code of a comparison in Polars' order, in which NaN is above all numbers and equal to itself."""
    if kind == INTEGER:
        return f"(i64.{ORDERED[operator]}_s {left} {right})"
    match operator:
        case "Gt":
            return f"(i32.and ({kind}.eq {right} {right}) (i32.eqz ({kind}.le {left} {right})))"
        case "Lt":
            return f"(i32.and ({kind}.eq {left} {left}) (i32.eqz ({kind}.le {right} {left})))"
        case "GtEq":
            return f"(i32.or ({kind}.ne {left} {left}) ({kind}.ge {left} {right}))"
    return f"(i32.or ({kind}.ne {right} {right}) ({kind}.le {left} {right}))"


def equal(kind: str, left: str, right: str, *, same: bool) -> str:
    """Return the code of whether two values are equal, or are not unless `same`; NaN is equal to itself."""
    stored = STORED[kind]
    code = f"({stored}.eq {left} {right})"
    if kind in (FLOAT, DOUBLE):
        code = f"(i32.or {code} (i32.and ({kind}.ne {left} {left}) ({kind}.ne {right} {right})))"
    return code if same else f"(i32.eqz {code})"


def literal(inner: Any) -> Value:
    """Return the value of a literal (Polars' JSON)."""
    match inner:
        case {"Dyn": {"Float": number}} | {"Dyn": {"Int": number}}:
            return Value(LITERAL, constant(DOUBLE, number), None, number)
        case {"Scalar": {"Null": _}}:
            return Value(UNKNOWN, "")
        case {"Scalar": {"Boolean": whether}}:
            return Value(BOOLEAN, f"(i32.const {int(whether)})")
        case {"Scalar": {"Float32": number}}:
            return Value(FLOAT, constant(FLOAT, number), None, number)
    raise UntranslatableError(f"the literal {inner}")


def constant(kind: str, number: float) -> str:
    """Return the code of a number as this kind."""
    if kind in (INTEGER, BOOLEAN):
        return f"({STORED[kind]}.const {int(number)})"
    exact = float(np.float32(number)) if kind == FLOAT else float(number)
    return f"({STORED[kind]}.const {exact.hex() if math.isfinite(exact) else exact})"


def reciprocal(kind: str, number: float) -> str:
    """Return the code of one divided by a number, rounded as this kind."""
    if kind == FLOAT:
        return constant(FLOAT, float(np.float32(1) / np.float32(number)))
    return constant(DOUBLE, 1.0 / number)
