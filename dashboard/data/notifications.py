"""Notifications as admins see them: configuration without secrets, deliveries, and what they ask of the notifier."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from broker.contract import notification_config
from broker.contract.notification_fields import ConfigError
from broker.store import notification_files, notification_record, notification_requests
from broker.store.notification_files import Status
from broker.store.notification_record import Delivery
from broker.store.notification_requests import Request, RequestError
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.data.services import Answer, DataService
from dashboard.languages import tr, tr_later

RIGHT: Final = "admin"
MAX_LISTED: Final = 100
MAX_SHOWN: Final = 10
PATIENCE_S: Final = 25.0
"""How long an answer of the notifier is awaited; sending a test may take 20 s."""
STEP_S: Final = 0.25
DONE: Final = {"test": "sent a test message to", "retry": "tried a dead letter again:", "discard": "discarded:"}
KIND_WORD: Final = {
    "raised": tr_later("raised"),
    "returned": tr_later("returned to normal"),
    "escalated": "escalation",
    "repeated": tr_later("repeated"),
}

Kind = Literal["test", "retry", "discard"]


@dataclass(frozen=True)
class Overview:
    """What the page shows: why nobody is notified (empty: nothing is amiss), configuration, status, deliveries."""

    trouble: str
    config: dict[str, Any]
    status: Status | None
    counts: dict[str, int] = field(default_factory=dict)
    dead: tuple[Delivery, ...] = ()
    listed: tuple[Delivery, ...] = ()


def overview(data: DataService, state: str) -> Overview:
    """Return what the page shows, with the newest deliveries in a state (empty: in any)."""
    where = data.settings.data
    if not notification_files.configured(where):
        return Overview(f"Nobody is notified: there is no file {where / notification_files.CONFIG}.", {}, None)
    try:
        config = notification_config.described(notification_files.read_config(where))
        trouble = notification_files.trouble(where, data.now()) or ""
    except ConfigError as error:
        config, trouble = {}, str(error)
    try:
        counts = notification_record.counts(where)
        dead = notification_record.deliveries(where, state="dead", limit=MAX_LISTED)
        listed = notification_record.deliveries(where, state=state or None, limit=MAX_LISTED)
    except sqlite3.Error as error:
        return Overview(f"the record cannot be read: {error}", config, notification_files.read_status(where))
    return Overview(trouble, config, notification_files.read_status(where), counts, tuple(dead), tuple(listed))


async def ask(data: DataService, kind: Kind, about: str, name: str) -> Answer:
    """Ask the notifier for something about a service or delivery, called `name`; record it and await the answer."""
    visitor, where = VISITOR.get(), data.settings.data
    if not visitor.may(RIGHT):
        await data.audit.denied(visitor, "manage notifications")
        return Answer("Not done: only admins may manage notifications.", good=False)
    if not await data.audit.record("notification_handled", visitor, f"{DONE[kind]} {name}"):
        return Answer("Not done: it cannot be recorded in the audit trail.", good=False)
    try:
        request = Request(kind=kind, about=about, who=visitor.name, at=data.now())
        asked = await asyncio.to_thread(notification_requests.ask, where, request)
    except (RequestError, OSError) as error:
        return Answer(f"Not done: {error}.", good=False)
    for _ in range(int(PATIENCE_S / STEP_S)):
        await asyncio.sleep(STEP_S)
        if found := await asyncio.to_thread(notification_requests.answer_of, where, asked):
            return Answer(f"{found.text[:1].upper()}{found.text[1:]}.", good=found.ok)
    if notification_requests.withdraw(where, asked):
        return Answer(
            "Not done: the notifier does not answer; is it running? Start it with: pumpwatch notify", good=False
        )
    return Answer("The notifier has begun, but has not answered yet; see the list below.", good=False)


def notified(data: DataService, alarm: str) -> list[str]:
    """Return who was notified of an alarm and when, or could not be, the newest first: a phrase each."""
    try:
        found = notification_record.deliveries(data.settings.data, alarm=alarm, limit=MAX_SHOWN)
    except sqlite3.Error:
        return []
    return [phrase for one in found if (phrase := phrase_of(one))]


def phrase_of(one: Delivery) -> str:
    """Return who was notified by a delivery and when, empty if it did not end."""
    what = tr("step {number}", number=one.step) if one.kind == "escalated" else tr(KIND_WORD.get(one.kind, one.kind))
    if one.state == "sent":
        when = formatting.second(one.finished)
        return tr("{service} was notified at {time} ({what})", service=one.service, time=when, what=what)
    if one.state == "dead":
        return tr("{service} could not be notified ({what}): {why}", service=one.service, what=what, why=one.reason)
    return ""
