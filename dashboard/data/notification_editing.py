"""Editing the configuration of notifications: without its secrets, checked with a preview, saved with a record."""

from __future__ import annotations

import asyncio
import difflib
import hashlib
from dataclasses import dataclass
from typing import Final

from broker.contract.notification_config import MAX_BYTES, parse
from broker.contract.notification_fields import ConfigError
from broker.contract.notification_routes import Configuration, Route
from broker.contract.notification_secrets import hidden, restored
from broker.store import notification_files, silenced_alarms
from dashboard import formatting
from dashboard.access.accounts import VISITOR
from dashboard.data.notifications import RIGHT
from dashboard.data.services import Answer, DataService

MAX_RECORDED: Final = 1_500
"""Characters of a change that the audit trail keeps."""
MAX_NAMED: Final = 3
START: Final = """\
# Who is notified of which alarms. docs/notifications.md explains every field.

[[service]]
name = "ward mail"
url = "mailtos://USER:PASSWORD@mail.example?to=ward-3@hospital.example"

[[route]]
name = "all alarms"
services = ["ward mail"]
when = ["raised"]
"""
"""What an editor begins with while there is no configuration."""
CHANGED: Final = "somebody else changed the configuration meanwhile; open it again, and make your changes in that one"


@dataclass(frozen=True)
class Draft:
    """A configuration to edit, without secrets, and the revision that it is of (empty: there is none yet)."""

    text: str
    revision: str


@dataclass(frozen=True)
class Checked:
    """What an edited configuration would do: its complete text, and a sentence for each route."""

    text: str
    sentences: tuple[str, ...]


def opened(data: DataService) -> Draft:
    """Return the configuration to edit; raises `ConfigError` if it cannot be shown without its secrets."""
    where = data.settings.data
    if not notification_files.configured(where):
        return Draft(START, "")
    text = notification_files.read_text(where)
    return Draft(hidden(text), _revision(text))


def checked(data: DataService, draft: Draft) -> Checked:
    """Return what a draft would do to the alarms that are open now; raises `ConfigError`, with the line."""
    if len(draft.text) > MAX_BYTES:
        raise ConfigError(f"it has {len(draft.text):,} characters; allowed are up to {MAX_BYTES:,}")
    current = _current(data, draft)
    text = restored(draft.text, current) if current else draft.text
    return Checked(text, _sentences(data, parse(text)))


async def save(data: DataService, draft: Draft) -> Answer:
    """Replace the configuration by a draft, and record who changed what; the notifier reads it by itself."""
    visitor = VISITOR.get()
    if not visitor.may(RIGHT):
        await data.audit.denied(visitor, "change notifications")
        return Answer("Not saved: only admins may change notifications.", good=False)
    try:
        found = await asyncio.to_thread(checked, data, draft)
        change = _change(_current(data, draft), found.text)
        if not change:
            return Answer("Nothing was changed.", good=True)
        if not await data.audit.record("notifications_changed", visitor, change):
            return Answer("Not saved: it cannot be recorded in the audit trail.", good=False)
        await asyncio.to_thread(notification_files.write_text, data.settings.data, found.text)
    except (ConfigError, OSError) as error:
        return Answer(f"Not saved: {error}.", good=False)
    return Answer("Saved. The notifier uses it within seconds.", good=True)


def _current(data: DataService, draft: Draft) -> str:
    """Return the text that a draft was made from; raises `ConfigError` if it is no longer the configuration."""
    where = data.settings.data
    text = notification_files.read_text(where) if notification_files.configured(where) else ""
    if (_revision(text) if text else "") != draft.revision:
        raise ConfigError(CHANGED)
    return text


def _revision(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _change(before: str, after: str) -> str:
    """Return the lines that differ, without secrets; of two that differ in a secret only, that one was replaced."""
    if before == after:
        return ""
    lines = difflib.unified_diff(
        hidden(before).splitlines() if before else [], hidden(after).splitlines(), lineterm="", n=0
    )
    changed = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    text = "; ".join(changed) or "a secret was replaced"
    return text if len(text) <= MAX_RECORDED else f"{text[:MAX_RECORDED]} … ({formatting.count(len(changed), 'line')})"


def _sentences(data: DataService, config: Configuration) -> tuple[str, ...]:
    alarms = silenced_alarms.fields(data.snapshot(), data.now())
    return tuple(
        _sentence(route, silenced_alarms.matching(alarms, route.match)["alarm"].to_list()) for route in config.routes
    ) or ("There is no route: nobody would be notified.",)


def _sentence(route: Route, alarms: list[str]) -> str:
    to = ", ".join((*route.to.services, *(f"{name} (rota)" for name in route.to.rotas))) or "nobody at once"
    named = ", ".join(alarms[:MAX_NAMED])
    more = f" and {len(alarms) - MAX_NAMED:,} more" if len(alarms) > MAX_NAMED else ""
    shown = f": {named}{more}" if alarms else ""
    return f"{route.name}, to {to}: {formatting.count(len(alarms), 'open alarm')} now{shown}."
