"""This file lists everything in the processor that has a limit: how full it is, and what happens when it is full."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from broker.store.history import ROLLUP_SHARE
from broker.store.snapshot import CapacityLimit
from processor.engine.sequence import MAX_GAPS
from processor.intake.message_queue import Intake
from processor.intake.quarantine import MAX_UNWRITTEN
from processor.intake.registry import MAX_GATEWAYS, MAX_PUMPS
from processor.pipeline import Pipeline
from processor.service.store import JOURNAL_BYTES, MAX_ENTRIES, Store
from processor.watch.cohort_comparison import MAX_COHORTS

DISK_SHARE: Final = 0.05
DISK_BYTES: Final = 2 * 1024**3
"""A disk is nearly full when less than this share, or than so much, is left, whichever is less; modelling choice."""


def every(
    intake: Intake, store: Store, pipeline: Pipeline, *, receive_maximum: int, max_rows: int
) -> list[CapacityLimit]:
    """Return every bound of the processor as it is now; a row here is all that another one takes."""
    history, quarantine, registry = store.history, pipeline.quarantine, pipeline.registry
    size, rollups, gaps = history.max_bytes, history.max_bytes // ROLLUP_SHARE, pipeline.gaps
    cohorts = pipeline.cohorts
    return [
        CapacityLimit("messages waiting", intake.waiting_bytes, intake.max_bytes, "bytes", intake.overflows, 0.9),
        CapacityLimit("messages unacknowledged", intake.unacknowledged, receive_maximum, "messages", warn_at=0.95),
        CapacityLimit("samples not yet written", store.rows, max_rows, "samples"),
        CapacityLimit("journal entries not yet written", store.entries, MAX_ENTRIES, "entries", store.entries_dropped, 0.5,
              "thrown away"),
        CapacityLimit("refusals not yet written", quarantine.unwritten, MAX_UNWRITTEN, "refusals",
              quarantine.unwritten_dropped, 0.5, "thrown away"),
        CapacityLimit("history on disk", history.bytes, size, "bytes", history.removed, None, "oldest goes"),
        CapacityLimit("roll-ups on disk", history.rollup_bytes, rollups, "bytes", history.rollups_removed, None, "oldest goes"),
        CapacityLimit("journal on disk", store.journal_bytes, JOURNAL_BYTES, "bytes",
              int(store.journal_bytes > JOURNAL_BYTES), 0.9, "grows"),
        CapacityLimit("quarantine file", quarantine.bytes, quarantine.max_bytes, "bytes", quarantine.turned_over, None,
              "oldest goes"),
        CapacityLimit("pumps known", registry.pumps, MAX_PUMPS, "pumps", registry.turned_away, 0.9, "refused pumps"),
        CapacityLimit("gateways known", len(registry.gateways), MAX_GATEWAYS, "gateways", warn_at=0.9),
        CapacityLimit("gaps remembered", gaps.open.height, MAX_GAPS, "gaps", gaps.forgotten, 0.9, "oldest goes"),
        CapacityLimit("cohorts judged of a kind", cohorts.most, MAX_COHORTS, "cohorts", cohorts.left_out),
        *_disk(store.data),
    ]  # fmt: skip


def _disk(data: Path) -> list[CapacityLimit]:
    """Return how full the disk under the data directory is; nothing where it does not tell."""
    try:
        disk = shutil.disk_usage(data)
    except OSError:
        return []
    left = min(DISK_SHARE * disk.total, DISK_BYTES)
    # What is reserved for others is neither used nor free.
    room = disk.used + disk.free
    return [CapacityLimit("disk", disk.used, room, "bytes", warn_at=1.0 - left / max(1, room), when_full="grows")]
