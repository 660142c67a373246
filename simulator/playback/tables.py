"""Tables of TOML files that people write: read into declared types, with errors that name line, key and range."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct, inspect

from simulator.playback.notation import DURATION_RULE, ScenarioError, nearest, parse_duration

Root = TypeVar("Root", bound=Struct)

Path = list[str | int]
"""Keys and places (from 0) that lead to a value, such as `["fault", 1, "severity"]`."""


@dataclass(frozen=True)
class Table:
    """A table below the root: its type, what it cannot do without, and whether it is written several times."""

    kind: type[Struct]
    needs: str = ""
    several: bool = True

    def written(self, key: str) -> str:
        """Return how it is written, for an error message."""
        return f"each as a table of its own, [[{key}]]" if self.several else f"it as a table of its own, [{key}]"


@dataclass(frozen=True)
class Layout(Generic[Root]):
    """The root of a file, its tables by name, and the keys of any of them that hold a duration (text or seconds)."""

    root: type[Root]
    tables: Mapping[str, Table]
    durations: frozenset[str]


def read(tables: dict[str, Any], layout: Layout[Root], source: str, text: str = "") -> Root:
    """Return the tables of a file as the layout's root, durations in seconds.

    Raises `ScenarioError` with `source`, the line in its `text`, the value and what is allowed.
    """
    try:
        return msgspec.convert(_in_seconds(tables, layout.durations), layout.root, builtin_types=(datetime,))
    except msgspec.ValidationError as error:
        path, message = _explained(error, tables, layout)
        raise ScenarioError(f"{source}{position(path, text.splitlines())}: {message}") from None


def _in_seconds(value: object, durations: frozenset[str], key: str = "") -> object:
    """Return the tables with durations in seconds; text that is no duration stays, and fails the validation."""
    if isinstance(value, dict):
        return {name: _in_seconds(entry, durations, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [_in_seconds(entry, durations) for entry in value]
    if key in durations and isinstance(value, str):
        try:
            return parse_duration(value)
        except ScenarioError:
            return value
    return value


def _explained(error: msgspec.ValidationError, tables: dict[str, Any], layout: Layout[Any]) -> tuple[Path, str]:
    """Return where a value is invalid, and a message with the value and what is allowed."""
    parts = re.fullmatch(r"(?P<reason>.*?)(?: - at `\$(?P<path>[^`]*)`)?", str(error), re.DOTALL)
    reason, steps = (parts["reason"], parts["path"] or "") if parts else (str(error), "")
    path: Path = [key or int(index) for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", steps)]
    table = layout.tables[str(path[0])].kind if path and path[0] in layout.tables else layout.root
    if isinstance(error.__cause__, ScenarioError):
        return [*path, error.__cause__.key], str(error.__cause__)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        names = [field.encode_name for field in msgspec.structs.fields(table)]
        return [*path, unknown[1]], (
            f"no key {unknown[1]!r}{nearest(unknown[1], names)}; the keys are {', '.join(names)}"
        )
    if reason.startswith("Object missing"):
        return path, layout.tables[str(path[0])].needs if path else f"it needs {reason.rpartition(' ')[2]}"
    value: Any = tables
    for part in path:
        value = value[part]
    key = next(part for part in reversed(path) if isinstance(part, str))
    if key in layout.tables:
        return path[:1], f"{key} is {_shown(tables[key])}; write {layout.tables[key].written(key)}"
    kind = next(field.type for field in msgspec.structs.fields(table) if field.encode_name == key)
    return path, f"{key} is {_shown(value)}; {_allowed(key, inspect.type_info(kind), value, layout.durations)}"


def _allowed(key: str, kind: inspect.Type, value: object, durations: frozenset[str]) -> str:
    """Return what is allowed for the value of a key, from the range that its field declares."""
    if key in durations:
        try:
            parse_duration(value)
        except ScenarioError:
            return f"write {DURATION_RULE}, not negative"
    match kind:
        case inspect.Metadata(extra_json_schema={"description": rule}):
            return f"write {rule}"
        case inspect.UnionType(types=(first, *_)):
            return _allowed(key, first, value, durations)
        case inspect.LiteralType(values=values):
            return f"allowed is {', '.join(map(str, values))}"
    return _allowed_number(key, kind, value, " seconds" if key in durations else "")


def _allowed_number(key: str, kind: inspect.Type, value: object, unit: str) -> str:
    match kind:
        case inspect.IntType(ge=low, le=high) if not isinstance(value, int):
            return f"it is a whole number, {low:,} to {high:,}"
        case inspect.IntType(ge=low, le=high):
            return f"allowed is {low:,} to {high:,}"
        case inspect.FloatType(ge=low, le=high):
            return f"allowed is {low:g} to {high:,.10g}{unit}"
        case inspect.BoolType():
            return "it is true or false"
    raise TypeError(f"no words for the type {kind} of {key}")


def _shown(value: object) -> str:
    """Return a value as it is written in the file, in quotes if it is text or a time, shortened."""
    return repr(value if isinstance(value, str | int | float | list | dict) else str(value))[:80]


def position(path: Path, lines: Sequence[str]) -> str:
    """Return where in a file a value is: its line, or that of its table, and which table it is; empty if unknown."""
    keys = [part for part in path if isinstance(part, str) and part]
    if len(path) < 2 or not isinstance(path[1], int):
        return _line_of(keys[-1] if keys else "", lines)
    kind, place = keys[0], path[1]
    begins = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{kind}\s*\]\]", line)][place : place + 1]
    line = ""
    if begins:
        end = next((n for n, text in enumerate(lines) if n > begins[0] and re.match(r"\s*\[", text)), None)
        line = _line_of(keys[-1] if keys[1:] else "", lines[:end], begins[0]) or f", line {begins[0] + 1}"
    return f"{line}, [[{kind}]] number {place + 1}"


def _line_of(key: str, lines: Sequence[str], first: int = 0) -> str:
    """Return the first line that has a key, counted from 1 and sought from index `first` on; empty if there is none."""
    written = rf"\s*\[*\s*[\"']?{re.escape(key)}(?!\w)" if key else r"(?!)"
    found = next((n for n, line in enumerate(lines[first:], first + 1) if re.match(written, line)), None)
    return "" if found is None else f", line {found}"
