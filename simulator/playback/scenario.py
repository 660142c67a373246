"""This file reads scenarios: how many pumps, how their time runs, and which of them fail when."""

from __future__ import annotations

import difflib
import functools
import math
import re
import tomllib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from broker.contract.dose_limits import CEREBRAL_STEP, MAX_BOLUS_UG
from simulator.faults import FAULTS
from simulator.fleet import lots
from simulator.fleet.state import U32
from simulator.playback.events import EVENTS

FOLDER: Final = Path(__file__).resolve().parents[1] / "scenarios"
MAX_PUMPS: Final = 10_000_000
MAX_INTERVAL_S: Final = 86_400.0
MAX_SEED: Final = 2**63 - 1
FRACTION_STREAM: Final = 2000

UNIT_S: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
DURATION_RULE: Final = 'a duration such as "2d 03:00", "4h30m", "40m", "90s" or a number of seconds'
PUMPS_RULE: Final = 'indices and serials such as "3,7-9" or "ITB-000003"'


class ScenarioError(ValueError):
    """Something in a scenario or an injection that cannot be; the text says what, where, and what is allowed.

    `key` is the scenario's key whose value it is, where it is known.
    """

    key: str = ""


@dataclass(frozen=True)
class ScheduledFault:
    """One `[[fault]]`: what happens to which pumps, `at_s` seconds after the start. `hold_s` None is for good.

    Several severities are dealt out to the pumps in turn. With a `lot` it is the pumps of that lot, or a fraction of
    them.
    """

    name: str
    pumps: str | None
    fraction: float | None
    at_s: float
    ramp_s: float
    hold_s: float | None
    severity: tuple[float, ...]
    lot: str | None = None


@dataclass(frozen=True)
class ScheduledEvent:
    """One `[[event]]`: what happens to healthy pumps. `hold_s` None is as long as its kind lasts.

    `change` is the factor of a new program on the dose as it is, or with `on_course` on the dose that suits the patient
    by then; `dose_ug` is the dose of a bolus, `size` how much of the others there is.
    """

    name: str
    pumps: str | None
    fraction: float | None
    at_s: float
    hold_s: float | None = None
    size: float = 1.0
    change: float = 1.1
    dose_ug: float = 25.0
    on_course: bool = False
    lot: str | None = None


@dataclass(frozen=True)
class Arrivals:
    """`[random]`: faults come by themselves at their published rates times `rate_factor`, events at theirs times
    `event_factor`."""

    rate_factor: float = 0.0
    event_factor: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """How many pumps, for how many days of therapy time (None: without end), a sample every how many seconds.

    `start_ms` is the therapy time at which it begins, ms UTC; None is that of the clock on the wall.
    """

    pumps: int = 200
    days: float | None = None
    interval_s: float = 60.0
    seed: int = 42
    faults: tuple[ScheduledFault, ...] = ()
    events: tuple[ScheduledEvent, ...] = ()
    random: Arrivals = Arrivals()
    start_ms: int | None = None


def default(*, pumps: int = 200, interval_s: float = 60.0, seed: int = 42) -> Scenario:
    """Return the scenario in which nothing fails, or raise `ScenarioError`."""
    return _read({"pumps": pumps, "interval": interval_s, "seed": seed}, "the scenario")


def load(path_or_name: str) -> Scenario:
    """Read a scenario file, or one of those that come along by its name, such as "demo"; else raise `ScenarioError`."""
    path = Path(path_or_name)
    if not path.is_file():
        path = FOLDER / f"{path_or_name}.toml"
    if not path.is_file() or not re.fullmatch(r"[\w./\\: -]+", path_or_name):
        known = ", ".join(sorted(each.stem for each in FOLDER.glob("*.toml")))
        raise ScenarioError(f"no scenario {path_or_name!r}: it is neither a file nor one of those here: {known}")
    try:
        text = path.read_text(encoding="utf-8")
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from error
    return _read(tables, str(path), text)


def parse_duration(value: str | float) -> float:
    """Return the seconds of `DURATION_RULE`; else raise `ScenarioError`."""
    if isinstance(value, str):
        seconds = _duration(value.strip())
    else:
        seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 <= seconds < math.inf:
        raise ScenarioError(f"{value!r} is not {DURATION_RULE}, not negative")
    return seconds


def parse_pumps(text: str, count: int) -> U32:
    """Return the ascending indices that `text` names in a fleet of `count`; else raise `ScenarioError`."""
    chosen = [np.empty(0, np.uint32)]
    for part in text.split(","):
        ends = re.fullmatch(r"(?:ITB-)?(\d{1,9})(?:\s*-\s*(?:ITB-)?(\d{1,9}))?", part.strip())
        if ends is None:
            raise ScenarioError(f"pumps are {text[:80]!r}, where {part[:40]!r} is wrong; write {PUMPS_RULE}")
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if not first <= last < count:
            raise ScenarioError(f"pumps {part.strip()[:40]!r} are not in the fleet, whose pumps are 0 to {count - 1}")
        chosen.append(np.arange(first, last + 1, dtype=np.uint32))
    return np.unique(np.concatenate(chosen))


def chosen(scenario: Scenario, place: int) -> U32:
    """Return which pumps the fault of that place in `scenario.faults`, then `scenario.events`, befalls.

    A fraction is drawn by the seed.
    """
    planned: tuple[ScheduledFault | ScheduledEvent, ...] = (*scenario.faults, *scenario.events)
    one = planned[place]
    if one.pumps is not None:
        return parse_pumps(one.pumps, scenario.pumps)
    among = np.arange(scenario.pumps, dtype=np.uint32)
    if one.lot is not None:
        among = among[lots.drawn(scenario.pumps, scenario.seed) == lots.LOTS.index(one.lot)]
    rng = np.random.default_rng((scenario.seed, FRACTION_STREAM, place))
    share = one.fraction if one.fraction is not None else 1.0
    return np.sort(rng.choice(among, math.ceil(round(share * len(among), 6)), replace=False)).astype(np.uint32)


def known_fault(name: str) -> str:
    """Return the name if there is such a fault; else raise `ScenarioError` with those there are."""
    return _known("fault", name, FAULTS)


def number(name: str, value: object, low: float, high: float) -> float:
    """Return a number within bounds; else raise `ScenarioError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ScenarioError(f"{name} is {value!r}; allowed is {low:g} to {high:,.10g}")
    return float(value)


def _duration(text: str) -> float:
    parts = re.fullmatch(
        r"((?:\d+(?:\.\d+)?\s*[dhms]\s*)*)(?:(\d{1,2}):([0-5]\d)(?::([0-5]\d))?)?|(\d+(?:\.\d+)?)", text
    )
    if not text or parts is None:
        return math.nan
    if parts[5]:
        return float(parts[5])
    units = re.findall(r"(\d+(?:\.\d+)?)\s*([dhms])", parts[1] or "")
    if len({unit for _, unit in units}) < len(units):
        return math.nan
    clock = int(parts[2] or 0) * 3600 + int(parts[3] or 0) * 60 + int(parts[4] or 0)
    return sum(float(amount) * UNIT_S[unit] for amount, unit in units) + clock


def _read(tables: dict[str, Any], where: str, text: str = "") -> Scenario:
    known = ("pumps", "days", "interval", "seed", "start", "fault", "event", "random")
    key = "pumps"
    try:
        _only(tables, known)
        count = int(_whole("pumps", tables.get("pumps", 200), 1, MAX_PUMPS))
        key = "days"
        days = None if "days" not in tables else number("days", tables["days"], 0.001, 36_500)
        key = "interval"
        interval_s = number("interval in seconds", parse_duration(tables.get("interval", 60)), 1, MAX_INTERVAL_S)
        key = "seed"
        seed = int(_whole("seed", tables.get("seed", 42), 0, MAX_SEED))
        key = "start"
        start_ms = _start(tables.get("start"))
        key = "random"
        arrivals = _arrivals(tables.get("random", {}))
        key = "fault"
        listed = _tables("fault", tables.get("fault", []))
        key = "event"
        happening = _tables("event", tables.get("event", []))
    except ScenarioError as error:
        raise ScenarioError(f"{where}{_line_of(error.key or key, text.splitlines())}: {error}") from None
    faults = [_numbered(_fault, "fault", place, table, count, where, text) for place, table in enumerate(listed, 1)]
    events = [_numbered(_event, "event", place, table, count, where, text) for place, table in enumerate(happening, 1)]
    return Scenario(count, days, interval_s, seed, tuple(faults), tuple(events), arrivals, start_ms)


Row = TypeVar("Row")


def _numbered(  # noqa: PLR0917 - the row and where it stands
    read: Callable[[dict[str, Any], int], Row],
    kind: str,
    place: int,
    table: dict[str, Any],
    count: int,
    where: str,
    text: str,
) -> Row:
    """Read a table, and where that fails say which it is and in which line what is wrong stands, or else it begins."""
    try:
        return read(table, count)
    except ScenarioError as error:
        lines = text.splitlines()
        begins = [n for n, line in enumerate(lines) if re.match(rf"\s*\[\[\s*{kind}\s*\]\]", line)][place - 1 : place]
        ends = [n for n, line in enumerate(lines) if begins and n > begins[0] and re.match(r"\s*\[", line)]
        line = ""
        if begins:
            line = _line_of(error.key, lines[: ends[0] if ends else None], begins[0]) or f", line {begins[0] + 1}"
        raise ScenarioError(f"{where}{line}, [[{kind}]] number {place}: {error}") from None


def _line_of(key: str, lines: Sequence[str], first: int = 0) -> str:
    """Say in which line, from that of index `first` on, a key stands; nothing where there is none."""
    key = re.escape(key)
    written = rf"\s*\[*\s*[\"']?{key}\b" if key else r"(?!)"
    found = next((n for n, line in enumerate(lines[first:], first + 1) if re.match(written, line)), None)
    return "" if found is None else f", line {found}"


def _value(table: dict[str, Any], key: str, read: Callable[[Any], Any], default: Any = None) -> Any:
    """Read the value of a key, or return `default` where it is not there; what is wrong with it bears its key."""
    try:
        return read(table[key]) if key in table else default
    except ScenarioError as error:
        error.key = key
        raise


def _fault(table: dict[str, Any], count: int) -> ScheduledFault:
    _only(table, ("name", "pumps", "lot", "fraction", "at", "ramp", "hold", "severity"))
    return ScheduledFault(
        **_who_and_when(table, count),
        name=_value(table, "name", known_fault),
        ramp_s=_value(table, "ramp", parse_duration, 0.0),
        hold_s=_value(table, "hold", parse_duration),
        severity=_value(table, "severity", _severities, (1.0,)),
    )


def _event(table: dict[str, Any], count: int) -> ScheduledEvent:
    _only(table, ("name", "pumps", "lot", "fraction", "at", "hold", "size", "change", "dose_ug"))
    return ScheduledEvent(
        **_who_and_when(table, count),
        name=_value(table, "name", lambda name: _known("event", name, EVENTS)),
        hold_s=_value(table, "hold", parse_duration),
        size=_value(table, "size", lambda size: number("size", size, 0, 1), 1.0),
        change=_value(table, "change", lambda by: number("change", by, 1 - CEREBRAL_STEP, 1 + CEREBRAL_STEP), 1.1),
        dose_ug=_value(table, "dose_ug", lambda dose: number("dose_ug", dose, 0, MAX_BOLUS_UG), 25.0),
    )


def _who_and_when(table: dict[str, Any], count: int) -> dict[str, Any]:
    if "name" not in table or "at" not in table:
        raise ScenarioError("it needs a name and the time at which it begins: name = …, at = …")
    if ("pumps" in table) == ("fraction" in table or "lot" in table):
        raise ScenarioError(
            'it needs either pumps = "0-9" or fraction = 0.05, or lot = "B07", with or without a fraction'
        )
    _value(table, "pumps", lambda pumps: parse_pumps(str(pumps), count))
    return {
        "pumps": _value(table, "pumps", str),
        "lot": _value(table, "lot", lambda name: _known("lot", name, lots.LOTS[: lots.LOT_COUNT])),
        "fraction": _value(table, "fraction", lambda fraction: number("fraction", fraction, 0, 1)),
        "at_s": _value(table, "at", parse_duration),
    }


def _severities(value: object) -> tuple[float, ...]:
    if isinstance(value, list) and value:
        return tuple(number("severity", each, 0, 1) for each in value)
    return (number("severity", value, 0, 1),)


def _arrivals(table: object) -> Arrivals:
    if not isinstance(table, dict):
        raise ScenarioError(f"random is {str(table)[:80]!r}; write it as a table of its own, [random]")
    _only(table, ("rate_factor", "event_factor"))
    return Arrivals(**{name: _value(table, name, functools.partial(number, name, low=0, high=1e6)) for name in table})


def _start(value: object) -> int | None:
    if value is None:
        return None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ScenarioError(f"start is {str(value)[:40]!r}; write a time with its zone such as 2026-01-05T00:00:00Z")
    return round(value.timestamp() * 1000)


def _known(kind: str, name: str, names: Collection[str]) -> str:
    if name not in names:
        near = difflib.get_close_matches(str(name), names, 1)
        raise ScenarioError(
            f"no {kind} {name!r}{f' (did you mean {near[0]}?)' if near else ''}; the {kind}s are {', '.join(names)}"
        )
    return name


def _tables(name: str, value: object) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ScenarioError(f"{name} is {str(value)[:80]!r}; write each as a table of its own, [[{name}]]")
    return value


def _whole(name: str, value: object, low: int, high: int) -> float:
    if not isinstance(value, int):
        raise ScenarioError(f"{name} is {value!r}; it is a whole number, {low} to {high:,}")
    return number(name, value, low, high)


def _only(table: dict[str, Any], allowed: tuple[str, ...]) -> None:
    unknown = next((key for key in table if key not in allowed), None)
    if unknown is not None:
        near = difflib.get_close_matches(unknown, allowed, 1)
        error = ScenarioError(
            f"no key {unknown!r}{f' (did you mean {near[0]}?)' if near else ''}; the keys are {', '.join(allowed)}"
        )
        error.key = unknown
        raise error
