"""Faults: every module of this folder is one, found by listing the folder.

A fault has one function, whose name says at which stage it acts:

    physics(fleet, severity)        changes conditions of the true state, in place
    sensors(sample, severity, rng)  falsifies readings, in place
    link(frame, severity, rng)      returns the samples that still arrive, or arrive after `wait_s` seconds

The function receives only the pumps that have the fault and, for each, its present severity, a float32 from 0 (none) to
1. Onset, duration, clearing and the choice of pumps are handled elsewhere; `age_s` is the time since its onset,
and `fleet.dice` is a random number that changes with therapy time, so that an intermittent fault is a pure function,
too.

Optional constants hold everything else about the fault:

    RATE_PER_PUMP_YEAR    rate at which it occurs at random (default: never)
    RATE_GROWS_WITH_WEAR  whether a worn motor raises that rate (default: no)
    WAITS_FOR             "refill" if it has no effect before the next one
    STAYS_UNTIL           "refill" or "replacement" if its effect outlasts its end
    SURVIVES_REPLACEMENT  whether a new pump has it, too, as with faults of catheter and link (default: no)
    ENDED_BY              "interrogation" or "new program" if that ends it (default: neither does)
    UNSEEN                why no signal shows it; every other fault is named by at least one alarm rule
    SILENT_FROM           severity from which the pump is silent at least half of the time, which makes a silent gateway
                          a correct alarm
    PICTURE_SEVERITY      severity of its picture in the reference (default: 0.9)
    PICTURE_HOURS         hours before, with and after the fault in that picture

To add a fault, copy the shortest file here.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Literal

STAGES: Final = ("physics", "sensors", "link")
"""In the order in which they act on a tick."""
FACTS: Final = (
    "rate_per_pump_year",
    "rate_grows_with_wear",
    "waits_for",
    "stays_until",
    "survives_replacement",
    "ended_by",
    "unseen",
    "silent_from",
    "picture_severity",
    "picture_hours",
)
"""The optional constants of a fault's module, as fields of `Fault`."""


class FaultError(ImportError):
    """A module of this folder is not a fault; the message says what it lacks."""


@dataclass(frozen=True)
class Fault:
    """One fault as its module describes it.

    `origin` is where it is known from, `signature` what an observer sees, `severity` what 0 to 1 means; the docstring
    of this package explains the other fields.
    """

    name: str
    title: str
    stage: str
    summary: str
    origin: str
    signature: str
    severity: str
    function: Callable[..., Any]
    rate_per_pump_year: float = 0.0
    rate_grows_with_wear: bool = False
    waits_for: Literal["", "refill"] = ""
    stays_until: Literal["", "refill", "replacement"] = ""
    survives_replacement: bool = False
    ended_by: Literal["", "interrogation", "new program"] = ""
    unseen: str = ""
    silent_from: float = 0.0
    picture_severity: float = 0.9
    picture_hours: tuple[float, float, float] | None = None


def read(name: str, module: ModuleType) -> Fault:
    """Read a fault from its module, or raise `FaultError`."""
    found = [stage for stage in STAGES if callable(getattr(module, stage, None))]
    if len(found) != 1:
        raise FaultError(f"fault {name} must have one function of {', '.join(STAGES)}; it has {len(found)}")
    texts = re.fullmatch(
        r"(?P<title>[^:\n]+): (?P<summary>.+?)\n\nOrigin: (?P<origin>.+?)\n"
        r"Signature: (?P<signature>.+?)\nSeverity: (?P<severity>.+)",
        (module.__doc__ or "").strip(),
        re.DOTALL,
    )
    if texts is None:
        raise FaultError(
            f'the docstring of fault {name} must read "Title: what it is.", an empty line, then "Origin: …", '
            '"Signature: …" and "Severity: …", each starting a line'
        )
    described: dict[str, Any] = {part: " ".join(text.split()) for part, text in texts.groupdict().items()}
    facts: dict[str, Any] = {fact: getattr(module, fact.upper()) for fact in FACTS if hasattr(module, fact.upper())}
    return Fault(name=name, stage=found[0], function=getattr(module, found[0]), **described, **facts)


FAULTS: Final = {
    name: read(name, importlib.import_module(f"{__name__}.{name}"))
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__))
}
