"""Audit entries of commands: who ran them is the user of this machine."""

from __future__ import annotations

import os
import pwd
import sqlite3
import time
from pathlib import Path
from typing import Final

from pumpwatch.commands.errors import CommandError

ORIGIN: Final = "command line"


def record(data: Path, kind: str, text: str) -> None:
    """Write an entry of one of `broker.store.audit.KINDS`; raises `CommandError` if that is not possible."""
    from broker.store import audit
    from broker.store.journal import JournalError

    try:
        audit.record(data, kind, who=system_user(), origin=ORIGIN, text=text, at=time.time_ns() // 1_000_000)
    except (JournalError, sqlite3.Error, OSError) as error:
        raise CommandError(f"cannot record this in the journal, so it was not done: {error}") from error


def system_user() -> str:
    """Return the name of the user of this machine who runs the command."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"
