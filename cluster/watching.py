"""Watching a node: its metrics with those of its processors and of the merger, and its report for the dashboards."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from broker.metrics.readings import Reading, Vitals
from cluster import node_reports
from cluster.leases import MERGER
from cluster.node import Node
from cluster.node_reports import Held, NodeReport

log = logging.getLogger("node")

INTERVAL_S: Final = 2.0
"""How often processors are read and the report is written; what /metrics says of processors is as old as this."""


@dataclass
class NodeWatch:
    """Reads a node every `INTERVAL_S`, in a thread: a directory that does not answer must not hold up the leases.

    `vitals` are what the node serves, `merger` those of the merger while it runs here; `failures` counts steps
    that failed.
    """

    node: Node
    vitals: Vitals
    merger: Vitals
    wall_ms: Callable[[], int]
    failures: int = 0
    _started: int = field(init=False)
    _beat: int = 0
    _since: dict[int, tuple[int, int]] = field(default_factory=dict)
    _of_ranges: list[Reading] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._started = self.wall_ms()
        self.vitals.read = self.read

    async def run(self, stop: asyncio.Event) -> None:
        """Watch until `stop`, then take the report away: the node ends as it should."""
        while not stop.is_set():
            running = self.running()
            # A processor that starts has no beat yet; one that stands still makes the node one that does.
            self.vitals.beat = min((one.beat for one in running.values() if one.beat is not None), default=None)
            await asyncio.to_thread(self.step, running)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), INTERVAL_S)
        await asyncio.to_thread(node_reports.remove, self.node.data, self.node.leases.node)

    def step(self, running: Mapping[int, Vitals]) -> None:
        """Read these processors and the merger once, and write the report; the first failure is logged."""
        try:
            found = [each for number, vitals in running.items() for each in _of_range(number, vitals)]
            self._of_ranges = [*found, *self.merger.read()]
            node_reports.write(self.node.data, self.report())
        # Whatever a processor that is just ending answers, the others are still to be watched.
        except Exception as error:  # noqa: BLE001
            self.failures += 1
            if self.failures == 1:
                log.warning("this node cannot be watched: %r; trying again every %g s", error, INTERVAL_S)

    def report(self) -> NodeReport:
        """Return what the node says about itself now."""
        held, self._beat = [], self._beat + 1
        leases = list(self.node.leases.held.values())
        for lease in leases:
            epoch, since = self._since.get(lease.number, (0, 0))
            if epoch != lease.epoch:
                since = self.wall_ms()
            self._since[lease.number] = lease.epoch, since
            if lease.number != MERGER:
                held.append(Held(lease.number, lease.epoch, since, lease.former))
        return NodeReport(
            node=self.node.leases.node,
            started=self._started,
            at=self.wall_ms(),
            beat=self._beat,
            held=sorted(held, key=lambda one: one.number),
            merger=any(lease.number == MERGER for lease in leases),
            lost=self.node.lost,
            taken_over=self.node.leases.taken_over,
            restarts=self.node.restarts,
        )

    def read(self) -> Iterator[Reading]:
        """Yield the readings of now, those of processors and merger as of the latest step."""
        node, leases = self.node, self.node.leases
        ranges = [lease for number, lease in leases.held.items() if number != MERGER]
        yield Reading("pumpwatch_node_info", 1.0, (leases.node,))
        yield Reading("pumpwatch_node_nodes", node.live)
        yield Reading("pumpwatch_node_leases_held", len(ranges))
        yield Reading("pumpwatch_node_leases_lost_total", node.lost)
        yield Reading("pumpwatch_node_takeovers_total", leases.taken_over)
        yield Reading("pumpwatch_node_restarts_total", node.restarts)
        yield Reading("pumpwatch_node_servers_reachable", float(not node.problems()))
        yield Reading("pumpwatch_merger_active", float(MERGER in leases.held))
        for lease in ranges:
            name = f"{lease.number:02d}"
            yield Reading("pumpwatch_node_lease_epoch", lease.epoch, range=name)
            epoch, since = self._since.get(lease.number, (0, 0))
            if epoch == lease.epoch:
                yield Reading("pumpwatch_node_lease_since_timestamp_seconds", since / 1000, range=name)
        yield from self._of_ranges

    def running(self) -> dict[int, Vitals]:
        """Return what the processors that run on the node tell, by range; to be called by the node's own thread."""
        vitals = self.node.vitals
        return {number: vitals[number] for number in self.node.running if number in vitals}


def _of_range(number: int, vitals: Vitals) -> Iterator[Reading]:
    ready = Reading("pumpwatch_ready", float(not vitals.problems()), (vitals.part,))
    return (replace(reading, range=f"{number:02d}") for reading in (ready, *vitals.read()))
