"""Vitals of the processor: its metrics, read from the counters that its health is made of, and its readiness."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.metrics.readings import Reading, Rising
from broker.metrics.readings import disk as disk_of
from broker.store.snapshot import PRIORITIES, Health
from processor.service import checkpoint
from processor.service.judging import Judging
from processor.service.metering import Meter

STALE_MS: Final = 15_000
"""A snapshot older than this is no picture of the fleet."""
MIN_FREE_BYTES: Final = 64 * 1024**2
"""With less free space the processor is about to stop storing."""
CODES: Final = {
    "storage": "storage_failing",
    "snapshot": "snapshot_failing",
    "checkpoint": "checkpoint_failing",
    "processing": "processing_failing",
}
"""Why the processor is not ready, by the name of its trouble; other troubles do not keep it from working."""


@dataclass
class ProcessorVitals:
    """Reads a running processor; `wall_ms` is the wall clock, `connected` says whether the broker is.

    Everything is read from the latest health where that has it, else between two steps of the event loop or, on a node
    of a cluster, from another thread: what may grow meanwhile is copied in one step first.
    """

    judging: Judging
    connected: Callable[[], bool]
    wall_ms: Callable[[], int]
    _rising: dict[str, Rising] = field(default_factory=dict)

    @property
    def meter(self) -> Meter:
        """Counts of the processor."""
        return self.judging.meter

    def problems(self) -> list[str]:
        """Return the codes of what keeps the processor from being useful."""
        codes = [code for name, code in CODES.items() if name in list(self.meter.troubles)]
        if not self.connected():
            codes.append("broker_away")
        if self.wall_ms() - self.meter.shown_at > STALE_MS:
            codes.append("snapshot_stale")
        free, _ = disk_of(self.judging.data)
        if free < MIN_FREE_BYTES:
            codes.append("disk_full")
        if not self.judging.store.journal_in_place:
            codes.append("journal_missing")
        return sorted(codes)

    def read(self) -> Iterator[Reading]:
        """Yield the readings of now."""
        meter, health = self.meter, self.meter.latest
        yield Reading("pumpwatch_samples_total", meter.samples)
        yield Reading("pumpwatch_messages_total", meter.messages)
        for reason, count in list(self.judging.guarded.pipeline.quarantine.by_kind.items()):
            yield Reading("pumpwatch_messages_rejected_total", count, (reason,))
        yield Reading("pumpwatch_batch_duration_seconds", self.judging.durations)
        yield Reading("pumpwatch_end_to_end_latency_seconds", meter.latency)
        for work, durations in list(self.judging.committer.durations.items()):
            yield Reading("pumpwatch_commit_duration_seconds", durations, (work,))
        yield Reading("pumpwatch_broker_connected", float(self.connected()))
        yield Reading("pumpwatch_broker_reconnects_total", max(0, meter.sessions - 1))
        yield Reading("pumpwatch_snapshot_timestamp_seconds", meter.shown_at / 1000)
        yield Reading("pumpwatch_snapshot_version", meter.version)
        yield Reading("pumpwatch_checkpoint_timestamp_seconds", checkpoint.written_s(self.judging.data))
        yield Reading("pumpwatch_journal_entries", self.judging.store.head.entries)
        yield Reading("pumpwatch_journal_size_bytes", self.judging.store.journal_bytes)
        free, size = disk_of(self.judging.data)
        yield Reading("pumpwatch_disk_free_bytes", free)
        yield Reading("pumpwatch_disk_size_bytes", size)
        yield Reading("pumpwatch_clock_steps_total", meter.clock.steps)
        yield Reading("pumpwatch_processing_errors_total", self.judging.guarded.errors)
        yield from (Reading("pumpwatch_trouble", 1, (name,)) for name in list(meter.troubles))
        yield from self._fleet()
        if health is not None:
            yield from self._of(health)

    def _of(self, health: Health) -> Iterator[Reading]:
        yield Reading("pumpwatch_samples_lost", health.lost)
        yield Reading("pumpwatch_samples_late_total", self._rise("late", health.late))
        yield Reading("pumpwatch_samples_duplicate_total", self._rise("repeated", health.repeated))
        for limit in health.bounds:
            yield Reading("pumpwatch_buffer_used", limit.value, (limit.name, limit.unit))
            yield Reading("pumpwatch_buffer_limit", limit.limit, (limit.name, limit.unit))
            yield Reading("pumpwatch_buffer_full_total", self._rise(limit.name, limit.reached), (limit.name,))

    def _fleet(self) -> Iterator[Reading]:
        registry = self.judging.guarded.pipeline.registry
        yield Reading("pumpwatch_pumps", registry.pumps)
        states = [gateway.state for gateway in list(registry.gateways.order)]
        yield from (Reading("pumpwatch_gateways", states.count(state), (state,)) for state in sorted(set(states)))
        yield from alarms(self.meter.alarms)

    def _rise(self, name: str, number: float) -> float:
        return self._rising.setdefault(name, Rising()).after(number)


def alarms(shown: pl.DataFrame) -> Iterator[Reading]:
    """Yield the open alarms (`ALARMS_SCHEMA`) by priority and state; each priority has one reading at least."""
    counts = {(row[0], row[1]): row[2] for row in shown.group_by("priority", "state").len().iter_rows()}
    for code, priority in enumerate(PRIORITIES, start=1):
        states = sorted({state for of, state in counts if of == code} | {"unacknowledged"})
        for state in states:
            yield Reading("pumpwatch_alarms_open", counts.get((code, state), 0), (priority, state))
