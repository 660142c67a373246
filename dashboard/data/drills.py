"""What people do with drills: plan, cancel, answer; and who may see which result."""

from __future__ import annotations

import statistics
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from msgspec.structs import replace

from dashboard import formatting
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.data import drill_alarms, drill_records
from dashboard.data.drill_records import MAX_OPEN, OPEN, SPANS_MIN, Drill
from dashboard.data.drill_runner import DrillRunner
from dashboard.data.drill_store import DrillError
from dashboard.data.services import Answer, DataService
from dashboard.languages import tr

MIN_SEVERITY: Final = 0.3
"""Milder faults take hours to detect."""


@dataclass
class Drills:
    """Drills of one dashboard; `chance` draws when they begin."""

    data: DataService
    chance: Random

    async def plan(self, *, fault: str, severity: float, span_min: int, for_whom: str) -> Answer:
        """Plan a drill; an empty `fault` is a random one, an empty `for_whom` whoever is on shift."""
        visitor, snapshot = VISITOR.get(), self.data.snapshot()
        if not visitor.may("inject"):
            await self.data.audit.denied(visitor, "plan drills")
            return Answer(tr("Not planned: only engineers and admins may plan drills."), good=False)
        known = drill_alarms.detectable(snapshot)
        if fault and fault not in known:
            named = tr(
                "Not planned: no alarm names the cause of {fault}; choose another fault.", fault=repr(fault[:80])
            )
            return Answer(named, good=False)
        if span_min not in SPANS_MIN:
            allowed = formatting.listed(map(str, SPANS_MIN), 9)
            within = tr("Not planned: within {span} min; allowed are {allowed} min.", span=span_min, allowed=allowed)
            return Answer(within, good=False)
        made = drill_records.plan(
            drill=uuid.uuid4().hex,
            who=visitor.name,
            now=self.data.now(),
            span_min=span_min,
            fault=fault,
            severity=min(1.0, max(MIN_SEVERITY, severity)),
            for_whom=for_whom[:80],
            chance=self.chance,
        )

        def add(drills: list[Drill]) -> list[Drill]:
            if sum(drill.state in OPEN for drill in drills) >= MAX_OPEN:
                many = tr(
                    "{count} drills are open, which is the limit; cancel one or wait until one ends", count=MAX_OPEN
                )
                raise DrillError(many)
            return [*drills, made]

        try:
            self.data.drills.change(add)
        except DrillError as error:
            return Answer(tr("Not planned: {problem}.", problem=error), good=False)
        until = formatting.clock(made.planned_at + span_min * drill_records.MINUTE_MS)
        return Answer(tr("Planned: it begins at a random time until {time}.", time=until), good=True)

    async def cancel(self, key: str) -> Answer:
        """Cancel an open drill and clear its fault; its planner and admins may."""
        visitor = VISITOR.get()
        found = next((drill for drill in self.data.drills.opened() if drill.id == key), None)
        if found is None:
            return Answer(tr("Not cancelled: the drill has ended."), good=False)
        if not visitor.may("inject") or not (visitor.may("admin") or found.planned_by == visitor.name):
            await self.data.audit.denied(visitor, "cancel drills of others")
            return Answer(tr("Not cancelled: only who planned it and admins may do that."), good=False)
        try:
            await DrillRunner(self.data, self.chance).end(
                found, drill_records.CANCELLED.format(who=visitor.name), cancelled=True
            )
        except DrillError as error:
            return Answer(tr("Not cancelled: {problem}.", problem=error), good=False)
        return Answer(tr("Cancelled; its fault, if any, is cleared."), good=True)

    async def answer(self, key: str, chosen: str) -> Answer:
        """Take the first action of the person who acknowledged the alarm of a drill, and end it."""
        drill = question(self.data.drills.opened(), VISITOR.get())
        if drill is None or drill.id != key:
            return Answer(tr("Not saved: the question was answered already, or its time is over."), good=False)
        if chosen not in drill.options:
            return Answer(tr("Not saved: choose one of the actions."), good=False)
        told = replace(drill, answer=chosen)
        try:
            if not self.data.drills.update(told, "answering"):
                return Answer(tr("Not saved: the drill has ended."), good=False)
            await DrillRunner(self.data, self.chance).end(told, "")
        except DrillError as error:
            return Answer(tr("Not saved: {problem}.", problem=error), good=False)
        recommended = drill_alarms.first_actions(self.data.snapshot()).get(drill.right, drill.right)
        right = tr("Right.") if chosen == drill.right else tr("Recommended is: {action}.", action=recommended)
        return Answer(f"{right} {tr('The drill is over, and its fault is cleared.')}", good=True)


def question(drills: Iterable[Drill], visitor: Visitor) -> Drill | None:
    """Return the drill about which this person is asked, None if there is none."""
    return next((one for one in drills if one.state == "answering" and one.acknowledged_by == visitor.name), None)


def planned(drills: Iterable[Drill], visitor: Visitor) -> list[Drill]:
    """Return the drills that this person planned, of admins all, the newest first."""
    mine = [one for one in drills if visitor.may("admin") or one.planned_by == visitor.name]
    return mine[::-1] if visitor.may("inject") else []


def results(drills: Iterable[Drill], visitor: Visitor) -> list[Drill]:
    """Return the drills whose result this person may see, the newest first: their own, of admins everybody's."""
    over = [one for one in drills if one.state == "ended"]
    return [one for one in over if visitor.may("admin") or (visitor.name and one.person == visitor.name)][::-1]


@dataclass(frozen=True)
class PersonReport:
    """Results of one person: drills, of these acknowledged, median seconds to acknowledge, answers and right ones."""

    person: str
    drills: int
    acknowledged: int
    to_acknowledge_s: float | None
    answered: int
    right: int


def report(over: Sequence[Drill]) -> list[PersonReport]:
    """Return the results per person, by name; drills of whoever was on shift that nobody acknowledged come last."""
    people = sorted({drill.person for drill in over}, key=lambda name: (not name, name))
    return [_of_person(person, [drill for drill in over if drill.person == person]) for person in people]


def _of_person(person: str, own: list[Drill]) -> PersonReport:
    times = [drill.to_acknowledge_s for drill in own if drill.to_acknowledge_s is not None]
    return PersonReport(
        person or tr("nobody acknowledged"),
        len(own),
        len(times),
        statistics.median(times) if times else None,
        sum(bool(drill.answer) for drill in own),
        sum(bool(drill.answer) and drill.answer == drill.right for drill in own),
    )
