"""This file is what a person can do with alarms from the screens: how it is called, who may, and in which states."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.contract.actions import MAX_SHELF_H
from broker.store.snapshot import PRIORITIES, WAITING
from dashboard import formatting

_SEEN: Final = ("acknowledged", "latched")
_OPEN: Final = (*WAITING, *_SEEN, "shelved")


@dataclass(frozen=True)
class AlarmActionSpec:
    """One thing to do: its words, the right it needs, and in which states it is offered.

    What it `asks` for, if anything, a person has to say first.
    """

    label: str
    done: str
    right: str
    states: tuple[str, ...]
    asks: str = ""


ALARM_ACTIONS: Final = {
    "acknowledge": AlarmActionSpec("Acknowledge", "acknowledged", "acknowledge", WAITING),
    "shelve": AlarmActionSpec("Shelve…", "shelved", "acknowledge", _OPEN, "Reason (required)"),
    "note": AlarmActionSpec("Note…", "noted", "acknowledge", (*_OPEN, "out_of_service"), "Note (required)"),
    "unshelve": AlarmActionSpec("Unshelve", "unshelved", "acknowledge", ("shelved",)),
    "unacknowledge": AlarmActionSpec("Withdraw acknowledgment", "withdrawn", "acknowledge", _SEEN),
    "reset": AlarmActionSpec("Reset latched", "reset", "acknowledge", ("latched",)),
    "out_of_service": AlarmActionSpec("Out of service…", "taken out of service", "service", _OPEN, "Reason (required)"),
    "in_service": AlarmActionSpec("Return to service", "returned to service", "service", ("out_of_service",)),
}
"""By the name that the action has on the wire."""
SHELF_H: Final = (0.5, 1.0, 4.0, 8.0, 24.0, 72.0)
"""The times that the dialog offers, in therapy hours."""


def offered(name: str, alarms: pl.DataFrame) -> list[str]:
    """Return the ids of those of the alarms with which this can be done as they are now."""
    return alarms.filter(pl.col("state").is_in(ALARM_ACTIONS[name].states))["alarm"].to_list()


def longest_h(alarms: pl.DataFrame) -> float:
    """Return for how many therapy hours all of these alarms may be shelved together."""
    limits = [MAX_SHELF_H[PRIORITIES[code - 1]] for code in alarms["priority"].drop_nulls().unique()]
    return min(limits, default=min(MAX_SHELF_H.values()))


def told(row: dict[str, Any]) -> list[str]:
    """Say who did what when with an open alarm, and why."""
    said = []
    if row["acknowledged_by"]:
        seen = f"acknowledged by {row['acknowledged_by']}"
        said.append(
            f"{seen} at {formatting.second(row['acknowledged_wall'])}"
            if row["acknowledged_wall"]
            else f"{seen} earlier"
        )
    if row["shelved_by"]:
        left = f"{formatting.span(row['shelved_left_s'])} left"
        said.append(
            f"shelved by {row['shelved_by']} at {formatting.second(row['shelved_wall'])}, {left}: {row['shelved_why']}"
        )
    if row["out_by"]:
        said.append(f"out of service by {row['out_by']} since {formatting.moment(row['out_wall'])}: {row['out_why']}")
    if row["note_by"]:
        said.append(f"note by {row['note_by']} at {formatting.second(row['note_wall'])}: {row['note']}")
    return said
