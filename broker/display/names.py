"""The one table of names: what pages, commands and documents call priorities, states and kinds of journal entries.

The titles of rules and faults are not here: each stands in the rule's or fault's own file, and arrives with the
snapshot (`broker.store.snapshot.Health`). Signals and flags have theirs in `broker.contract.signals`.
"""

from __future__ import annotations

from typing import Final

PRIORITIES: Final = {1: "high", 2: "medium", 3: "low", 0: "normal"}
"""Priorities of alarms; 0 is a pump without an alarm."""
PUMP_STATES: Final = ("high", "medium", "low", "silent", "normal")
"""States of a pump, the most urgent first: the priority of its worst alarm; silent or normal if it has none."""
ALARM_STATES: Final = {
    "unacknowledged": "unacknowledged",
    "acknowledged": "acknowledged",
    "returned": "returned, unacknowledged",
    "latched": "latched, needs reset",
    "shelved": "shelved",
    "suppressed": "suppressed by cause",
    "out_of_service": "out of service",
    "normal": "normal",
}
"""States of alarms after ISA-18.2."""
ENTRIES: Final = {
    "returned": "returned to normal",
    "held": "suppressed",
    "released": "no longer suppressed",
    "realarmed": "re-alarmed",
    "unacknowledged": "acknowledgment withdrawn",
    "out_of_service": "taken out of service",
    "in_service": "returned to service",
    "sign_in_failed": "sign-in failed",
    "not_notified": "notification failed",
    "ordered": "commanded",
    "denied": "refused (role)",
    "forged": "refused (forged)",
}
"""Kinds of journal entries that read differently where people see them than in the journal."""


def words(name: str) -> str:
    """Return an identifier as words, for what no table names: "Message log"."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def entry_kind(kind: str) -> str:
    """Return the kind of a journal entry as words: "Returned to normal", "Signed in"."""
    return words(ENTRIES.get(kind, kind))


def kind_named(text: str) -> str:
    """Return the kind of journal entry that a person names, as the journal has it or as `entry_kind` shows it."""
    given = text.strip().lower()
    kinds = {shown: kind for kind, shown in ENTRIES.items()}
    return kinds.get(given) or given.replace("-", "_").replace(" ", "_")
