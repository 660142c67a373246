"""Logins that the broker refused, as entries of the journal."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path

from broker.display.printable import printable
from broker.mqtt.refused_logins import RefusedLogin
from pumpwatch.commands.caller import now_ms

MAX_CLIENT = 80
"""Characters of a client id in the journal."""

log = logging.getLogger("broker")


async def record(data: Path, refused: RefusedLogin) -> None:
    """Write an entry about refused logins; if that is not possible, it is in the log."""
    from broker.store import audit
    from broker.store.journal import JournalError

    client = printable(refused.client[:MAX_CLIENT])
    logins = "login" if refused.count == 1 else f"{refused.count:,} more logins"
    text = f"{logins} at the broker refused: wrong name, password or certificate"
    who = f"client {client}" if client else "unknown client"
    try:
        await asyncio.to_thread(
            audit.record, data, "sign_in_failed", who=who, origin=refused.address, text=text, at=now_ms()
        )
    except (JournalError, sqlite3.Error, OSError) as error:
        problem = str(error)
    else:
        return
    log.error("Not in the audit trail (%s): %s by %s from %s", problem, text, who, refused.address)
