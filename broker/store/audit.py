"""Audit trail: who signed in, was refused or changed access, as entries of the journal."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Final

import polars as pl

from broker.store.journal import Journal

KINDS: Final = {
    "signed_in": "somebody signed in",
    "sign_in_failed": "a sign-in failed: wrong name, password, key or code",
    "locked_out": "sign-ins of an account or from an address are refused for a while",
    "signed_out": "somebody signed out, or a session was ended",
    "account_added": "an account was added",
    "account_changed": "role, password, second factor or state of an account changed",
    "account_removed": "an account was removed",
    "denied": "somebody tried what the role does not allow",
    "forged": "a command or action was refused because its signature, origin or age is wrong",
    "exported": "somebody exported data",
    "handed_over": "somebody signed a handover sheet at the end of a shift",
    "taken_over": "somebody signed a handover sheet at the beginning of a shift",
    "handover_removed": "the oldest handover sheet was removed to stay within the maximum",
    "feed_changed": "somebody made or revoked a calendar feed",
    "api_key_changed": "an API key was created or revoked",
    "setting_changed": "somebody changed a setting on a page, such as the clinic days of a site",
    "load_test": "somebody started or stopped a load test",
    "restored": "a backup was restored: everything before came from it",
    "silenced": "somebody silenced notifications about alarms",
    "silence_ended": "somebody ended a silence",
    "silence_expired": "a silence was over: its time, or its alarms cleared",
    "notification_handled": "somebody sent a test message, or tried a dead letter again or discarded it",
    "notifications_changed": "somebody changed the configuration of notifications on the page",
    "alarm_database_changed": "somebody changed the rationalization of an alarm rule",
    "key_changed": "a key, certificate or password of a gateway or part was made, renewed or revoked",
}
"""What the audit trail records, besides operator actions and commands."""


def record(data: Path, kind: str, *, who: str | None, origin: str, text: str, at: int, once: str = "") -> None:
    """Append one entry to the journal of a data directory, durably; `at` is wall ms, `kind` one of `KINDS`.

    `who` is the person (or account name tried), None if nobody did it, `origin` the address or program it came from. Of
    entries with the same `once`, the first is kept. Raises `broker.store.journal.JournalError`, `sqlite3.Error` or
    `OSError`.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not recorded in the audit trail; allowed are {', '.join(KINDS)}")
    journal = Journal(data, move_unreadable=False)
    try:
        entry = {"at": at, "kind": kind, "who": who, "origin": origin, "text": text, "once": once or uuid.uuid4().hex}
        journal.append(pl.DataFrame([entry]))
    finally:
        journal.close()
