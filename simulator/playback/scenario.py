"""Scenarios: the size of the fleet, its clock, and which pumps have which faults and events, when."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from simulator.fleet import lots
from simulator.fleet.state import U32
from simulator.playback import scenario_format
from simulator.playback.notation import ScenarioError, parse_pumps
from simulator.playback.scenario_format import OTHER_FAULTS, EventTable, FaultTable, ScenarioTable, other_faults

FOLDER: Final = Path(__file__).resolve().parents[1] / "scenarios"
FRACTION_STREAM: Final = 2000
"""Random stream that selects the pumps of a fraction."""


@dataclass(frozen=True)
class ScheduledFault:
    """One `[[fault]]`: a fault that begins `at_s` seconds after the start; `hold_s` None is permanent.

    Several severities are assigned to the pumps in turn. With a `lot` the pumps are those of that lot, or a fraction of
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
    """One `[[event]]`: something that happens to healthy pumps; `hold_s` None is the usual duration of its kind.

    `change` is the factor of a new program on the present dose, or with `on_course` on the dose that suits the patient
    by then; `dose_ug` is the dose of a bolus; `size` scales the effect of the other events.
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
    """`[random]`: faults arrive at random at their published rates times `rate_factor`, events at theirs times
    `event_factor`."""

    rate_factor: float = 0.0
    event_factor: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """Number of pumps, days of therapy time (None: without end), seconds between a pump's samples, and what happens.

    `start_ms` is the therapy time at which it begins, ms UTC; None is wall-clock time.
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
    """Return a scenario without faults and events; raises `ScenarioError`."""
    return _read({"pumps": pumps, "interval": interval_s, "seed": seed}, "the scenario")


def load(path_or_name: str) -> Scenario:
    """Read a scenario from a file, or a built-in one by its name, such as "demo"; raises `ScenarioError`."""
    path = _file(path_or_name)
    if path is None:
        built_in = ", ".join(sorted(file.stem for file in FOLDER.glob("*.toml")))
        raise ScenarioError(
            f"no scenario {path_or_name[:80]!r}: it is neither a file nor a built-in scenario, which are {built_in}"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ScenarioError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise ScenarioError(f"cannot read {path}: {error.strerror}") from error
    return parse(text, str(path))


def parse(text: str, source: str) -> Scenario:
    """Read a scenario from the text of a file; raises `ScenarioError` with `source` and the line."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{source} is not TOML: {error}") from error
    return _read(tables, source, text)


def _file(path_or_name: str) -> Path | None:
    try:
        if Path(path_or_name).is_file():
            return Path(path_or_name)
    except (OSError, ValueError):
        return None
    built_in = FOLDER / f"{path_or_name}.toml"
    return built_in if re.fullmatch(r"[\w-]+", path_or_name) and built_in.is_file() else None


def selected_pumps(scenario: Scenario, place: int) -> U32:
    """Return the pumps of the entry at that place in `scenario.faults`, continued by `scenario.events`.

    The pumps of a fraction are drawn at random by the seed.
    """
    entries: tuple[ScheduledFault | ScheduledEvent, ...] = (*scenario.faults, *scenario.events)
    entry = entries[place]
    if entry.pumps is not None:
        return parse_pumps(entry.pumps, scenario.pumps)
    candidates = np.arange(scenario.pumps, dtype=np.uint32)
    if entry.lot is not None:
        candidates = candidates[lots.drawn(scenario.pumps, scenario.seed) == lots.LOTS.index(entry.lot)]
    rng = np.random.default_rng((scenario.seed, FRACTION_STREAM, place))
    fraction = entry.fraction if entry.fraction is not None else 1.0
    count = math.ceil(round(fraction * len(candidates), 6))
    return np.sort(rng.choice(candidates, count, replace=False)).astype(np.uint32)


def _read(tables: dict[str, Any], source: str, text: str = "") -> Scenario:
    table = scenario_format.read(tables, source, text)
    return Scenario(
        pumps=table.pumps,
        days=table.days,
        interval_s=table.interval,
        seed=table.seed,
        faults=tuple(fault for row in table.fault for fault in _faults(row, table)),
        events=tuple(_event(row) for row in table.event),
        random=Arrivals(table.random.rate_factor, table.random.event_factor),
        start_ms=None if table.start is None else round(table.start.timestamp() * 1000),
    )


def _faults(row: FaultTable, scenario: ScenarioTable) -> Iterator[ScheduledFault]:
    """Yield the fault of a `[[fault]]`, or each of the other faults on pumps of its own."""
    fault = ScheduledFault(
        name=row.name,
        pumps=None if row.pumps is None else str(row.pumps),
        fraction=row.fraction,
        at_s=row.at,
        ramp_s=row.ramp,
        hold_s=row.hold,
        severity=row.severities,
        lot=row.lot,
    )
    if row.name != OTHER_FAULTS:
        yield fault
        return
    indices = iter(parse_pumps(str(row.pumps), scenario.pumps).tolist())
    for place, name in enumerate(other_faults(scenario)):
        own = ",".join(str(index) for index in itertools.islice(indices, len(row.severities)))
        yield replace(fault, name=name, pumps=own, at_s=row.at + place * (row.apart or 0.0))


def _event(row: EventTable) -> ScheduledEvent:
    return ScheduledEvent(
        name=row.name,
        pumps=None if row.pumps is None else str(row.pumps),
        fraction=row.fraction,
        at_s=row.at,
        hold_s=row.hold,
        size=row.size,
        change=row.change,
        dose_ug=row.dose_ug,
        lot=row.lot,
    )
