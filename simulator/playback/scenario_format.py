"""Format of scenario files: the keys of each table, the range of each value, and errors that name line and key."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from broker.contract.dose_limits import CEREBRAL_STEP, MAX_BOLUS_UG
from broker.contract.ranges import MAX_DAYS, MAX_SEED
from simulator.faults import FAULTS
from simulator.fleet.lots import LOT_COUNT, LOTS
from simulator.playback.event_kinds import EVENTS
from simulator.playback.notation import (
    PUMPS_RULE,
    ScenarioError,
    known,
    known_fault,
    parse_pumps,
)
from simulator.playback.tables import Layout, Table, position
from simulator.playback.tables import read as read_tables

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


NEEDS: Final = "it needs a name and the time at which it begins: name = …, at = …"
LAYOUT: Final = Layout(
    ScenarioTable,
    {
        "fault": Table(FaultTable, NEEDS),
        "event": Table(EventTable, NEEDS),
        "random": Table(RandomTable, several=False),
    },
    DURATIONS,
)


def read(tables: dict[str, Any], source: str, text: str = "") -> ScenarioTable:
    """Validate the tables of a scenario file; raises `ScenarioError` with `source`, and the line in its `text`."""
    scenario = read_tables(tables, LAYOUT, source, text)
    for kind, rows in (("fault", scenario.fault), ("event", scenario.event)):
        for place, row in enumerate(rows):
            try:
                selected = parse_pumps("0" if row.pumps is None else str(row.pumps), scenario.pumps)
                if isinstance(row, FaultTable) and row.name == OTHER_FAULTS:
                    _check_enough(len(selected), len(row.severities), len(other_faults(scenario)))
            except ScenarioError as error:
                place_in_file = position([kind, place, "pumps"], text.splitlines())
                raise ScenarioError(f"{source}{place_in_file}: {error}") from None
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
