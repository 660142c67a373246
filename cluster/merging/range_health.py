"""Health of one range of a cluster: what its processor shows, who owns it, and how long it took to be replaced."""

from __future__ import annotations

from collections.abc import Mapping

from broker.store.cluster_health import RangeHealth
from broker.store.snapshot import Snapshot
from cluster.merging.stale import Watch
from cluster.node_reports import Held


def of(
    number: int,
    shown: Snapshot,
    watch: Watch,
    owned: Mapping[int, tuple[str, Held]],
    now_s: float,
    *,
    judged: bool,
) -> RangeHealth:
    """Return the health of a range as of `now_s`, the merger's own clock; `owned` is what the nodes report."""
    health = shown.health
    node, lease = owned.get(number, ("", Held(number, 0, 0)))
    return RangeHealth(
        number=number,
        node=node,
        epoch=lease.epoch,
        since=lease.since,
        former=lease.former,
        pumps=shown.table.height,
        samples_per_s=health.samples_per_s,
        latency_ms=health.latency_ms.get("p99"),
        shown_s=watch.unchanged_s(number, now_s),
        gap_s=watch.gaps_s.get(number),
        connected=health.connected,
        judged=judged,
    )
