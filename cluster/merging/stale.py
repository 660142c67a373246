"""Ranges that are not judged, without a processor or without its broker: since when.

Whether a range is stale is judged by the merger's own clock, from when it last saw a new snapshot: the clocks of
machines differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from broker.store.snapshot import Snapshot
from cluster.merging import own_alarms
from cluster.merging.own_alarms import Condition

STALE_S: Final = own_alarms.OF[own_alarms.RANGE].on_delay_s
"""A range is stale if its snapshot stays the same for this long: a take-over takes less."""
DEAF_S: Final = 30.0
"""A processor without its broker for this long judges nothing; the servers may just be electing a leader before."""
_DEAF_MEANING: Final = (
    "The processor of this range has no connection to its broker. Its pumps are shown as they last were: new alarms "
    "about them do not appear."
)
_DEAF_ACTION: Final = (
    "Check the MQTT listener of the NATS server that its node uses, or stop that node: another one then takes the "
    "range. Until then, rely on pagers. The gateways keep samples."
)


@dataclass(frozen=True)
class StaleRange:
    """A range whose snapshot no longer changes: since when (wall ms), for how long (s), and how many pumps it has.

    If it is `deaf`, its snapshot changes but its processor has no broker.
    """

    number: int
    since: int
    for_s: float
    pumps: int
    therapy_ms: int
    deaf: bool = False

    def condition(self) -> Condition:
        """Return the condition that the alarm is about."""
        name = f"range {self.number:02d}"
        why = "its processor has no broker" if self.deaf else "no processor works on it"
        note = f"{name} with {self.pumps:,} pumps is not judged for {self.for_s:.0f} s: {why}"
        texts = (_DEAF_MEANING, _DEAF_ACTION) if self.deaf else ()
        return Condition(own_alarms.RANGE, name, self.since, self.therapy_ms, note, *texts)


@dataclass
class Watch:
    """When each range last showed something new, by the merger's own clock.

    `gaps_s` is for how long a range had shown nothing new when another processor began to: how late its alarms were.
    """

    gaps_s: dict[int, float] = field(default_factory=dict)
    _seen: dict[int, tuple[object, float, int]] = field(default_factory=dict)
    _shown: dict[int, tuple[int, int, float]] = field(default_factory=dict)
    _deaf: dict[int, tuple[float, int]] = field(default_factory=dict)

    def look(self, number: int, shown: Snapshot, epoch: int, now_s: float, wall_ms: int) -> StaleRange | None:
        """Return a range whose snapshot is too old, with what to report; None if it is fresh.

        `shown` is its snapshot of that epoch, `now_s` and `wall_ms` are the merger's clocks.
        """
        self._note(number, shown, now_s)
        stamp = (epoch, shown.health.started, shown.version)
        known = self._seen.get(number)
        if known is None or known[0] != stamp:
            self._seen[number] = (stamp, now_s, wall_ms)
            return self._look_deaf(number, shown, now_s, wall_ms)
        idle_s = now_s - known[1]
        if idle_s < STALE_S:
            return self._look_deaf(number, shown, now_s, wall_ms)
        return StaleRange(number, known[2], idle_s, shown.table.height, shown.health.therapy_ms)

    def _look_deaf(self, number: int, shown: Snapshot, now_s: float, wall_ms: int) -> StaleRange | None:
        """Return a range whose processor has had no broker for too long."""
        if shown.health.connected or not shown.version:
            self._deaf.pop(number, None)
            return None
        since_s, since = self._deaf.setdefault(number, (now_s, wall_ms))
        if now_s - since_s < DEAF_S:
            return None
        return StaleRange(number, since, now_s - since_s, shown.table.height, shown.health.therapy_ms, deaf=True)

    def unchanged_s(self, number: int, now_s: float) -> float:
        """Return for how long a range has shown nothing new."""
        return now_s - self._shown[number][2] if number in self._shown else 0.0

    def _note(self, number: int, shown: Snapshot, now_s: float) -> None:
        started, version, since_s = self._shown.get(number, (0, 0, now_s))
        if (started, version) == (shown.health.started, shown.version):
            return
        if started not in (0, shown.health.started):
            self.gaps_s[number] = now_s - since_s
        self._shown[number] = shown.health.started, shown.version, now_s
