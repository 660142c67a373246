"""Health of a cluster: its ranges and its nodes, as the merger sees them."""

from __future__ import annotations

import msgspec


class RangeHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One range of a cluster. `node` owns it under `epoch` since `since` (wall ms); "" and 0: nobody says so.

    `former` is the silent node that it was taken over from, "" if it was given back or is new. `shown_s` is for how
    long its snapshot has been the same, `gap_s` how long nothing new was shown at the last change of epoch that the
    merger saw (None: it saw none), `latency_ms` the p99 from gateway to snapshot. Of a range that is not `judged`
    nothing new is known.
    """

    number: int
    node: str = ""
    epoch: int = 0
    since: int = 0
    former: str = ""
    pumps: int = 0
    samples_per_s: float = 0.0
    latency_ms: float | None = None
    shown_s: float = 0.0
    gap_s: float | None = None
    connected: bool = False
    judged: bool = True


class NodeHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One node of a cluster, which started at `started` (wall ms) and last reported `silent_s` ago.

    It owns `ranges`, and the `merger` if it merges. `lost` counts leases that it could not renew, `taken_over` those
    that it took from silent nodes, `restarts` how often a service of it failed and was started again.
    """

    node: str
    started: int = 0
    silent_s: float = 0.0
    ranges: list[int] = []
    merger: bool = False
    lost: int = 0
    taken_over: int = 0
    restarts: int = 0
