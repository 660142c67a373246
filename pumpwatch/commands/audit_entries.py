"""Audit entries of commands: who ran them is the user of this machine."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

import typer

from pumpwatch.commands.caller import now_ms, system_user
from pumpwatch.commands.errors import CommandError

ORIGIN: Final = "command line"
MAX_WHO: Final = 80


def record(data: Path, kind: str, text: str, who: str | None = None) -> None:
    """Write an entry of one of `broker.store.audit.KINDS`; raises `CommandError` if that is not possible.

    `who` is the account that was tried, None for the user of this machine.
    """
    if problem := _write(data, kind, text, who):
        raise CommandError(f"cannot record this in the journal, so it was not done: {problem}")


def record_afterwards(data: Path, kind: str, text: str, who: str | None = None) -> None:
    """Write an entry about what is done already, and cannot be undone; that it is missing is a warning."""
    if problem := _write(data, kind, text, who):
        typer.echo(f"warning: this is not in the audit trail: {problem}", err=True)


def _write(data: Path, kind: str, text: str, who: str | None) -> str:
    """Return why the entry could not be written, empty if it was."""
    from broker.store import audit
    from broker.store.journal import JournalError

    try:
        audit.record(data, kind, who=(who or system_user())[:MAX_WHO], origin=ORIGIN, text=text, at=now_ms())
    except (JournalError, sqlite3.Error, OSError) as error:
        return str(error)
    return ""
