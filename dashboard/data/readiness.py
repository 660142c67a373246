"""Readiness of the dashboard: why what pages show is no picture of the fleet, as codes, and its metrics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broker.metrics.readings import Reading
from broker.metrics.readings import disk as disk_of
from dashboard.data.live import MIN_FREE_BYTES, Live

STALE_MS: Final = 15_000
"""A snapshot older than this is no picture of the fleet."""


def problems(live: Live, data: Path) -> list[str]:
    """Return the codes of what keeps the dashboard of a data directory from being useful."""
    snapshot, beat = live.snapshot(), live.beat()
    codes = []
    if not snapshot.version:
        codes.append("snapshot_missing")
    elif beat["age_ms"] is None or beat["age_ms"] > STALE_MS:
        codes.append("snapshot_stale")
    if snapshot.version and not snapshot.health.connected:
        codes.append("broker_away")
    if live.failing:
        codes.append("snapshot_unreadable")
    if disk_of(data)[0] < MIN_FREE_BYTES:
        codes.append("disk_full")
    return sorted(codes)


def read(live: Live) -> Iterator[Reading]:
    """Yield the readings of what pages show."""
    yield Reading("pumpwatch_dashboard_snapshots_total", live.count)
    age_ms = live.beat()["age_ms"]
    if age_ms is not None:
        yield Reading("pumpwatch_dashboard_snapshot_age_seconds", age_ms / 1000)
