"""Sweep over severities: the smallest severity at which each fault is still detected, all faults in one run."""

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
"""Time in which all pumps are healthy, for the detectors to learn them; the faults then last until the end."""
REFILL_S: Final = 3600.0
"""Time from the injection to the refill, for faults that wait for a refill."""
MIN_DETECTION_RATE: Final = 0.9
"""Detection rate from which a severity counts as detected."""


def ladder(base: Scenario, faults: Sequence[str], pumps_each: int = PUMPS_EACH) -> Scenario:
    """Return `base` with only these faults, each severity on `pumps_each` pumps of its own."""
    planned, refills, first = [], [], 0
    for name in faults:
        for severity in SEVERITIES:
            pumps = f"{first}-{first + pumps_each - 1}"
            planned.append(ScheduledFault(name, pumps, None, HEALTHY_S, 0.0, None, (severity,)))
            if FAULTS[name].waits_for == "refill":
                refills.append(ScheduledEvent("refill", pumps, None, HEALTHY_S + REFILL_S))
            first += pumps_each
    return replace(base, pumps=first, days=base.days or DAYS, faults=tuple(planned), events=tuple(refills))


def smallest(report: dict[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return for each fault the smallest severity from which all are detected, with its times to detect (h).

    Severity and delays are None if not even the largest severity is detected. Faults that no rule expects are left out.
    """
    smallest_detected = {}
    for name, fault in report["faults"].items():
        detected: dict[str, float | None] = {"severity": None, "p50": None, "p95": None}
        for step in sorted(fault["severities"], key=lambda step: -step["severity"]):
            if step["detected"] is None or step["detected"] < MIN_DETECTION_RATE:
                break
            detected = {"severity": step["severity"], **step["time_to_detect_h"]}
        if fault["visible"]:
            smallest_detected[name] = detected
    return smallest_detected
