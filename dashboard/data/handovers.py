"""Handovers between shifts: composed, signed by two people, recorded in the journal, and checked when opened."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import Final

import polars as pl

from broker.store import journal_query
from broker.store.journal_query import Query
from dashboard.access.accounts import VISITOR, Visitor
from dashboard.access.sessions import SHARED_KEY
from dashboard.data import drill_alarms
from dashboard.data.handover_content import ACTIONS, HOUR_MS, compose
from dashboard.data.handover_files import HandoverError, HandoverFiles, Kept
from dashboard.data.handover_sheet import MAX_TEXT, Sheet
from dashboard.data.services import Answer, DataService
from dashboard.languages import decimal, tr, tr_later

SPANS_H: Final = (8, 12, 24)
MAX_READ: Final = 5_000
"""Newest entries by people that are looked through for what they did."""
RECORDED_WITHIN_MS: Final = 600_000
"""How long after a signature its entry may stand in the journal: a full disk cache can hold it up."""
ONLY: Final = tr_later("only operators, engineers and admins may sign handovers")
UNRECORDED: Final = tr_later("the signature cannot be recorded in the journal; see the dashboard's log")


@dataclass(frozen=True)
class Checked:
    """A kept sheet, and what is wrong with it; an empty text if it is as signed."""

    kept: Kept
    problem: str = ""


@dataclass(frozen=True)
class Handovers:
    """What pages do with handovers. Every method that signs checks who asks, `VISITOR`, before it does anything."""

    data: DataService
    files: HandoverFiles

    def draft(self, hours: int, text: str, by: str, number: int = 0) -> Sheet:
        """Return the sheet as it would be signed now; reads the journal. Raises `sqlite3.Error`."""
        now, directory = self.data.now(), self.data.settings.data
        actions = journal_query.entries(
            directory, Query(since=now - hours * HOUR_MS, people_only=True, kinds=ACTIONS, limit=MAX_READ)
        )
        actions = drill_alarms.without_commands(actions, self.data.drills.blind())
        found = self.data.occurrences.known().found
        return compose(self.data.snapshot(), found, actions, number=number, now=now, hours=hours, by=by, text=text)

    async def hand_over(self, hours: int, text: str) -> tuple[Answer, int | None]:
        """Compose and sign a sheet; return what to say, and its number if it was signed."""
        visitor = VISITOR.get()
        problem = await self._refusal(visitor)
        if not problem and len(text) > MAX_TEXT:
            many, most = decimal(len(text)), decimal(MAX_TEXT)
            problem = tr("the text has {count} characters; allowed are {most}", count=many, most=most)
        if problem:
            return _not_signed(problem), None
        draft = partial(self.draft, hours, text, visitor.name)
        try:
            kept, removed = await asyncio.to_thread(self.files.add, draft)
        except (HandoverError, sqlite3.Error) as error:
            return _not_signed(error), None
        number = kept.sheet.number
        if not await self.data.audit.record("handed_over", visitor, _entry(kept)):
            await asyncio.to_thread(self.files.remove, number)
            return _not_signed(tr(UNRECORDED)), None
        for old in removed:
            await self.data.audit.record("handover_removed", visitor, f"sheet {old}: only so many are kept")
        return Answer(
            tr("Sheet {number} is signed by you and waits for whoever takes over.", number=decimal(number)), good=True
        ), number

    async def take_over(self, number: int) -> Answer:
        """Sign a sheet as the one who takes over: another person than the one who handed over."""
        visitor = VISITOR.get()
        problem = await self._refusal(visitor)
        if problem:
            return _not_signed(problem)
        try:
            checked = await asyncio.to_thread(self.open, number)
            problem = _why_not(checked, visitor)
            if problem:
                return _not_signed(problem)
            await asyncio.to_thread(self.files.take_over, checked.kept, visitor.name, self.data.now())
        except (HandoverError, sqlite3.Error) as error:
            return _not_signed(error)
        if not await self.data.audit.record("taken_over", visitor, _entry(checked.kept)):
            await asyncio.to_thread(self.files.withdraw, number)
            return _not_signed(tr(UNRECORDED))
        return Answer(
            tr(
                "You have taken over from {who} with sheet {number}.",
                who=checked.kept.sheet.by,
                number=decimal(number),
            ),
            good=True,
        )

    def open(self, number: int) -> Checked:
        """Return a sheet, compared with what the journal says was signed. Raises `HandoverError`, `sqlite3.Error`."""
        kept = self.files.read(number)
        problem = self._unlike("handed_over", kept, kept.sheet.by, kept.sheet.made)
        second = kept.taken_over
        if second is not None and not problem:
            problem = self._unlike("taken_over", kept, second.who, second.at)
        return Checked(kept, problem)

    def newest(self, limit: int) -> tuple[list[Kept], int]:
        """Return the newest sheets that can be read, and how many there are."""
        numbers = self.files.numbers()
        found = []
        for number in reversed(numbers[-limit:]):
            try:
                found.append(self.files.read(number))
            except HandoverError:  # it says so when somebody opens it
                continue
        return found, len(numbers)

    async def _refusal(self, visitor: Visitor) -> str:
        if visitor.may("acknowledge"):
            return ""
        await self.data.audit.denied(visitor, "sign handovers")
        return tr(ONLY)

    def _unlike(self, kind: str, kept: Kept, who: str, at: int) -> str:
        found = journal_query.entries(
            self.data.settings.data, Query(who=who, since=at, until=at + RECORDED_WITHIN_MS, limit=MAX_READ)
        )
        if found.filter((pl.col("kind") == kind) & (pl.col("text") == _entry(kept))).height:
            return ""
        if kind == "handed_over":
            return tr(
                "this is not the sheet that {who} has handed over: the journal has another digest, or none", who=who
            )
        return tr("this is not the sheet that {who} has taken over: the journal has another digest, or none", who=who)


def _not_signed(problem: object) -> Answer:
    return Answer(tr("Not signed: {problem}.", problem=problem), good=False)


def _entry(kept: Kept) -> str:
    return f"handover sheet {kept.sheet.number}, SHA-256 {kept.digest}"


def _why_not(checked: Checked, visitor: Visitor) -> str:
    """Return why a visitor may not take a sheet over, "" if nothing is in the way."""
    sheet, second = checked.kept.sheet, checked.kept.taken_over
    if checked.problem:
        return checked.problem
    if second is not None:
        return tr("{who} has taken this sheet over already", who=second.who)
    if visitor.name != sheet.by:
        return ""
    if visitor.name == SHARED_KEY.name:
        return tr("with the shared key everybody is the same person; make accounts with pumpwatch user add")
    return tr("{who} has handed over this sheet; somebody else must take it over", who=sheet.by)
