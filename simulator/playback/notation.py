"""Notation of scenarios and injections: durations, selections of pumps, names and numbers, read from text."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection
from typing import Final

import numpy as np

from simulator.faults import FAULTS
from simulator.fleet.state import U32

UNIT_S: Final = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
DURATION_RULE: Final = 'a duration such as "2d 03:00", "4h30m", "40m", "90s" or a number of seconds'
PUMPS_RULE: Final = 'indices and serials such as "3,7-9" or "ITB-000003"'


class ScenarioError(ValueError):
    """A scenario, an injection or a command is invalid; the message gives the value and what is allowed.

    `key` is the key of the scenario file that has the value, if known.
    """

    def __init__(self, message: str, key: str = "") -> None:
        """Keep the message and the key."""
        super().__init__(message)
        self.key = key


def parse_duration(value: object) -> float:
    """Return the seconds of a duration written as in `DURATION_RULE`; raises `ScenarioError`."""
    if isinstance(value, str):
        seconds = _seconds(value.strip())
    else:
        seconds = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not 0 <= seconds < math.inf:
        raise ScenarioError(f"{value!r} is not {DURATION_RULE}, not negative")
    return seconds


def parse_pumps(text: str, count: int) -> U32:
    """Return the ascending indices that `text` selects in a fleet of `count` pumps; raises `ScenarioError`."""
    selected = [np.empty(0, np.uint32)]
    for part in text.split(","):
        ends = re.fullmatch(r"(?:ITB-)?(\d{1,9})(?:\s*-\s*(?:ITB-)?(\d{1,9}))?", part.strip())
        if ends is None:
            raise ScenarioError(f"pumps is {text[:80]!r}, in which {part[:40]!r} is invalid; write {PUMPS_RULE}")
        first, last = int(ends[1]), int(ends[2] or ends[1])
        if not first <= last < count:
            raise ScenarioError(f"pumps {part.strip()[:40]!r} are not in the fleet, whose pumps are 0 to {count - 1}")
        selected.append(np.arange(first, last + 1, dtype=np.uint32))
    return np.unique(np.concatenate(selected))


def known_fault(name: str) -> str:
    """Return the name if it is that of a fault; else raise `ScenarioError` with the names of all faults."""
    return known("fault", name, FAULTS)


def known(kind: str, name: str, names: Collection[str], key: str = "name") -> str:
    """Return the name if it is one of `names`; else raise `ScenarioError` with the nearest and all of them."""
    if name not in names:
        raise ScenarioError(f"no {kind} {name!r}{nearest(name, names)}; the {kind}s are {', '.join(names)}", key)
    return name


def nearest(name: str, names: Collection[str]) -> str:
    """Return a hint at the most similar name, empty if none is similar."""
    similar = difflib.get_close_matches(name, names, 1)
    return f" (did you mean {similar[0]}?)" if similar else ""


def number(name: str, value: object, low: float, high: float) -> float:
    """Return a number within its range; raises `ScenarioError`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ScenarioError(f"{name} is {value!r}; allowed is {low:g} to {high:,.10g}")
    return float(value)


def _seconds(text: str) -> float:
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
