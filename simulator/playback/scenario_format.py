"""Format of scenario files: the keys of each table, the range of each value, and errors that name line and key."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct, inspect

from broker.contract.dose_limits import CEREBRAL_STEP, MAX_BOLUS_UG
from broker.contract.ranges import MAX_DAYS, MAX_SEED
from simulator.faults import FAULTS
from simulator.fleet.lots import LOT_COUNT, LOTS
from simulator.playback.event_kinds import EVENTS
from simulator.playback.notation import (
    DURATION_RULE,
    PUMPS_RULE,
    ScenarioError,
    known,
    known_fault,
    nearest,
    parse_duration,
    parse_pumps,
)

MAX_PUMPS: Final = 10_000_000
MAX_INTERVAL_S: Final = 86_400.0
MAX_DURATION_S: Final = MAX_DAYS * 86_400.0
DURATIONS: Final = frozenset({"interval", "at", "ramp", "hold", "apart"})
"""Keys of any table that hold a duration, written as text or in seconds."""
OTHER_FAULTS: Final = "other"
"""Name in `[[fault]]` that stands for each fault that the scenario does not name."""
TIME_RULE: Final = "a time with its zone such as 2026-01-05T00:00:00Z"

Share = Annotated[float, Meta(ge=0, le=1)]
Factor = Annotated[float, Meta(ge=0, le=1e6)]
Seconds = Annotated[float, Meta(ge=0, le=MAX_DURATION_S)]


class RandomTable(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """`[random]`: factors on the published rates of faults and on the rates of events."""

    rate_factor: Factor = 0.0
    event_factor: Factor = 0.0


class TargetTable(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Keys that faults and events share: what happens, when, to which pumps, and for how long."""

    name: Annotated[str, Meta(description='a name such as "motor_stall"')]
    pumps: Annotated[str | int, Meta(description=PUMPS_RULE)] | None = None
    lot: Annotated[str, Meta(description='the name of a lot such as "B07"')] | None = None
    fraction: Share | None = None
    at: Seconds
    hold: Seconds | None = None

    def __post_init__(self) -> None:
        """Check the lot, and that pumps are selected in one way."""
        if (self.pumps is None) == (self.fraction is None and self.lot is None):
            raise ScenarioError(
                'it needs either pumps = "0-9" or fraction = 0.05, or lot = "B07", with or without a fraction'
            )
        if self.lot is not None:
            known("lot", self.lot, LOTS[:LOT_COUNT], "lot")


class FaultTable(TargetTable, kw_only=True, frozen=True):
    """`[[fault]]`: severities are assigned to the selected pumps in turn.

    With the name "other" each fault that the scenario does not name gets as many of the pumps as there are severities,
    and begins `apart` after the one before it, in alphabetical order.
    """

    ramp: Seconds = 0.0
    severity: Share | Annotated[list[Share], Meta(min_length=1)] = 1.0
    apart: Seconds | None = None

    def __post_init__(self) -> None:
        """Check the name, and the keys that depend on it."""
        if self.name != OTHER_FAULTS:
            known_fault(self.name)
            if self.apart is not None:
                raise ScenarioError('apart is only for name = "other"; leave it out', key="apart")
        elif self.pumps is None:
            raise ScenarioError('name = "other" needs pumps = "0-9", and neither fraction nor lot', key="name")
        super().__post_init__()

    @property
    def severities(self) -> tuple[float, ...]:
        """Severities that are assigned to the pumps in turn."""
        return tuple(self.severity) if isinstance(self.severity, list) else (self.severity,)


class EventTable(TargetTable, kw_only=True, frozen=True):
    """`[[event]]`: size of the event, factor of a new program on the dose, dose of a bolus."""

    size: Share = 1.0
    change: Annotated[float, Meta(ge=1 - CEREBRAL_STEP, le=1 + CEREBRAL_STEP)] = 1.1
    dose_ug: Annotated[float, Meta(ge=0, le=MAX_BOLUS_UG)] = 25.0

    def __post_init__(self) -> None:
        """Check the name."""
        known("event", self.name, EVENTS)
        super().__post_init__()


class ScenarioTable(Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A whole scenario file; durations in seconds."""

    pumps: Annotated[int, Meta(ge=1, le=MAX_PUMPS)] = 200
    days: Annotated[float, Meta(ge=0.001, le=MAX_DAYS)] | None = None
    interval: Annotated[float, Meta(ge=1, le=MAX_INTERVAL_S)] = 60.0
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] = 42
    start: Annotated[datetime, Meta(tz=True, description=TIME_RULE)] | None = None
    fault: tuple[FaultTable, ...] = ()
    event: tuple[EventTable, ...] = ()
    random: RandomTable = RandomTable()


TABLES: Final[dict[str, type[Struct]]] = {"fault": FaultTable, "event": EventTable, "random": RandomTable}
WRITTEN: Final = {
    "fault": "each as a table of its own, [[fault]]",
    "event": "each as a table of its own, [[event]]",
    "random": "it as a table of its own, [random]",
}

Path = list[str | int]
"""Keys and places (from 0) that lead to a value, such as `["fault", 1, "severity"]`."""


def read(tables: dict[str, Any], source: str, text: str = "") -> ScenarioTable:
    """Validate the tables of a scenario file; raises `ScenarioError` with `source`, and the line in its `text`."""
    try:
        scenario = msgspec.convert(_in_seconds(tables), ScenarioTable, builtin_types=(datetime,))
    except msgspec.ValidationError as error:
        path, message = _explained(error, tables)
        raise ScenarioError(f"{source}{_position(path, text.splitlines())}: {message}") from None
    for kind, rows in (("fault", scenario.fault), ("event", scenario.event)):
        for place, row in enumerate(rows):
            try:
                selected = parse_pumps("0" if row.pumps is None else str(row.pumps), scenario.pumps)
                if isinstance(row, FaultTable) and row.name == OTHER_FAULTS:
                    _check_enough(len(selected), len(row.severities), len(other_faults(scenario)))
            except ScenarioError as error:
                position = _position([kind, place, "pumps"], text.splitlines())
                raise ScenarioError(f"{source}{position}: {error}") from None
    return scenario


def other_faults(scenario: ScenarioTable) -> list[str]:
    """Return the names of the faults that no `[[fault]]` of the scenario names, in alphabetical order."""
    return sorted(set(FAULTS).difference(row.name for row in scenario.fault))


def _check_enough(pumps: int, severities: int, faults: int) -> None:
    if pumps < faults * severities:
        raise ScenarioError(
            f"pumps selects {pumps:,}; at least {faults * severities:,} are needed, "
            f"one for each of {severities:,} severities of {faults:,} other faults"
        )


def _in_seconds(value: object, key: str = "") -> object:
    """Return the tables with durations in seconds; text that is no duration stays, and fails the validation."""
    if isinstance(value, dict):
        return {name: _in_seconds(entry, name) for name, entry in value.items()}
    if isinstance(value, list):
        return [_in_seconds(entry) for entry in value]
    if key in DURATIONS and isinstance(value, str):
        try:
            return parse_duration(value)
        except ScenarioError:
            return value
    return value


def _explained(error: msgspec.ValidationError, tables: dict[str, Any]) -> tuple[Path, str]:
    """Return where a value is invalid, and a message with the value and what is allowed."""
    parts = re.fullmatch(r"(?P<reason>.*?)(?: - at `\$(?P<path>[^`]*)`)?", str(error), re.DOTALL)
    reason, steps = (parts["reason"], parts["path"] or "") if parts else (str(error), "")
    path: Path = [key or int(index) for key, index in re.findall(r"\.(\w+)|\[(\d+)\]", steps)]
    table = TABLES[str(path[0])] if path and path[0] in TABLES else ScenarioTable
    if isinstance(error.__cause__, ScenarioError):
        return [*path, error.__cause__.key], str(error.__cause__)
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", reason, re.DOTALL):
        names = [field.encode_name for field in msgspec.structs.fields(table)]
        return [*path, unknown[1]], (
            f"no key {unknown[1]!r}{nearest(unknown[1], names)}; the keys are {', '.join(names)}"
        )
    if reason.startswith("Object missing"):
        return path, "it needs a name and the time at which it begins: name = …, at = …"
    value: Any = tables
    for part in path:
        value = value[part]
    key = next(part for part in reversed(path) if isinstance(part, str))
    if key in TABLES:
        return path[:1], f"{key} is {_shown(tables[key])}; write {WRITTEN[key]}"
    kind = next(field.type for field in msgspec.structs.fields(table) if field.encode_name == key)
    return path, f"{key} is {_shown(value)}; {_allowed(key, inspect.type_info(kind), value)}"


def _allowed(key: str, kind: inspect.Type, value: object) -> str:
    """Return what is allowed for the value of a key, from the range that its field declares."""
    if key in DURATIONS:
        try:
            parse_duration(value)
        except ScenarioError:
            return f"write {DURATION_RULE}, not negative"
    match kind:
        case inspect.Metadata(extra_json_schema={"description": rule}):
            return f"write {rule}"
        case inspect.UnionType(types=(first, *_)):
            return _allowed(key, first, value)
        case inspect.IntType(ge=low, le=high) if not isinstance(value, int):
            return f"it is a whole number, {low:,} to {high:,}"
        case inspect.IntType(ge=low, le=high):
            return f"allowed is {low:,} to {high:,}"
        case inspect.FloatType(ge=low, le=high):
            return f"allowed is {low:g} to {high:,.10g}{' seconds' if key in DURATIONS else ''}"
    raise TypeError(f"no words for the type {kind} of {key}")


def _shown(value: object) -> str:
    """Return a value as it is written in the file, in quotes if it is text or a time, shortened."""
    return repr(value if isinstance(value, str | int | float | list | dict) else str(value))[:80]


def _position(path: Path, lines: Sequence[str]) -> str:
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
