"""Follows alarms through the events of the journal. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from broker.contract.alarm_matchers import cohort_fields
from broker.display.names import PRIORITIES
from notifier.state import Alarm, Event, Facts

MAX_ALARMS: Final = 100_000
"""Open alarms that are followed; more are counted, and nobody is notified about them."""


def _annunciated(event: Event) -> dict[str, Any]:
    """Return what changes if an alarm is annunciated, or annunciated again."""
    return {"raised_at": event.at, "time": event.time}


_Change = Callable[[Event], dict[str, Any]]
CHANGES: Final[Mapping[str, _Change]] = {
    "raised": lambda event: {
        "standing": True,
        "acknowledged": False,
        "over": False,
        "suppressed": event.cause is not None,
        **_annunciated(event),
    },
    "returned": lambda _: {"standing": False},
    "cleared": lambda _: {"standing": False, "over": True},
    "held": lambda _: {"suppressed": True},
    "released": lambda event: {"suppressed": False, **_annunciated(event)},
    "realarmed": lambda event: {"acknowledged": False, **_annunciated(event)},
    "acknowledged": lambda _: {"acknowledged": True},
    "unacknowledged": lambda event: {"acknowledged": False, **_annunciated(event)},
    "shelved": lambda _: {"shelved": True},
    "unshelved": lambda event: {"shelved": False, **_annunciated(event)},
    "out_of_service": lambda _: {"out": True},
    "in_service": lambda event: {"out": False, **_annunciated(event)},
}
"""What each kind of event changes; an alarm that is annunciated again counts as raised then."""


def follow(
    alarms: Mapping[str, Alarm], events: Iterable[Event], facts: Mapping[str, Facts]
) -> tuple[dict[str, Alarm], int]:
    """Return the open alarms after some events, and how many alarms there were too many.

    `facts` are those of subjects. An alarm that is over stays until everybody who was notified knows.
    """
    found, ignored = dict(alarms), 0
    for event in events:
        change = CHANGES.get(event.kind)
        if change is None:
            continue
        known = found.get(event.alarm)
        if known is None:
            if event.kind == "cleared" or len(found) >= MAX_ALARMS:
                ignored += event.kind == "raised"
                continue
            known = Alarm(alarm=event.alarm)
        found[event.alarm] = msgspec.structs.replace(known, **_described(known, event, facts), **change(event))
    return found, ignored


def _described(known: Alarm, event: Event, facts: Mapping[str, Facts]) -> dict[str, Any]:
    """Return what an event says about the alarm itself."""
    cohort = cohort_fields(event.subject, event.subject_kind)
    gateway = event.subject if event.subject_kind == "gateway" else None
    own = facts.get(event.subject, known.facts)
    return {
        "subject": event.subject or known.subject,
        "subject_kind": event.subject_kind or known.subject_kind,
        "pump": event.pump or known.pump,
        "rule": event.rule or known.rule,
        "title": event.title or known.title,
        "priority": PRIORITIES.get(event.priority, "medium"),
        "facts": msgspec.structs.replace(own, gateway=own.gateway or gateway, **cohort),
    }
