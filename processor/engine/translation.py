"""Translates Polars expressions into WebAssembly text that computes them for one row, to the last bit as Polars does.

Only what rules use is known here; anything else raises `UntranslatableError`. A value is a WebAssembly expression with
the type that Polars gives it, and another that says whether it is known: null is not NaN. Polars' own habits are
followed: it multiplies by the reciprocal of a literal instead of dividing, orders NaN above all numbers in comparisons
and ignores NaN and null in the greatest and smallest of several. A property test holds both ways to the same results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import polars as pl

from processor.engine.translated_values import (
    BOOLEAN,
    DOUBLE,
    FLOAT,
    INTEGER,
    LITERAL,
    ORDERED,
    STORED,
    UNKNOWN,
    UntranslatableError,
    Value,
    constant,
    equal,
    literal,
    ordered,
    reciprocal,
)

_RANK: Final = (UNKNOWN, LITERAL, FLOAT, DOUBLE)
_ARITHMETIC: Final = {"Plus": "add", "Minus": "sub", "Multiply": "mul", "TrueDivide": "div"}
_ONE: Final = {"Abs": "abs", "Negate": "neg", "Sqrt": "sqrt"}


@dataclass
class Translation:
    """Statements in order, and the locals that they set; `columns` are the values that expressions may name."""

    columns: dict[str, Value]
    lines: list[str] = field(default_factory=list)
    locals: list[str] = field(default_factory=list)
    _seen: dict[tuple[str, str], str] = field(default_factory=dict)

    def stage(self, expressions: Mapping[str, pl.Expr]) -> dict[str, Value]:
        """Return the values of expressions, which see the columns as they were before this stage."""
        values = {
            name: self.value(json.loads(each.meta.serialize(format="json"))) for name, each in expressions.items()
        }
        # A column of literals has the type Float64.
        return {name: self.cast(each, DOUBLE) if each.kind == LITERAL else each for name, each in values.items()}

    def keep(self, stored: str, code: str) -> str:
        """Return the code of a local with this value; equal values share one."""
        known = self._seen.get((stored, code))
        if known is None:
            name = f"$v{len(self.locals)}"
            self.locals.append(f"(local {name} {stored})")
            self.lines.append(f"(local.set {name} {code})")
            known = self._seen[stored, code] = f"(local.get {name})"
        return known

    def value(self, node: dict[str, Any]) -> Value:  # noqa: PLR0911  # a case for each kind of node
        """Return the value of a node of an expression (Polars' JSON)."""
        ((name, inner),) = node.items()
        match name:
            case "Column":
                return self.columns[inner]
            case "Alias":
                return self.value(inner[0])
            case "Literal":
                return literal(inner)
            case "Cast":
                if inner["dtype"] != {"Literal": "Float32"}:
                    raise UntranslatableError(f"a cast to {inner['dtype']}")
                return self.cast(self.value(inner["expr"]), FLOAT)
            case "Ternary":
                return self._ternary(*(self.value(inner[part]) for part in ("predicate", "truthy", "falsy")))
            case "BinaryExpr":
                return self._binary(inner["op"], self.value(inner["left"]), self.value(inner["right"]))
            case "Function":
                return self._function(inner["function"], [self.value(each) for each in inner["input"]])
        raise UntranslatableError(f"the expression {name}")

    def cast(self, value: Value, kind: str) -> Value:
        """Return a value as another kind."""
        if value.kind == kind:
            return value
        if value.kind == UNKNOWN:
            return Value(kind, constant(kind, 0), "(i32.const 0)")
        if value.number is not None:
            return Value(kind, constant(kind, value.number), None, value.number)
        conversions = {
            (INTEGER, FLOAT): "f32.convert_i64_s",
            (INTEGER, DOUBLE): "f64.convert_i64_s",
            (DOUBLE, FLOAT): "f32.demote_f64",
            (LITERAL, FLOAT): "f32.demote_f64",
            (FLOAT, DOUBLE): "f64.promote_f32",
            (BOOLEAN, FLOAT): "f32.convert_i32_s",
        }
        if (value.kind, kind) == (LITERAL, DOUBLE):
            return replace(value, kind=kind)
        if (value.kind, kind) not in conversions:
            raise UntranslatableError(f"a cast from {value.kind} to {kind}")
        return self._made(kind, f"({conversions[value.kind, kind]} {value.code})", value.known)

    def _made(self, kind: str, code: str, *known: str | None) -> Value:
        return Value(kind, self.keep(STORED[kind], code), self.all_of(*known))

    def all_of(self, *known: str | None) -> str | None:
        """Return whether all of these hold; None: always."""
        parts = list(dict.fromkeys(each for each in known if each))
        if not parts:
            return None
        code = parts[0]
        for part in parts[1:]:
            code = self.keep("i32", f"(i32.and {code} {part})")
        return code

    def _alike(self, *values: Value) -> tuple[str, list[Value]]:
        """Return values as the kind that can hold all of them."""
        kinds = {value.kind for value in values} - {UNKNOWN}
        whole = all(isinstance(value.number, int) for value in values if value.kind == LITERAL)
        if INTEGER in kinds:
            floats = kinds & {FLOAT, DOUBLE} or not whole
            kind = DOUBLE if floats else INTEGER
        elif BOOLEAN in kinds:
            kind = BOOLEAN
        else:
            kind = max(kinds, key=_RANK.index, default=UNKNOWN)
        if kind == UNKNOWN:
            raise UntranslatableError("nulls alone")
        return kind, [self.cast(value, kind) for value in values]

    def _chosen(self, kind: str, where: str, first: str, second: str) -> str:
        return self.keep(STORED[kind], f"(select {first} {second} {where})")

    def _ternary(self, where: Value, then: Value, otherwise: Value) -> Value:
        kind, (then, otherwise) = self._alike(then, otherwise)
        chosen = self.all_of(where.code, where.known) or where.code
        return Value(kind, self._chosen(kind, chosen, then.code, otherwise.code), self._either(chosen, then, otherwise))

    def _either(self, chosen: str, first: Value, second: Value) -> str | None:
        if first.known == second.known:
            return first.known
        always = "(i32.const 1)"
        return self._chosen(BOOLEAN, chosen, first.known or always, second.known or always)

    def _binary(self, operator: str, left: Value, right: Value) -> Value:
        if operator == "TrueDivide" and left.kind == LITERAL:
            # Polars takes its type for Float32 in some places and for Float64 in others.
            raise UntranslatableError("a bare number divided by a value; use `divided`")
        if operator in ("And", "Or"):
            return self._logical(operator.lower(), left, right)
        kind, (left, right) = self._alike(left, right)
        known = self.all_of(left.known, right.known)
        if operator in _ARITHMETIC:
            if kind == INTEGER and operator == "TrueDivide":
                kind, left, right = DOUBLE, self.cast(left, DOUBLE), self.cast(right, DOUBLE)
            return self._arithmetic(operator, kind, left, right, known)
        if operator in ORDERED:
            return self._made(BOOLEAN, ordered(operator, kind, left.code, right.code), known)
        if operator in ("Eq", "NotEq"):
            return self._made(BOOLEAN, equal(kind, left.code, right.code, same=operator == "Eq"), known)
        if operator == "Modulus" and kind == INTEGER and right.number:
            by = right.code
            return self._made(kind, f"(i64.rem_s (i64.add (i64.rem_s {left.code} {by}) {by}) {by})", known)
        raise UntranslatableError(f"{operator} of {kind}")

    def _arithmetic(self, operator: str, kind: str, left: Value, right: Value, known: str | None) -> Value:
        if LITERAL in (left.kind, right.kind):
            raise UntranslatableError("arithmetic of literals")
        if kind != INTEGER:
            if operator == "Plus" and 0 in (left.number, right.number):
                return replace(right if left.number == 0 else left, number=None)
            if operator == "Minus" and left.number == 0:
                return self._made(kind, f"({kind}.neg {right.code})", known)
            if operator == "TrueDivide" and right.number is not None:
                return self._made(kind, f"({kind}.mul {left.code} {reciprocal(kind, right.number)})", known)
        return self._made(kind, f"({kind}.{_ARITHMETIC[operator]} {left.code} {right.code})", known)

    def _logical(self, operator: str, left: Value, right: Value) -> Value:
        kind, (left, right) = self._alike(left, right)
        known = self.all_of(left.known, right.known)
        if kind == INTEGER:
            return self._made(kind, f"(i64.{operator} {left.code} {right.code})", known)
        if kind != BOOLEAN:
            raise UntranslatableError(f"{operator} of {kind}")
        code = f"(i32.{operator} {left.code} {right.code})"
        if known is None:
            return self._made(kind, code)
        # Known is also what one side decides alone: false for "and", true for "or".
        decided = [
            self.all_of(each.known, each.code if operator == "or" else f"(i32.eqz {each.code})")
            for each in (left, right)
        ]
        known = self.keep("i32", f"(i32.or {known} (i32.or {decided[0]} {decided[1]}))")
        if operator == "and":
            return Value(kind, self.keep("i32", code), known)
        settled = f"(i32.or {decided[0]} {decided[1]})"
        return Value(kind, self.keep("i32", settled), known)

    def _function(self, function: Any, inputs: list[Value]) -> Value:  # noqa: PLR0911  # a case for each function
        match function:
            case "FillNull" | "Coalesce":
                return self._coalesce(inputs)
            case "MaxHorizontal":
                return self._extreme("gt", inputs)
            case "MinHorizontal":
                return self._extreme("lt", inputs)
            case "Abs" | "Negate" | "Sign" | {"Pow": "Sqrt"}:
                return self._of_one(function if isinstance(function, str) else "Sqrt", inputs[0])
            case {"Boolean": "IsNull"}:
                return self._made(BOOLEAN, f"(i32.eqz {inputs[0].known or '(i32.const 1)'})")
            case {"Boolean": "IsNotNull"}:
                return Value(BOOLEAN, inputs[0].known or "(i32.const 1)")
            case {"Boolean": "Not"}:
                return self._made(BOOLEAN, f"(i32.eqz {inputs[0].code})", inputs[0].known)
            case {"Clip": limits}:
                return self._clip(inputs, low=limits["has_min"], high=limits["has_max"])
            case {"Pow": "Generic"} if inputs[1].number == 2 and inputs[0].kind == FLOAT:
                return self._made(FLOAT, f"(f32.mul {inputs[0].code} {inputs[0].code})", inputs[0].known)
        raise UntranslatableError(f"the function {function} of {[each.kind for each in inputs]}")

    def _coalesce(self, inputs: list[Value]) -> Value:
        kind, (found, *others) = self._alike(*inputs)
        for other in others:
            if found.known is None:
                break
            code = self._chosen(kind, found.known, found.code, other.code)
            known = self.keep("i32", f"(i32.or {found.known} {other.known})") if other.known else None
            found = Value(kind, code, known)
        return replace(found, number=None)

    def _extreme(self, order: str, inputs: list[Value]) -> Value:
        kind, (found, *others) = self._alike(*inputs)
        stored = STORED[kind]
        for other in others:
            # Of two that are neither greater nor smaller Polars takes the second, and neither null nor NaN.
            first = f"(i32.or ({stored}.{order} {found.code} {other.code}) ({stored}.ne {other.code} {other.code}))"
            if other.known:
                first = f"(i32.or {first} (i32.eqz {other.known}))"
            if found.known:
                first = f"(i32.and {first} {found.known})"
            code = self._chosen(kind, self.keep("i32", first), found.code, other.code)
            known = None
            if found.known and other.known:
                known = self.keep("i32", f"(i32.or {found.known} {other.known})")
            found = Value(kind, code, known)
        return found

    def _of_one(self, function: str, value: Value) -> Value:
        kind, code = value.kind, value.code
        if kind not in (FLOAT, DOUBLE):
            raise UntranslatableError(f"{function} of {kind}")
        if function == "Sign":
            one = f"({kind}.copysign {constant(kind, 1)} {code})"
            other = f"(i32.or ({kind}.eq {code} {constant(kind, 0)}) ({kind}.ne {code} {code}))"
            return self._made(kind, f"(select {code} {one} {other})", value.known)
        return self._made(
            kind, f"({kind}.{ {'Abs': 'abs', 'Negate': 'neg', 'Sqrt': 'sqrt'}[function] } {code})", value.known
        )

    def _clip(self, inputs: list[Value], *, low: bool, high: bool) -> Value:
        kind, (value, *bounds) = self._alike(*inputs)
        code, outside = value.code, [*(["lt"] if low else []), *(["gt"] if high else [])]
        if kind not in (FLOAT, DOUBLE):
            raise UntranslatableError(f"a clip of {kind}")
        for order, bound in zip(reversed(outside), reversed(bounds), strict=True):
            where = f"({kind}.{order} {value.code} {bound.code})"
            where = f"(i32.and {where} {bound.known})" if bound.known else where
            code = self._chosen(kind, self.keep("i32", where), bound.code, code)
        return Value(kind, code, value.known)
