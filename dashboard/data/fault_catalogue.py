"""Fault catalogue: what every fault is, how it shows, and small curves of a pump with and without it.

The file beside this module is written by `pumpwatch.documentation.fault_catalogue`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec

PATH: Final = Path(__file__).with_suffix(".json")
STAGES: Final = {"physics": "Pump and catheter", "sensors": "Sensors", "link": "Telemetry link"}
"""Where a fault acts, in the words of the page."""
Points = tuple[list[float], list[float]]
"""Hours and values."""


class Panel(msgspec.Struct, frozen=True):
    """One signal of a pump with and without the fault."""

    signal: str
    label: str
    faulty: Points = msgspec.field(name="with")
    healthy: Points = msgspec.field(name="without")


class FaultEntry(msgspec.Struct, frozen=True):
    """One fault: words, and curves over the `hours` before, with and after it.

    `unseen` says why no signal shows it, empty if one does; `waits_for` is "refill" if it has no effect before one.
    """

    title: str
    stage: str
    summary: str
    signature: str
    severity: str
    origin: str
    unseen: str
    waits_for: str
    hours: tuple[float, float, float]
    picture_severity: float
    panels: tuple[Panel, ...]


@lru_cache(maxsize=1)
def catalogue() -> dict[str, FaultEntry]:
    """Return every fault of the simulator by its name."""
    return msgspec.json.decode(PATH.read_bytes(), type=dict[str, FaultEntry])


def by_stage(names: list[str]) -> dict[str, list[str]]:
    """Return the names of faults by where they act; those that the catalogue lacks come last, under "Other"."""
    known = catalogue()
    groups: dict[str, list[str]] = {title: [] for title in (*STAGES.values(), "Other")}
    for name in names:
        groups[STAGES[known[name].stage] if name in known else "Other"].append(name)
    return {title: found for title, found in groups.items() if found}
