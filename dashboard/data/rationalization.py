"""Master alarm database on the pages: export, differences that an uploaded table makes, and making them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Any, Final

from broker.store import alarm_database, alarm_database_csv
from broker.store.alarm_database import AlarmDatabase, AlarmDatabaseError, Change
from broker.store.alarm_database_csv import CsvError
from dashboard.access.accounts import VISITOR
from dashboard.data.services import Answer, DataService
from dashboard.languages import tr, tr_later, tr_n

RIGHT: Final = "admin"
ACTIVITY: Final = "change the master alarm database"
MAX_UPLOAD: Final = alarm_database_csv.MAX_BYTES
TITLES: Final = {
    "consequence": tr_later("Consequence"),
    "time_to_respond": tr_later("Time to respond"),
    "class": tr_later("Class"),
    "approver": tr_later("Approver"),
    "notes": tr_later("Notes"),
}


@dataclass(frozen=True)
class Review:
    """What an uploaded table changes, why some of it is wrong, and what is ignored."""

    changes: tuple[Change, ...] = ()
    problems: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


def exported(data: DataService) -> str:
    """Return the database as CSV. Raises `AlarmDatabaseError`."""
    rows = alarm_database.rows(data.snapshot().rules, alarm_database.read(data.settings.data))
    return alarm_database_csv.text_of(rows)


def review(data: DataService, upload: Any) -> Review:
    """Return what an upload, as the browser sends it, would change."""
    rules = data.snapshot().rules
    try:
        text = alarm_database_csv.decoded(_content(upload))
        database = alarm_database.read(data.settings.data)
        found = alarm_database_csv.read(text, alarm_database.rows(rules, database))
    except (CsvError, AlarmDatabaseError) as error:
        return Review(problems=(str(error),))
    if found.problems:
        return Review(problems=found.problems, ignored=found.ignored)
    changes = alarm_database.differences(rules, database, found.rows, who=VISITOR.get().name, at=data.now())
    return Review(tuple(changes), ignored=found.ignored)


async def change(data: DataService, upload: Any, seen: Any) -> Answer:
    """Make the changes of an upload, if they are still those that the visitor has `seen` (`key`), and record it."""
    visitor = VISITOR.get()
    if not visitor.may(RIGHT):
        await data.audit.denied(visitor, ACTIVITY)
        return Answer(tr("Not changed: only admins may change the master alarm database."), good=False)
    found = await asyncio.to_thread(review, data, upload)
    if found.problems:
        return Answer(tr("Not changed: {problem}.", problem=found.problems[0]), good=False)
    if not found.changes or key(found) != seen:
        return Answer(tr("Not changed: the database was changed meanwhile; upload the file again."), good=False)
    named = ", ".join(f"{one.rule} {one.field}" for one in found.changes[:5])
    more = f" and {len(found.changes) - 5:,} more" if len(found.changes) > 5 else ""
    text = f"{len(found.changes):,} changes from a file: {named}{more}"
    if not await data.audit.record("alarm_database_changed", visitor, text):
        return Answer(tr("Not changed: it cannot be recorded in the audit trail."), good=False)
    known = data.snapshot().rules["rule"].to_list()
    try:
        await asyncio.to_thread(lambda: alarm_database.apply(data.settings.data, list(found.changes), known=known))
    except AlarmDatabaseError as error:
        return Answer(tr("Not changed: {problem}.", problem=error), good=False)
    changed = tr_n(
        "Changed {count} field of the master alarm database.",
        "Changed {count} fields of the master alarm database.",
        len(found.changes),
    )
    return Answer(changed, good=True)


def key(found: Review) -> str:
    """Return a text that is the same for the same changes."""
    text = repr([(one.rule, one.field, one.old, one.new) for one in found.changes])
    return hashlib.sha256(text.encode()).hexdigest()


def known(data: DataService) -> AlarmDatabase:
    """Return the database; empty if its file cannot be read, which the export says."""
    try:
        return alarm_database.read(data.settings.data)
    except AlarmDatabaseError:
        return AlarmDatabase()


def _content(upload: Any) -> bytes:
    _, _, encoded = upload.partition(",") if isinstance(upload, str) else ("", "", "")
    try:
        return base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CsvError("the file did not arrive as a whole; upload it again") from error
