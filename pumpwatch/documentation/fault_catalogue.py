"""Fault catalogue of the Faults page: words and small curves of every fault, drawn from the simulator.

`python -m pumpwatch.documentation.fault_catalogue` writes it into the dashboard, which does not import the simulator.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from pumpwatch.documentation import pictures
from pumpwatch.documentation.pictures import F64
from simulator.faults import FAULTS, Fault

PATH: Final = Path(__file__).resolve().parents[2] / "dashboard" / "data" / "fault_catalogue.json"
WORDS: Final = ("title", "stage", "summary", "signature", "severity", "origin", "unseen", "waits_for")
MAX_PANELS: Final = 3
MAX_POINTS: Final = 73
"""Points of a curve: a picture is 300 pixels wide."""
DIGITS: Final = 4
SMALLEST_RANGE: Final = {"flow_ul_h": 2.0, "motor_ul_h": 2.0, "reservoir_ml": 1.0, "pressure_mmhg": 20.0}
SMALLEST_RANGE_ELSEWHERE: Final = {"pulse_mmhg": 8.0, "motor_ma": 4.0, "battery_v": 0.4, "age_min": 5.0, "came": 1.0}
"""Ranges below which a difference is noise; the panels with the greatest difference are shown. Modeling choices."""


def main() -> int:
    """Write the catalogue."""
    lines = (f"{json.dumps(name)}:{_compact(entry)}" for name, entry in catalogue().items())
    PATH.write_text("{" + ",\n".join(lines) + "}\n", encoding="utf-8")
    sys.stderr.write(f"wrote {PATH.name}\n")
    return 0


def catalogue() -> dict[str, Any]:
    """Return words and curves of every fault by its name."""
    return {name: {**words(fault), **curves(fault)} for name, fault in FAULTS.items()}


def words(fault: Fault) -> dict[str, str]:
    """Return what the module of a fault says about it."""
    return {name: getattr(fault, name) for name in WORDS}


def curves(fault: Fault) -> dict[str, Any]:
    """Return the signals that show a fault best, with and without it, and the hours before, with and after it."""
    linked = fault.stage == "link"
    hours = pictures.hours_of(fault)
    step_s = 120.0 if linked else 600.0 if hours[1] < 48 else 3600.0
    faulty, healthy = (pictures.play(fault, step_s, faulty=with_it) for with_it in (True, False))
    panels = [
        (name, label) for name, label in (pictures.LINK_PANELS if linked else pictures.PANELS) if name != "drug_ug"
    ]
    best = sorted(panels, key=lambda panel: -_difference(panel[0], faulty, healthy))[:MAX_PANELS]
    return {
        "hours": hours,
        "picture_severity": fault.picture_severity,
        "panels": [
            {
                "signal": name,
                "label": label,
                "with": _thinned(faulty["hour"], faulty[name]),
                "without": _thinned(healthy["hour"], healthy[name]),
            }
            for name, label in panels
            if (name, label) in best
        ],
    }


def _compact(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def _difference(name: str, faulty: dict[str, F64], healthy: dict[str, F64]) -> float:
    """Return how far a signal moves away from that of the healthy pump, as a share of its usual range."""
    smallest = {**SMALLEST_RANGE, **SMALLEST_RANGE_ELSEWHERE}[name]
    usual = max(float(np.ptp(healthy[name])), smallest)
    if not len(faulty[name]):
        return 1.0
    expected = np.interp(faulty["hour"], healthy["hour"], healthy[name])
    return float(np.quantile(np.abs(faulty[name] - expected), 0.9)) / usual


def _thinned(hour: F64, value: F64) -> list[list[float]]:
    """Return hours and values of at most `MAX_POINTS` points: of each part the one farthest from the median."""
    parts = np.array_split(np.arange(len(hour)), min(len(hour), MAX_POINTS)) if len(hour) else []
    middle = float(np.median(value)) if len(value) else 0.0
    kept = [int(part[np.argmax(np.abs(value[part] - middle))]) for part in parts]
    return [[float(f"{number:.{DIGITS}g}") for number in series[kept]] for series in (hour, value)]


if __name__ == "__main__":
    sys.exit(main())
