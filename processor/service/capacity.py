"""Capacity limits of the processor: how full each queue, file and table is, and what happens when it is full."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from broker.store.history import ROLLUP_SHARE
from broker.store.snapshot import CapacityLimit
from processor.engine.sequence import MAX_GAPS
from processor.intake.backlog import MAX_BACKLOG
from processor.intake.gateways import MAX_GATEWAYS
from processor.intake.message_queue import MessageQueue
from processor.intake.pump_facts import MAX_PUMPS
from processor.pipeline import Pipeline
from processor.rules.access import RATE_EXCEEDED
from processor.service.message_log import MessageLog
from processor.service.quarantine_file import MAX_UNWRITTEN
from processor.service.store import JOURNAL_BYTES, MAX_ENTRIES, Store
from processor.watch.cohort_comparison import MAX_COHORTS

DISK_SHARE: Final = 0.05
DISK_BYTES: Final = 2 * 1024**3
"""A disk is nearly full if less than this share, or less than this many bytes, is free, whichever is less. Modelling
choice."""

CLUSTER_LOG_SHARE: Final = 0.8
"""The log of a cluster is almost full from this share on. Modelling choice."""


def limits(
    queue: MessageQueue, store: Store, pipeline: Pipeline, log: MessageLog, *, receive_maximum: int, max_rows: int
) -> list[CapacityLimit]:
    """Return every capacity limit of the processor with its current utilization; a new limit is one row here."""
    history, quarantine = store.history, store.quarantine
    registry, gateways = pipeline.registry, pipeline.registry.gateways
    size, rollups, gaps = history.max_bytes, history.max_bytes // ROLLUP_SHARE, pipeline.gaps
    cohorts = pipeline.cohorts
    return [
        CapacityLimit("messages waiting", queue.waiting_bytes, queue.max_bytes, "bytes", queue.overflows, 0.9),
        CapacityLimit("messages unacknowledged", queue.unacknowledged, receive_maximum, "messages", warn_at=0.95),
        CapacityLimit("message log", log.bytes, log.max_bytes, "bytes", log.overflows, 0.9),
        CapacityLimit("samples waiting to be judged", pipeline.backlog.waiting.height, MAX_BACKLOG, "samples",
              pipeline.backlog.overflows),
        CapacityLimit("samples not yet written", store.rows, max_rows, "samples"),
        CapacityLimit("journal entries not yet written", store.entries, MAX_ENTRIES, "entries",
              store.entries_dropped, 0.5, "discarded"),
        CapacityLimit("rejected messages not yet written", quarantine.unwritten, MAX_UNWRITTEN, "messages",
              quarantine.unwritten_dropped, 0.5, "discarded"),
        CapacityLimit("history on disk", history.bytes, size, "bytes", history.removed, None, "oldest removed"),
        *_unpublished(store),
        CapacityLimit("roll-ups on disk", history.rollup_bytes, rollups, "bytes", history.rollups_removed, None,
              "oldest removed"),
        CapacityLimit("journal on disk", store.journal_bytes, JOURNAL_BYTES, "bytes",
              int(store.journal_bytes > JOURNAL_BYTES), 0.9, "grows"),
        CapacityLimit("quarantine file", quarantine.bytes, quarantine.max_bytes, "bytes", quarantine.rotations, None,
              "oldest removed"),
        CapacityLimit("pumps known", registry.pumps, MAX_PUMPS, "pumps", registry.over_capacity, 0.9, "pumps refused"),
        CapacityLimit("gateways known", len(gateways.order), MAX_GATEWAYS, "gateways", gateways.over_capacity, 0.9,
              "pumps refused"),
        CapacityLimit("gaps remembered", gaps.open.height, MAX_GAPS, "gaps", gaps.forgotten, 0.9, "oldest removed"),
        CapacityLimit("cohorts compared per kind", cohorts.most, MAX_COHORTS, "cohorts", cohorts.left_out),
        *rates(pipeline),
        *_disk(store.data),
    ]  # fmt: skip


def _unpublished(store: Store) -> list[CapacityLimit]:
    """Return how much waits for the history table; nothing if there is none."""
    found = store.unpublished
    if found is None:
        return []
    name = "samples waiting for the history table"
    return [CapacityLimit(name, found.bytes, found.max_bytes, "bytes", found.dropped, 0.9, "oldest removed")]


def rates(pipeline: Pipeline) -> list[CapacityLimit]:
    """Return how far the rates of arrival are used up; nothing if they are not limited."""
    admission, counted = pipeline.registry.admission, pipeline.inbox.rates
    if admission is None or counted is None:
        return []
    minute, births = "new {} within a minute", counted.limits.gateway_births
    return [
        CapacityLimit(minute.format(name), budget.used, budget.a_minute, name, budget.exceeded, None, RATE_EXCEEDED)
        for name, budget in (("gateways", admission.gateways), ("pumps", admission.pumps))
    ] + [
        CapacityLimit("burst of the busiest gateway", counted.busiest, counted.burst, "messages",
              counted.messages_refused, None, RATE_EXCEEDED),
        CapacityLimit("births of one gateway within a minute", counted.most_births, births, "births",
              counted.births_refused, None, RATE_EXCEEDED),
    ]  # fmt: skip


def cluster_log_problem(found: Iterable[CapacityLimit]) -> str:
    """Return what is wrong with the log of a cluster, in words; empty if it has room, or there is none."""
    for limit in found:
        if limit.unit == "bytes" and limit.value >= CLUSTER_LOG_SHARE * limit.limit:
            amount = f"{limit.value / 1e6:,.0f} of {limit.limit / 1e6:,.0f} MB"
            return (
                f"the log of the cluster is {100 * limit.value / limit.limit:.0f} % full ({amount}) and was full "
                f"{limit.reached:,} times; servers that are full refuse new messages, and gateways keep them"
            )
    return ""


def _disk(data: Path) -> list[CapacityLimit]:
    """Return the utilization of the disk of the data directory; nothing if it cannot be read."""
    try:
        disk = shutil.disk_usage(data)
    except OSError:
        return []
    free = min(DISK_SHARE * disk.total, DISK_BYTES)
    # Reserved blocks are neither used nor free.
    size = disk.used + disk.free
    return [CapacityLimit("disk", disk.used, size, "bytes", warn_at=1.0 - free / max(1, size), when_full="grows")]
