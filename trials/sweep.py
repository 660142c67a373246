"""This file asks how small a fault may be to be found: each at a ladder of severities on many pumps, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from simulator.faults import FAULTS
from simulator.playback.scenario import Scenario, ScheduledEvent, ScheduledFault

SEVERITIES: Final = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
PUMPS_EACH: Final = 10
DAYS: Final = 4.0
HEALTHY_S: Final = 86_400.0
"""So long all pumps are well, that detectors may learn them; from then on the faults go on until the end."""
REFILL_S: Final = 3600.0
"""So long after the onset pumps are filled whose fault waits for that."""
FOUND: Final = 0.9
"""A severity is found when that share of its pumps is."""


def ladder(base: Scenario, faults: Sequence[str], pumps_each: int = PUMPS_EACH) -> Scenario:
    """Return `base` with these faults alone, each severity on `pumps_each` pumps of its own."""
    planned, refilled, first = [], [], 0
    for name in faults:
        for severity in SEVERITIES:
            pumps = f"{first}-{first + pumps_each - 1}"
            planned.append(ScheduledFault(name, pumps, None, HEALTHY_S, 0.0, None, (severity,)))
            if FAULTS[name].waits_for == "refill":
                refilled.append(ScheduledEvent("refill", pumps, None, HEALTHY_S + REFILL_S))
            first += pumps_each
    return replace(base, pumps=first, days=base.days or DAYS, faults=tuple(planned), events=tuple(refilled))


def smallest(told: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return for each fault of a report the smallest severity from which on all are found, and its delays in hours."""
    found = {}
    for name, fault in told["faults"].items():
        least: dict[str, float | None] = {"severity": None, "p50": None, "p95": None}
        for rung in sorted(fault["severities"], key=lambda rung: -rung["severity"]):
            if rung["detected"] is None or rung["detected"] < FOUND:
                break
            least = {"severity": rung["severity"], **rung["time_to_detect_h"]}
        if fault["visible"]:
            found[name] = least
    return found
