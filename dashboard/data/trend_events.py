"""Events on the time axis of one pump's trends: what was done to it, and what alarmed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any, Final

import polars as pl

from broker.contract.signals import FLAG_BIT
from dashboard.languages import tr_later

MAX_MARKS: Final = 200
"""Events on one axis; of more the newest are shown, and their number is said."""
KINDS: Final = {
    "refill": tr_later("refill"),
    "program": tr_later("program change"),
    "bolus": tr_later("bolus"),
    "stop": tr_later("stopped"),
    "replace": tr_later("pump replaced"),
    "fault": tr_later("fault found"),
    "alarm": tr_later("alarm raised"),
    "returned": tr_later("alarm returned"),
    "gap": tr_later("gap begins"),
}
COMMANDS: Final = ("refill", "program", "bolus", "stop", "replace")
"""Commands to a pump that are events of its trend; the first word of their journal title."""
FLAGS: Final = {"refill": "refill", "programmed": "program"}
"""Status flags that begin with an event, for pumps that were not commanded through Pumpwatch."""
SAME_MS: Final = 600_000
"""A flag so soon after a command of its kind is the same event."""


@dataclass(frozen=True)
class Mark:
    """One event at a therapy time (ms): one of `KINDS`, its text, and the priority of its alarm (0: none)."""

    time: int
    kind: str
    text: str
    priority: int = 0


@dataclass(frozen=True)
class Marks:
    """The events of a time range, in order, and how many older ones are not shown."""

    shown: list[Mark] = field(default_factory=list)
    left_out: int = 0

    def shifted(self, by_ms: int) -> Marks:
        """Return the same with every time later by `by_ms`."""
        return Marks([replace(mark, time=mark.time + by_ms) for mark in self.shown], self.left_out)


def marks(
    samples: pl.DataFrame,
    events: pl.DataFrame,
    gaps: list[tuple[int, int]],
    window: tuple[int, int],
    causes: Collection[str] = (),
) -> Marks:
    """Return the events between two therapy times: from the journal, the pump's status flags and gaps in its samples.

    `causes` are the rules whose alarms name a fault.
    """
    since, until = window
    inside = events.filter(pl.col("time").is_between(since, until))
    found = [mark for row in inside.iter_rows(named=True) if (mark := _of_journal(row, causes)) is not None]
    commanded = [mark for mark in found if mark.kind in COMMANDS]
    found += [mark for mark in _of_flags(samples) if not _known(mark, commanded)]
    found += [Mark(start, "gap", "no samples from here on") for start, _ in gaps if since < start < until]
    found = sorted(found, key=lambda mark: mark.time)
    return Marks(found[-MAX_MARKS:], max(0, len(found) - MAX_MARKS))


def _of_journal(row: dict[str, Any], causes: Collection[str]) -> Mark | None:
    kind, title = row["kind"], row["title"] or ""
    if kind == "done" and (command := title.partition(" ")[0]) in COMMANDS:
        return Mark(row["time"], command, KINDS[command] if not row["text"] else f"{KINDS[command]}: {row['text']}")
    if kind == "raised":
        named = "fault" if row["rule"] in causes else "alarm"
        return Mark(row["time"], named, f"{KINDS[named]}: {title}", row["priority"] or 0)
    if kind in ("returned", "cleared"):
        return Mark(row["time"], "returned", f"returned to normal: {title}", row["priority"] or 0)
    return None


def _of_flags(samples: pl.DataFrame) -> list[Mark]:
    """Return the events with which status flags begin; roll-ups have no flags."""
    if "flags" not in samples.columns or samples.height < 2:
        return []
    found = []
    for flag, kind in FLAGS.items():
        set_ = (pl.col("flags") & FLAG_BIT[flag]) != 0
        begins = samples.filter((set_ & ~set_.shift(1)).fill_null(value=False))
        found += [Mark(time, kind, f"{KINDS[kind]}, recorded by the pump") for time in begins["time"]]
    return found


def _known(mark: Mark, commanded: list[Mark]) -> bool:
    return any(one.kind == mark.kind and abs(one.time - mark.time) < SAME_MS for one in commanded)
