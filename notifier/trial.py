"""The test message with which a person tries a service."""

from __future__ import annotations

import uuid

from notifier.desk import Outgoing
from notifier.messages import SIMULATION, VERSION, Text


def trial(now: int) -> Outgoing:
    """Return a test message of the moment `now` (wall ms)."""
    key = uuid.uuid4().hex
    body = f"If you read this, alarms of Pumpwatch reach you here.\n\n{SIMULATION}"
    event = {
        "version": VERSION,
        "key": key,
        "simulated": True,
        "kind": "test",
        "decided": now,
        "title": "Test of Pumpwatch notifications",
        "count": 0,
        "alarms": [],
    }
    return Outgoing(key, Text("Test of Pumpwatch notifications", body), event, 1, now)
