"""The ways in which a pump can fail: every module of this folder is one, found by listing the folder.

A fault has one function, whose name says where it bites:

    physics(fleet, severity)        bends conditions of the true state, in place
    sensors(sample, severity, rng)  falsifies readings, in place
    link(frame, severity, rng)      returns the samples that still get through, or wait for `wait_s` seconds

It is handed only the pumps that have the fault, and for each its severity now, a float32 from 0 (nothing) to 1.
Onset, hold, clearing and who is touched are not its business; how long it has lasted is in `age_s`, and `fleet.dice`
is chance that changes with therapy time, so that what comes and goes is a pure function too.

Its constants tell by what it is judged whether it was found, in the words of the alarm list:

    RIGHT            the rules that name its cause
    ACCEPTED         the rules that notice it under another name
    UNSEEN           instead of both, why no signal tells of it
    SILENT_FROM      the severity from which half of the time nothing is heard of the pump, where it is judged by the
                     silence of a gateway too
    WAITS_FOR        "refill", where nothing is wrong before the next one
    STAYS_UNTIL      "refill" or "replacement", where what it did outlasts its end

To add one, copy the shortest file here.
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
JUDGED_BY: Final = ("right", "accepted", "unseen", "silent_from", "waits_for", "stays_until")


class FaultError(ImportError):
    """A file of this folder that is no fault; the text says what it lacks."""


@dataclass(frozen=True)
class Fault:
    """One way to fail, as its module tells it: `origin` is where it is known from, `severity` what 0 to 1 means.

    `right` and `accepted` are names of rules.
    """

    name: str
    title: str
    stage: str
    summary: str
    origin: str
    signature: str
    severity: str
    function: Callable[..., Any]
    right: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    unseen: str = ""
    silent_from: float = 0.0
    waits_for: Literal["", "refill"] = ""
    stays_until: Literal["", "refill", "replacement"] = ""


def read(name: str, module: ModuleType) -> Fault:
    """Read a fault from its module, or raise `FaultError`."""
    found = [stage for stage in STAGES if callable(getattr(module, stage, None))]
    if len(found) != 1:
        raise FaultError(f"fault {name} must have one function of {', '.join(STAGES)}; it has {len(found)}")
    told = re.fullmatch(
        r"(?P<title>[^:\n]+): (?P<summary>.+?)\n\nOrigin: (?P<origin>.+?)\n"
        r"Signature: (?P<signature>.+?)\nSeverity: (?P<severity>.+)",
        (module.__doc__ or "").strip(),
        re.DOTALL,
    )
    if told is None:
        raise FaultError(
            f'the docstring of fault {name} must read "Title: what it is.", an empty line, then "Origin: …", '
            '"Signature: …" and "Severity: …", each beginning a line'
        )
    texts: dict[str, Any] = {part: " ".join(text.split()) for part, text in told.groupdict().items()}
    judged: dict[str, Any] = {
        each: getattr(module, each.upper()) for each in JUDGED_BY if hasattr(module, each.upper())
    }
    return Fault(name=name, stage=found[0], function=getattr(module, found[0]), **texts, **judged)


FAULTS: Final = {
    name: read(name, importlib.import_module(f"{__name__}.{name}"))
    for name in sorted(module.name for module in pkgutil.iter_modules(__path__))
}
