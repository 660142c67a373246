"""Watchdog: notices that processor, broker or dashboard are down, and that they are back. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from broker.contract.subjects import system_subject
from broker.store.part_troubles import PartTrouble
from broker.store.snapshot import Health
from notifier.state import ITSELF, Alarm, Event

STALE_MS: Final = 15_000
"""A snapshot older than this is stale; the processor writes several a second."""
DOWN_MS: Final = 20_000
"""How long a part must be missing before people are notified: a restart takes less."""
UP_MS: Final = 10_000
"""How long it must be back before they are notified that."""
TITLES: Final = {
    "processor": "Processor not updating: no alarms are found",
    "broker": "Broker not reached: no telemetry arrives",
    "dashboard": "Dashboard not reachable",
}
PARTS: Final = tuple(TITLES)


@dataclass(frozen=True)
class Look:
    """What the notifier sees of the other parts; `answers` is None if nobody knows where the dashboard is."""

    health: Health | None
    troubles: Sequence[PartTrouble] = ()
    answers: bool | None = None


def missing(look: Look, now: int) -> set[str]:
    """Return which parts are down at `now` (wall ms)."""
    found = {trouble.part for trouble in look.troubles if trouble.part in PARTS}
    health = look.health
    if health is None or now - health.written > STALE_MS:
        # What a stale snapshot says about the broker is not known.
        found.add("processor")
    elif not health.connected:
        found.add("broker")
    if look.answers is False:
        found.add("dashboard")
    return found


@dataclass
class Watchdog:
    """Follows which parts are down; `open` are the ids of its alarms by part. Times are wall ms."""

    open: dict[str, str] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)
    _since: dict[str, int] = field(default_factory=dict)

    @classmethod
    def resumed(cls, alarms: Mapping[str, Alarm]) -> Watchdog:
        """Return one that knows which of its alarms stand after a restart."""
        standing = [alarm for alarm in alarms.values() if alarm.about_itself and alarm.standing]
        return cls({alarm.alarm.removeprefix(ITSELF).partition("/")[0]: alarm.alarm for alarm in standing})

    def look(self, found: Iterable[str], now: int) -> list[Event]:
        """Return what changed, given the parts that are down now."""
        self.down = set(found)
        events: list[Event] = []
        for part in PARTS:
            alarmed = part in self.open
            if (part in self.down) == alarmed:
                self._since.pop(part, None)
                continue
            since = self._since.setdefault(part, now)
            if now < since:
                self._since[part] = now
            elif now - since >= (UP_MS if alarmed else DOWN_MS):
                del self._since[part]
                events += self._ended(part, now) if alarmed else self._raised(part, now)
        return events

    def _raised(self, part: str, now: int) -> list[Event]:
        self.open[part] = f"{ITSELF}{part}/{now}"
        return [_event("raised", part, self.open[part], now)]

    def _ended(self, part: str, now: int) -> list[Event]:
        return [_event("cleared", part, self.open.pop(part), now)]


def _event(kind: str, part: str, alarm: str, now: int) -> Event:
    return Event(
        kind=kind,
        alarm=alarm,
        at=now,
        subject=system_subject(part),
        subject_kind="system",
        rule=f"{part}_down",
        title=TITLES[part],
        priority=1,
    )
