"""Subjects of alarms: the kinds there are, and how a part of Pumpwatch is written where a person names one."""

from __future__ import annotations

from typing import Final, Literal

from broker.contract.cohorts import FLEET, NAMED

SubjectKind = Literal["pump", "gateway", "cohort", "fleet", "system"]
"""What an alarm is about: a pump, a gateway and its pumps, a cohort (a model or a lot), the fleet, Pumpwatch."""
WITH_PUMPS: Final = ("gateway", "cohort")
"""The kinds of subjects whose pumps the list of pumps can show."""
_SYSTEM: Final = "system: "
_COHORT: Final = tuple(f"{kind} " for kind in NAMED)


def system_subject(part: str) -> str:
    """Return the subject of alarms about a part of Pumpwatch, such as "system: storage"."""
    return f"{_SYSTEM}{part}"


def names_system(text: str) -> bool:
    """Tell whether a person's text names a part of Pumpwatch."""
    return text.startswith(_SYSTEM)


def kind_by_name(subject: str) -> SubjectKind:
    """Return the kind of a subject other than a pump by its name alone: for files of versions that saved no kind."""
    if names_system(subject):
        return "system"
    if subject.startswith(_COHORT):
        return "cohort"
    return "fleet" if subject == FLEET else "gateway"
