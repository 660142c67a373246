"""What people do with silences: preview, add, end; which open alarms are silenced; announcing those that are over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from broker.contract import alarm_matchers, silence_requests
from broker.contract.alarm_matchers import MatcherError
from broker.contract.silence_requests import Request
from broker.contract.silences import HOUR_MS, MINUTE_MS, WEEKDAYS, Silence, SilenceError, Window
from broker.store import silence_expiry, silenced_alarms
from broker.store.journal import JournalError
from broker.store.silences import SilenceFileError, SilenceStore
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.data import silence_words
from dashboard.data.services import Answer, DataService
from dashboard.languages import tr, tr_later
from dashboard.zones import ZONE

log = logging.getLogger("dashboard")
RIGHT: Final = "acknowledge"
STEP_S: Final = 5.0
MATCHED: Final = ("priority", "rule", "site", "gateway", "model", "lot", "pump")
"""Fields of a matcher that the page offers."""
KINDS: Final = {
    "for_time": tr_later("For a time"),
    "until_clear": tr_later("Until they clear"),
    "windows": tr_later("Every week"),
}
DURATIONS: Final = {
    **{str(minutes): f"{minutes} min" for minutes in (15, 30)},
    **{str(hours * 60): f"{hours} h" for hours in (1, 2, 4, 8, 12, 24)},
    **{str(days * 24 * 60): f"{days} d" for days in (3, 7, 14)},
}
"""Minutes, and what they are called."""
MAX_OFFERED: Final = 500
"""Sites, gateways, models or lots that a field offers; others can be typed."""


@dataclass(frozen=True)
class Asked:
    """What a browser asks for: patterns by field, how long, why, and from when on.

    `starts` is a date and time in the viewer's zone, such as "2026-01-31 22:00"; empty: now.
    """

    match: Mapping[str, list[str]]
    reason: str
    kind: str = "for_time"
    minutes: int = 0
    days: tuple[str, ...] = ()
    begin: str = ""
    end: str = ""
    zone: str = "UTC"
    recurs_d: int = silence_requests.RECURRING_D
    starts: str = ""

    def silence(self, name: str, who: str, now: int, alarms: list[str]) -> Silence:
        """Return the silence; `alarms` are the open ones that match. Raises `SilenceError`."""
        request = Request(name, self.match, self.reason, who, now)
        if self.kind == "until_clear":
            return request.until_clear(alarms)
        if self.kind == "windows":
            days = tuple(day for day in WEEKDAYS if day in self.days)
            return request.recurring([Window(days, self.begin, self.end)], self.zone, self.recurs_d)
        return request.for_time(self.minutes * MINUTE_MS, _moment(self.starts, now) if self.starts else None)


def _moment(text: str, now: int) -> int:
    """Return a date and time of the viewer's zone in wall ms. Raises `SilenceError` if it is none, or over."""
    try:
        at = datetime.fromisoformat(text)
        moment = round(1000 * (at if at.tzinfo else at.replace(tzinfo=ZONE.get())).timestamp())
    except (ValueError, OverflowError) as error:
        allowed = "write it as 2026-01-31 22:00, or leave it blank to begin now"
        raise SilenceError(f"begin {text[:40]!r} is no date and time; {allowed}") from error
    if moment < now - MINUTE_MS:
        raise SilenceError(f"begin {text[:40]!r} is over; leave it blank to begin now")
    return moment


@dataclass(frozen=True)
class Preview:
    """The open alarms that match, most urgent first, and why the silence is not possible (empty: it is).

    `begins` is when it begins (wall ms), None if that is now.
    """

    alarms: pl.DataFrame
    problem: str = ""
    begins: int | None = None

    @property
    def high(self) -> int:
        """How many of them have high priority."""
        return int((self.alarms["priority"] == "high").sum())


@dataclass
class Silencing:
    """Silences of one dashboard."""

    data: DataService

    def preview(self, asked: Asked) -> Preview:
        """Return what a silence would cover when it begins. Raises `MatcherError` if the matcher is not valid."""
        now = self.data.now()
        found = silenced_alarms.fields(self.data.snapshot(), now)
        matching = silenced_alarms.matching(found, alarm_matchers.read(asked.match))
        try:
            silence = asked.silence("preview", VISITOR.get().name or "nobody", now, matching["alarm"].to_list())
        except SilenceError as error:
            return Preview(matching, str(error))
        return Preview(matching, begins=silence.begins_at(now))

    async def add(self, asked: Asked) -> Answer:
        """Silence what a visitor asks for, and record it."""
        visitor, now = VISITOR.get(), self.data.now()
        if not visitor.may(RIGHT):
            await self.data.audit.denied(visitor, "silence alarms")
            return Answer(tr("Not silenced: only operators, engineers and admins may silence alarms."), good=False)
        try:
            matching = (await asyncio.to_thread(self.preview, asked)).alarms
            silence = asked.silence(uuid.uuid4().hex[:8], visitor.name, now, matching["alarm"].to_list())
            text = f"{silence.id}: {silence.text()}, {silence.when()}"
            if not await self.data.audit.record("silenced", visitor, text):
                return Answer(tr("Not silenced: it cannot be recorded in the audit trail."), good=False)
            await asyncio.to_thread(self.data.silences.add, silence)
        except (SilenceError, MatcherError, SilenceFileError) as error:
            return Answer(tr("Not silenced: {problem}.", problem=error), good=False)
        said = {"when": silence_words.when(silence), "alarms": formatting.count(matching.height, "open alarm")}
        if silence.status(now) == "active":
            return Answer(tr("Silenced {when}. Matching now: {alarms}.", **said), good=True)
        said["begins"] = formatting.moment(silence.begins_at(now))
        return Answer(tr("Alarms will be silenced {when} from {begins}. Matching now: {alarms}.", **said), good=True)

    async def end(self, name: str) -> Answer:
        """End a silence, and record it."""
        visitor = VISITOR.get()
        if not visitor.may(RIGHT):
            await self.data.audit.denied(visitor, "end silences")
            return Answer(tr("Not ended: only operators, engineers and admins may end silences."), good=False)
        store, now = self.data.silences, self.data.now()
        try:
            silence = await asyncio.to_thread(store.opened, name, now)
            if not await self.data.audit.record("silence_ended", visitor, f"{silence.id}: {silence.text()}"):
                return Answer(tr("Not ended: it cannot be recorded in the audit trail."), good=False)
            await asyncio.to_thread(lambda: store.end(name, who=visitor.name, now=now))
        except (SilenceError, SilenceFileError) as error:
            return Answer(tr("Not ended: {problem}.", problem=error), good=False)
        return Answer(tr("Ended: people are notified again."), good=True)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Announce silences that are over while the server runs."""
        task = asyncio.create_task(self._watch(), name="silences")
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        problem = ""
        while True:
            try:
                await asyncio.to_thread(self.settle)
                problem = ""
            except (SilenceFileError, JournalError, sqlite3.Error, OSError, pl.exceptions.PolarsError) as error:
                if str(error) != problem:
                    log.warning("Silences that are over cannot be announced: %s", error)
                problem = str(error)
            await asyncio.sleep(STEP_S)

    def settle(self) -> list[Silence]:
        """Announce silences that are over, and return them."""
        snapshot = self.data.snapshot()
        known = set(snapshot.alarms["alarm"]) if snapshot.version else None
        return silence_expiry.settle(self.data.silences, self.data.now(), known)


def marks(store: SilenceStore, snapshot: Snapshot, now: int) -> pl.DataFrame:
    """Return which open alarms are silenced (`silenced_alarms.SILENCED_SCHEMA`); quick if no silence is active."""
    active = [one for one in store.readable() if one.active_until(now) is not None]
    if not active or snapshot.alarms.is_empty():
        return pl.DataFrame(schema=silenced_alarms.SILENCED_SCHEMA)
    return silenced_alarms.marks(silenced_alarms.fields(snapshot, now), active, now)


def story(data: DataService, snapshot: Snapshot, alarm: str) -> list[str]:
    """Return until when nobody is notified about an open alarm, by whom and why; nothing if it is not silenced."""
    found = marks(data.silences, snapshot, data.now()).filter(pl.col("alarm") == alarm)
    return [
        tr(
            "silenced until {moment} by {who}: {why}",
            moment=formatting.moment(row["silenced_until"]),
            who=row["silenced_by"],
            why=row["silenced_why"],
        )
        for row in found.iter_rows(named=True)
    ]


def offered(snapshot: Snapshot) -> dict[str, list[dict[str, str]]]:
    """Return the values that each field of a matcher offers, as options of a select."""
    facts = snapshot.table.facts
    found = {
        name: facts[name].cast(pl.String()).drop_nulls().unique().sort().head(MAX_OFFERED).to_list()
        for name in ("site", "gateway", "model", "lot")
    }
    options = {name: [{"value": one, "label": one} for one in values if one] for name, values in found.items()}
    titles = snapshot.rules.select("rule", "title").sort("title").head(MAX_OFFERED).iter_rows()
    return {
        **options,
        "rule": [{"value": rule, "label": tr(title)} for rule, title in titles],
        "priority": [{"value": one, "label": tr(one)} for one in alarm_matchers.PRIORITIES],
        "pump": [],
    }


def expired_lately(silences: tuple[Silence, ...], now: int) -> list[Silence]:
    """Return the silences that ended by themselves in the last hour, the newest first."""
    ended = [one for one in silences if one.ended is not None and not one.ended_by and now - one.ended <= HOUR_MS]
    return sorted(ended, key=lambda one: -(one.ended or 0))
