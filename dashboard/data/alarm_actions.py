"""Alarm actions: label, right and alarm states of each, and the audit trail of an open alarm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from broker.store.snapshot import WAITING
from dashboard import clocks, formatting
from dashboard.languages import tr, tr_later, tr_sentence

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
    "acknowledge": AlarmActionSpec(
        tr_later("Acknowledge"), tr_later("acknowledged"), tr_later("acknowledging"), "acknowledge", WAITING
    ),
    "shelve": AlarmActionSpec(
        tr_later("Shelve…"),
        tr_later("shelved"),
        tr_later("shelving"),
        "acknowledge",
        _OPEN,
        tr_later("Reason (required)"),
    ),
    "note": AlarmActionSpec(
        tr_later("Note…"),
        tr_later("noted"),
        tr_later("adding a note"),
        "acknowledge",
        (*_OPEN, "out_of_service"),
        tr_later("Note (required)"),
    ),
    "unshelve": AlarmActionSpec(
        tr_later("Unshelve"), tr_later("unshelved"), tr_later("unshelving"), "acknowledge", ("shelved",)
    ),
    "unacknowledge": AlarmActionSpec(
        tr_later("Withdraw acknowledgment"),
        tr_later("withdrawn"),
        tr_later("withdrawing"),
        "acknowledge",
        _ACKNOWLEDGED,
    ),
    "reset": AlarmActionSpec(
        tr_later("Reset latched"), tr_later("reset"), tr_later("resetting"), "acknowledge", ("latched",)
    ),
    "out_of_service": AlarmActionSpec(
        tr_later("Out of service…"),
        tr_later("taken out of service"),
        tr_later("taking out of service"),
        "service",
        _OPEN,
        tr_later("Reason (required)"),
    ),
    "in_service": AlarmActionSpec(
        tr_later("Return to service"),
        tr_later("returned to service"),
        tr_later("returning to service"),
        "service",
        ("out_of_service",),
    ),
}
"""By the name of the action on the wire."""
MANY: Final = tr_later("{title} ({count} pumps)")
"""An alarm of several pumps in the list of those that another one suppresses."""
SHELF_H: Final = (0.5, 1.0, 4.0, 8.0, 24.0, 72.0)
"""Durations that the dialog offers, in therapy hours."""


def audit_trail(row: dict[str, Any]) -> list[str]:
    """Return who did what to an open alarm, when and why: a phrase for each action in effect."""
    entries = []
    if row["acknowledged_by"]:
        acknowledged = tr("acknowledged by {acknowledged_by}", acknowledged_by=row["acknowledged_by"])
        entries.append(
            tr("{acknowledged} at {time}", acknowledged=acknowledged, time=formatting.second(row["acknowledged_wall"]))
            if row["acknowledged_wall"]
            else tr("{acknowledged} earlier", acknowledged=acknowledged)
        )
    if row["shelved_by"]:
        left = clocks.time_left(row["shelved_left_s"], row["speed"])
        entries.append(
            tr(
                "shelved by {shelved_by} at {time}, {left}: {shelved_why}",
                shelved_by=row["shelved_by"],
                time=formatting.second(row["shelved_wall"]),
                left=left,
                shelved_why=row["shelved_why"],
            )
        )
    if row["out_by"]:
        since = formatting.moment(row["out_wall"])
        entries.append(
            tr(
                "out of service by {out_by} since {since}: {out_why}",
                out_by=row["out_by"],
                since=since,
                out_why=row["out_why"],
            )
        )
    if row["note_by"]:
        entries.append(
            tr(
                "note by {note_by} at {time}: {note}",
                note_by=row["note_by"],
                time=formatting.second(row["note_wall"]),
                note=row["note"],
            )
        )
    return entries


def suppressed(explains: str) -> str:
    """Return the alarms that another one suppresses, as the processor lists them, in the viewer's language."""
    return ", ".join(tr_sentence(name, (MANY,)) for name in explains.split(", "))
