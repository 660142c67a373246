"""Drills: blind faults that measure how staff respond. What a drill is, and how each thing that happens changes it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from dashboard.languages import tr_later, tr_sentence

MINUTE_MS: Final = 60_000
SPANS_MIN: Final = (15, 30, 60, 120, 240)
"""Within how many minutes a drill may begin."""
GRACE_MS: Final = 5 * MINUTE_MS
"""A drill that could not begin so long after it was due is cancelled: nobody was there to begin it."""
CLAIM_MS: Final = MINUTE_MS
"""After this time an injection that was begun and never confirmed is given up."""
RUN_MS: Final = 60 * MINUTE_MS
"""How long a drill waits for the alarm to be acknowledged."""
ANSWER_MS: Final = 15 * MINUTE_MS
"""How long the person has to say what was done first."""
OPTIONS: Final = 4
"""First actions to choose from; modeling choice."""
MAX_OPEN: Final = 20
MAX_KEPT: Final = 500
"""Drills that may be open at the same time, and drills that are kept; the oldest that have ended are dropped."""

CANCELLED: Final = tr_later("Cancelled by {who}.")
NOT_DUE: Final = tr_later("Cancelled: the dashboard was not running when it was due.")
NOT_CONFIRMED: Final = tr_later("Cancelled: the dashboard ended while it injected the fault.")
NOT_INJECTED: Final = tr_later("Cancelled: the fault could not be injected ({reason}).")
NOT_RAISED: Final = tr_later("No alarm was raised within {minutes} min.")
NOT_ACKNOWLEDGED: Final = tr_later("The alarm was not acknowledged within {minutes} min.")
NOT_ASKED: Final = tr_later("Not asked: what the rule of the alarm recommends is not known.")
NOT_ANSWERED: Final = tr_later("The question was not answered within {minutes} min.")
NO_PUMP: Final = tr_later("Cancelled: no pump is healthy.")
NO_FAULT: Final = tr_later("Cancelled: no gateway has announced a fault that alarms detect.")
NOT_CLEARED: Final = tr_later("The fault could not be cleared ({reason}); it ends by itself.")
"""Notes are stored in English, and shown in the viewer's language by these templates (`noted`)."""
NOTES: Final = (CANCELLED, NOT_INJECTED, NOT_RAISED, NOT_ACKNOWLEDGED, NOT_ANSWERED, NOT_CLEARED)

State = Literal["planned", "injecting", "running", "answering", "ended", "cancelled"]
OPEN: Final = ("planned", "injecting", "running", "answering")
INJECTED: Final = ("injecting", "running", "answering")


class Drill(msgspec.Struct, kw_only=True, frozen=True):
    """One drill. Times are wall ms, but `onset` is therapy ms; 0 is "not yet".

    `for_whom` is empty for whoever is on shift. `options` are the first actions that the person chooses from, `right`
    the one that the rule of the acknowledged alarm recommends. `note` says why a drill ended without a result.
    """

    id: str
    planned_by: str
    planned_at: int
    span_min: int
    due_at: int
    fault: str
    severity: float
    for_whom: str = ""
    state: State = "planned"
    pump: str = ""
    gateway: str = ""
    injected_at: int = 0
    onset: int = 0
    alarm_at: int = 0
    rule: str = ""
    acknowledged_at: int = 0
    acknowledged_by: str = ""
    options: tuple[str, ...] = ()
    right: str = ""
    answer: str = ""
    ended_at: int = 0
    note: str = ""

    @property
    def by(self) -> str:
        """Who is given as the origin of its fault."""
        return f"drill of {self.planned_by}"

    @property
    def person(self) -> str:
        """Whose result it is: who acknowledged the alarm, else for whom it was planned, if for one person."""
        return self.acknowledged_by or self.for_whom

    @property
    def to_alarm_s(self) -> float | None:
        """Seconds until the alarm, None if there was none."""
        return (self.alarm_at - self.injected_at) / 1000 if self.alarm_at else None

    @property
    def to_acknowledge_s(self) -> float | None:
        """Seconds from the alarm until somebody acknowledged it, None if nobody did."""
        return (self.acknowledged_at - self.alarm_at) / 1000 if self.acknowledged_at and self.alarm_at else None


def plan(
    *, drill: str, who: str, now: int, span_min: int, fault: str, severity: float, for_whom: str, chance: Random
) -> Drill:
    """Return a drill that begins at a random time within the next `span_min` minutes."""
    return Drill(
        id=drill,
        planned_by=who,
        planned_at=now,
        span_min=span_min,
        due_at=now + round(chance.uniform(0, span_min * MINUTE_MS)),
        fault=fault,
        severity=severity,
        for_whom=for_whom,
    )


def overdue(drill: Drill, now: int) -> str:
    """Return why a drill cannot go on, as a sentence; "" if it can."""
    match drill.state:
        case "planned" if now - drill.due_at > GRACE_MS:
            return NOT_DUE
        case "injecting" if now - drill.injected_at > CLAIM_MS:
            return NOT_CONFIRMED
        case "running" if now - drill.injected_at > RUN_MS:
            return (NOT_ACKNOWLEDGED if drill.alarm_at else NOT_RAISED).format(minutes=RUN_MS // MINUTE_MS)
        case "answering" if not drill.options:
            return NOT_ASKED
        case "answering" if now - drill.acknowledged_at > ANSWER_MS:
            return NOT_ANSWERED.format(minutes=ANSWER_MS // MINUTE_MS)
    return ""


def alarmed(drill: Drill, at: int) -> Drill:
    """Note when the first alarm about the fault was raised."""
    return drill if drill.alarm_at else replace(drill, alarm_at=max(at, drill.injected_at))


def acknowledged(drill: Drill, *, who: str, at: int, rule: str, options: tuple[str, ...], right: str) -> Drill:
    """Note who acknowledged the alarm of a rule; the person is then asked, if there are options."""
    at = max(at, drill.alarm_at, drill.injected_at)
    known = alarmed(drill, at)
    return replace(
        known, state="answering", acknowledged_by=who, acknowledged_at=at, rule=rule, options=options, right=right
    )


def ended(drill: Drill, now: int, note: str = "", *, cancelled: bool = False) -> Drill:
    """Return the drill as it ends, with a note if it has no full result."""
    return replace(drill, state="cancelled" if cancelled else "ended", ended_at=now, note=note)


def noted(drill: Drill) -> str:
    """Return the note of a drill in the viewer's language; a fault that could not be cleared adds its own sentence."""
    first, found, rest = drill.note.partition(NOT_CLEARED.partition("{")[0])
    return " ".join(tr_sentence(text, NOTES) for text in (first.strip(), found + rest) if text)


def first_action(action: str) -> str:
    """Return the first sentence of a recommended action."""
    return re.split(r"(?<=[.;]) ", action.strip(), maxsplit=1)[0].rstrip(";. \u00a0\u202f")


def options(right: str, actions: Sequence[str], chance: Random) -> tuple[str, ...]:
    """Return the first actions to choose from: the right one among those of other rules, in random order."""
    others = sorted({first_action(action) for action in actions if action} - {right, ""})
    chosen = [right, *chance.sample(others, min(len(others), OPTIONS - 1))]
    chance.shuffle(chosen)
    return tuple(chosen)


def kept(drills: Sequence[Drill]) -> list[Drill]:
    """Return the drills that are kept: all open ones, and the newest others up to `MAX_KEPT`."""
    over = max(0, len(drills) - MAX_KEPT)
    droppable = [drill.id for drill in drills if drill.state not in OPEN][:over]
    return [drill for drill in drills if drill.id not in set(droppable)]
