"""Alarm actions: label, right and alarm states of each, and the audit trail of an open alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from broker.store.snapshot import WAITING
from dashboard import clocks, formatting

_ACKNOWLEDGED: Final = ("acknowledged", "latched")
_OPEN: Final = (*WAITING, *_ACKNOWLEDGED, "shelved")


@dataclass(frozen=True)
class AlarmActionSpec:
    """One alarm action: its label and past participle, the right it needs, and the states in which it is offered.

    `gerund` is what a list says until a snapshot shows the result. `prompt` is the label of the text that must be
    entered first; empty if there is none.
    """

    label: str
    participle: str
    gerund: str
    right: str
    states: tuple[str, ...]
    prompt: str = ""


ALARM_ACTIONS: Final = {
    "acknowledge": AlarmActionSpec("Acknowledge", "acknowledged", "acknowledging", "acknowledge", WAITING),
    "shelve": AlarmActionSpec("Shelve…", "shelved", "shelving", "acknowledge", _OPEN, "Reason (required)"),
    "note": AlarmActionSpec(
        "Note…", "noted", "adding a note", "acknowledge", (*_OPEN, "out_of_service"), "Note (required)"
    ),
    "unshelve": AlarmActionSpec("Unshelve", "unshelved", "unshelving", "acknowledge", ("shelved",)),
    "unacknowledge": AlarmActionSpec(
        "Withdraw acknowledgment", "withdrawn", "withdrawing", "acknowledge", _ACKNOWLEDGED
    ),
    "reset": AlarmActionSpec("Reset latched", "reset", "resetting", "acknowledge", ("latched",)),
    "out_of_service": AlarmActionSpec(
        "Out of service…", "taken out of service", "taking out of service", "service", _OPEN, "Reason (required)"
    ),
    "in_service": AlarmActionSpec(
        "Return to service", "returned to service", "returning to service", "service", ("out_of_service",)
    ),
}
"""By the name of the action on the wire."""
SHELF_H: Final = (0.5, 1.0, 4.0, 8.0, 24.0, 72.0)
"""Durations that the dialog offers, in therapy hours."""


def audit_trail(row: dict[str, Any]) -> list[str]:
    """Return who did what to an open alarm, when and why: a phrase for each action in effect."""
    entries = []
    if row["acknowledged_by"]:
        acknowledged = f"acknowledged by {row['acknowledged_by']}"
        entries.append(
            f"{acknowledged} at {formatting.second(row['acknowledged_wall'])}"
            if row["acknowledged_wall"]
            else f"{acknowledged} earlier"
        )
    if row["shelved_by"]:
        left = clocks.time_left(row["shelved_left_s"], row["speed"])
        entries.append(
            f"shelved by {row['shelved_by']} at {formatting.second(row['shelved_wall'])}, {left}: {row['shelved_why']}"
        )
    if row["out_by"]:
        since = formatting.moment(row["out_wall"])
        entries.append(f"out of service by {row['out_by']} since {since}: {row['out_why']}")
    if row["note_by"]:
        entries.append(f"note by {row['note_by']} at {formatting.second(row['note_wall'])}: {row['note']}")
    return entries
