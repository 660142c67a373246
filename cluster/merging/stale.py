"""Ranges that are not judged, without a processor or without its broker: since when, and the alarm about it.

Whether a range is stale is judged by the merger's own clock, from when it last saw a new snapshot: the clocks of
machines differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.subjects import system_subject
from broker.store.journal import EVENTS_SCHEMA
from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot import ALARMS_SCHEMA, PRIORITY_CODE, Snapshot

STALE_S: Final = 10.0
"""A range is stale if its snapshot stays the same for this long: a take-over takes less."""
DEAF_S: Final = 30.0
"""A processor without its broker for this long judges nothing; the servers may just be electing a leader before."""
RULE: Final = "range_not_judged"
TITLE: Final = "Part of the fleet not judged"
_PRIORITY: Final = PRIORITY_CODE["high"]
_MEANING: Final = (
    "No processor works on this range. Its pumps are shown as they last were: new alarms about them do not appear."
)
_DEAF_MEANING: Final = (
    "The processor of this range has no connection to its broker. Its pumps are shown as they last were: new alarms "
    "about them do not appear."
)
_DEAF_ACTION: Final = (
    "Check the MQTT listener of the NATS server that its node uses, or stop that node: another one then takes the "
    "range. Until then, rely on pagers. The gateways keep samples."
)
_ACTION: Final = (
    "Start the processor of this range, or another one. Until then, rely on pagers. The gateways keep samples."
)
_RESPOND: Final = "none: new alarms about these pumps do not appear"


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

    @property
    def name(self) -> str:
        """The range as people call it."""
        return f"range {self.number:02d}"

    @property
    def note(self) -> str:
        """One sentence for the Pipeline page."""
        why = "its processor has no broker" if self.deaf else "no processor works on it"
        return f"{self.name} with {self.pumps:,} pumps is not judged for {self.for_s:.0f} s: {why}"


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


def alarms(ranges: Sequence[StaleRange]) -> pl.DataFrame:
    """Return one alarm (`ALARMS_SCHEMA`) about each of these ranges."""
    rows = [
        {
            **dict.fromkeys(ALARMS_SCHEMA),
            "alarm": f"{RULE}-{one.number:02d}-{one.since}",
            "subject": system_subject(one.name),
            "subject_kind": "system",
            "rule": RULE,
            "title": TITLE,
            "priority": _PRIORITY,
            "state": "unacknowledged",
            "onset": one.therapy_ms,
            "raised": one.therapy_ms,
            "raised_wall": one.since,
            "age_s": one.for_s,
            "speed": 1.0,
            "score": 1.0,
            "meaning": _DEAF_MEANING if one.deaf else _MEANING,
            "action": _DEAF_ACTION if one.deaf else _ACTION,
            "deadline": _RESPOND,
            "held": 0,
            "latch": False,
        }
        for one in ranges
    ]
    return pl.DataFrame(rows, ALARMS_SCHEMA)


def changes(before: pl.DataFrame, now: pl.DataFrame, wall_ms: int) -> pl.DataFrame:
    """Return the journal entries (`EVENTS_SCHEMA`) of these alarms: raised, or cleared since `before`."""
    found = [
        shown.join(others, on="alarm", how="anti", maintain_order="left").select(
            pl.lit(wall_ms).alias("at"),
            pl.col("onset").alias("time"),
            pl.lit(kind).alias("kind"),
            pl.lit(text).alias("text"),
            *("alarm", "subject", "subject_kind", "rule", "title", "priority"),
        )
        for kind, text, shown, others in (
            ("raised", "nobody judges this range", now, before),
            ("cleared", "this range is judged again", before, now),
        )
    ]
    return pl.concat([pl.DataFrame(schema=EVENTS_SCHEMA), *found], how="diagonal_relaxed").select(*EVENTS_SCHEMA)


def rule() -> pl.DataFrame:
    """Return the rule behind these alarms (`RULES_SCHEMA`)."""
    lists: dict[str, list[str]] = {name: [] for name, dtype in RULES_SCHEMA.items() if isinstance(dtype, pl.List)}
    row = {
        **dict.fromkeys(RULES_SCHEMA),
        **lists,
        "rule": RULE,
        "title": TITLE,
        "subject_kind": "system",
        "priority": _PRIORITY,
        "meaning": _MEANING,
        "action": _ACTION,
        "time_to_respond": _RESPOND,
        "rationale": "A pump fault would be detected by a processor, but this range has none.",
        "deadband": 1.0,
        "on_delay_s": STALE_S,
        "off_delay_s": 0.0,
        "wall_clock": True,
        "latch": False,
        "mdc": "",
    }
    return pl.DataFrame([row], RULES_SCHEMA)
