"""Health of the pipeline of all ranges as one: what is counted is added up, of what is measured the worst is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from broker.store.cluster_health import NodeHealth, RangeHealth
from broker.store.snapshot import CapacityLimit, Health

ADDED: Final = (
    *("samples", "samples_per_s", "messages", "lost", "late", "repeated", "refused", "reconnects", "clock_steps"),
)
"""Fields of `Health` that are counts or rates of one range each."""
SHOWN_REFUSALS: Final = 50
"""Maximum number of rejected payloads shown, the newest first."""


def merged(
    ranges: Sequence[Health],
    *,
    version: int,
    started: int,
    written: int,
    notes: Sequence[str] = (),
    cluster: tuple[list[RangeHealth], list[NodeHealth]] = ([], []),
) -> Health:
    """Return the health of all ranges; `version` and `started` (wall ms) are those of the merger.

    `cluster` are all ranges and nodes, also those that show nothing.

    `written` (wall ms) is when the oldest snapshot was made that still counts as new. A latency is the highest among
    the ranges: no share of all samples took longer than that share of the slowest range's.
    """
    if not ranges:
        return Health(
            version=version, started=started, written=written, notes=list(notes), ranges=cluster[0], nodes=cluster[1]
        )
    ahead = max(ranges, key=lambda one: one.therapy_ms)
    return Health(
        version=version,
        started=started,
        written=written,
        therapy_start=min((one.therapy_start for one in ranges if one.therapy_start), default=0),
        therapy_ms=ahead.therapy_ms,
        speed=ahead.speed,
        broker=", ".join(dict.fromkeys(one.broker for one in ranges if one.broker)),
        protocol=", ".join(dict.fromkeys(one.protocol for one in ranges if one.protocol)),
        connected=all(one.connected for one in ranges),
        refusals=sorted((each for one in ranges for each in one.refusals), key=lambda each: -each.at)[:SHOWN_REFUSALS],
        latency_ms=_each(max, (one.latency_ms for one in ranges)),
        bounds=_fullest(ranges),
        grown=_each(max, (one.grown for one in ranges)),
        faults=sorted({fault for one in ranges for fault in one.faults}),
        fault_titles=_each(lambda found: found[0], (one.fault_titles for one in ranges)),
        rules=_each(lambda found: found[0], (one.rules for one in ranges)),
        rule_targets=_each(lambda found: found[0], (one.rule_targets for one in ranges)),
        ranges=cluster[0],
        nodes=cluster[1],
        notes=list(dict.fromkeys([*notes, *(note for one in ranges for note in one.notes)])),
        **{name: sum(getattr(one, name) for one in ranges) for name in ADDED},
    )


def _each(choose: Callable[[list[Any]], Any], found: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is chosen of the values of each key, in the order in which the keys appear."""
    values: dict[str, list[Any]] = {}
    for mapping in found:
        for key, value in mapping.items():
            values.setdefault(key, []).append(value)
    return {key: choose(several) for key, several in values.items()}


def _fullest(ranges: Sequence[Health]) -> list[CapacityLimit]:
    """Return each limit as that range has it whose share of it is the largest, and how often any reached it."""
    by_name: dict[str, list[CapacityLimit]] = {}
    for one in ranges:
        for bound in one.bounds:
            by_name.setdefault(bound.name, []).append(bound)
    return [
        msgspec.structs.replace(max(several, key=_share), reached=sum(bound.reached for bound in several))
        for several in by_name.values()
    ]


def _share(bound: CapacityLimit) -> float:
    return bound.value / bound.limit if bound.limit else 0.0
