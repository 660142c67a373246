"""What each hop of the processor costs, by the size of the fleet: a table of CPU time per million samples.

One process does one after the other what the processor does beside each other: four batches a second, two snapshots,
message log and history each second, a checkpoint every 20 s. `HOP_SECONDS` is how many seconds of telemetry are taken.
Whether memory grows shows with some hundreds of them.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil
import pytest

from broker.mqtt.link import Message
from processor.pipeline import Pipeline
from processor.service import checkpoint, recovery
from processor.service.loop import MAX_THIN_WAVES, WATCH_INTERVAL_MS
from processor.service.message_log import MessageLog, Taken
from processor.service.metering import Meter
from processor.service.snapshots import SnapshotPublisher
from processor.service.store import Store
from tests.bench.test_durability_speed import START_MS, Fleet

SECONDS: Final = int(os.environ.get("HOP_SECONDS", "20"))
WARM_UP: Final = 6
"""Seconds that are not counted: the first windows, in which nothing is known yet."""
BATCHES: Final = 4
CHECKPOINT_EVERY: Final = 20


@dataclass
class Hops:
    """A processor taken apart in the directory `data`; `spent_s` is CPU time by hop."""

    data: Path
    pipeline: Pipeline = field(default_factory=Pipeline)
    spent_s: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    samples: int = 0

    def __post_init__(self) -> None:
        self.pipeline.backlog.max_thin_waves, self.pipeline.watching.interval_ms = MAX_THIN_WAVES, WATCH_INTERVAL_MS
        self.store, self.log = Store(self.data, 2 * 1024**3), MessageLog(self.data)
        self.meter = Meter(started=START_MS, broker="none")
        self.snapshots = SnapshotPublisher(self.data / "snapshot", self.pipeline)

    @contextlib.contextmanager
    def hop(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        self.spent_s[name] += time.process_time() - began

    def take(self, messages: list[Message], now: int) -> None:
        """Take a batch through the pipeline; its result waits to be written."""
        marks = [time.process_time()]

        def mark() -> None:
            marks.append(time.process_time())

        frames = self.pipeline.inbox.decode(messages)
        mark()
        self.pipeline.on_decoded = mark
        result = self.pipeline.take(messages, now, decoded=frames)
        mark()
        names = ("decode", "number, clocks, join", "judge, watch, alarms")
        for name, (began, ended) in zip(names, itertools.pairwise(marks), strict=True):
            self.spent_s[name] += ended - began
        self.meter.count(result.samples)
        self.store.add(result)
        self.log.add(Taken(messages, now, listening=True, readings=None))
        self.samples += result.samples.height

    def show(self, now: int) -> None:
        with self.hop("snapshot: alarms"):
            health = self.meter.health(now, self.pipeline, [], protocol="none", connected=True)
            self.snapshots.write(self.snapshots.make(health, now))
        self.meter.shown(now, self.meter.take_unseen())
        for thread in threading.enumerate():
            if thread.name == "pump table":
                with self.hop("snapshot: values, forecasts"):
                    thread.join()

    def write(self, now: int) -> None:
        with self.hop("message log"):
            self.log.sync()
        with self.hop("history, journal"):
            self.store.write(now)

    def save(self, now: int) -> None:
        with self.hop("checkpoint"):
            cut = recovery.cut(self.pipeline, self.log.begin())
            checkpoint.save(self.data, cut, now)
            self.log.forget(cut.log)


@pytest.mark.parametrize("pumps", [10_000, 300_000, 1_000_000])
def test_what_each_hop_costs(tmp_path: Path, pumps: int) -> None:
    fleet, hops = Fleet(pumps), Hops(tmp_path)
    hops.pipeline.take(fleet.births(), START_MS)
    resident_mb: list[float] = []
    for second in range(WARM_UP + SECONDS):
        if second == WARM_UP:
            hops.spent_s.clear()
            hops.samples = 0
        now = START_MS + 1000 * (second + 1)
        messages = fleet.tick(now)
        for quarter in range(BATCHES):
            first, end = (len(messages) * part // BATCHES for part in (quarter, quarter + 1))
            hops.take(messages[first:end], now + 1000 // BATCHES * quarter)
            if quarter % 2:
                hops.show(now)
        hops.write(now)
        resident_mb.append(psutil.Process().memory_info().rss / 1e6)
        if (second + 1 - WARM_UP) % CHECKPOINT_EVERY == 0 and second >= WARM_UP:
            hops.save(now)
    per_million = {name: spent_s / hops.samples * 1e9 for name, spent_s in hops.spent_s.items()}
    state, facts = hops.pipeline.state, hops.pipeline.registry.facts()
    print(f"\n{pumps:,} pumps: ms of CPU time per million samples")
    for name, spent_ms in per_million.items():
        print(f"{name:>30} {spent_ms:>8,.0f}")
    print(f"{'together':>30} {sum(per_million.values()):>8,.0f}: {1e9 / sum(per_million.values()):,.0f} a core second")
    state_bytes, facts_bytes = (frame.estimated_size() / pumps for frame in (state, facts))
    print(f"{'state':>30} {state_bytes:>8,.0f} bytes a pump; facts {facts_bytes:,.0f}")
    counted = resident_mb[WARM_UP:]
    thirds = (counted[at * len(counted) // 3 : (at + 1) * len(counted) // 3] for at in range(3))
    medians = ", ".join(f"{statistics.median(third):,.0f}" for third in thirds if third)
    print(f"{'resident, simulator included':>30} {medians} MB: medians of the three thirds of the run")
    assert hops.samples == SECONDS * pumps
