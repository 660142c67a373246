"""What durability costs: message log, history, checkpoint and restart, by the size of the fleet: prints a table.

CPU seconds, the median of three; samples as the simulator sends them, 100 gateways.
"""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
import pytest

from broker.contract.codec import encode_arrow
from broker.contract.gateway_messages import Birth
from broker.contract.messages import encode
from broker.contract.topics import topic_of
from broker.mqtt.link import Message
from broker.store.history import History
from processor.pipeline import Pipeline
from processor.service import checkpoint, recovery
from processor.service.guard import GuardedPipeline
from processor.service.message_log import MessageLog, Taken
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation

START_MS = 1_790_000_000_000
GATEWAYS, TICKS, RUNS = 100, 6, 3


@dataclass
class Fleet:
    """A simulated fleet that sends one sample a pump and tick."""

    pumps: int

    def __post_init__(self) -> None:
        self.simulation = Simulation(default(pumps=self.pumps, seed=1), start_ms=START_MS, on_wire=True)
        self.edges = np.linspace(0, self.pumps, GATEWAYS + 1).astype(int).tolist()

    def births(self) -> list[Message]:
        made = []
        for number, (first, end) in enumerate(zip(self.edges, self.edges[1:], strict=False)):
            name, pumps = f"gateway-{number:04d}", self.simulation.describe(range(first, end))
            birth = Birth(gateway=name, pumps=pumps, sent=START_MS, time=START_MS, speed=60.0)
            made.append(Message(topic_of(name, "birth"), encode(birth), 0, 1, retained=False))
        return made

    def tick(self, now: int) -> list[Message]:
        frame = self.simulation.tick().drop("index").with_columns(pl.lit(now).alias("sent"))
        parts = (frame[first:end] for first, end in zip(self.edges, self.edges[1:], strict=False))
        topics = (topic_of(f"gateway-{number:04d}", "telemetry") for number in range(GATEWAYS))
        return [
            Message(topic, encode_arrow(part), 0, 1, retained=False) for topic, part in zip(topics, parts, strict=True)
        ]


def cpu_s(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def size(*places: Path) -> float:
    """Return the megabytes of the files in these directories."""
    return sum(path.stat().st_size for place in places for path in place.rglob("*") if path.is_file()) / 1e6


@pytest.mark.parametrize("pumps", [10_000, 100_000, 1_000_000])
def test_what_durability_costs(tmp_path: Path, pumps: int) -> None:
    fleet, pipeline, now = Fleet(pumps), Pipeline(), START_MS
    pipeline.take(fleet.births(), now)
    log, history = MessageLog(tmp_path), History(tmp_path)
    logged, written = [], []
    for _ in range(TICKS):
        now += 1000
        messages = fleet.tick(now)
        samples = pipeline.take(messages, now).samples
        log.add(Taken(messages, now, listening=True, readings=None))
        logged.append(cpu_s(log.sync))
        written.append(cpu_s(lambda samples=samples, now=now: history.append(samples, now)))  # type: ignore[misc]
    log_mb, history_mb = log.bytes / TICKS / 1e6, history.bytes / TICKS / 1e6
    cuts, saves = [], []
    for run in range(RUNS):
        began = time.perf_counter()
        cut = recovery.cut(pipeline, log.begin())
        cuts.append(time.perf_counter() - began)
        saves.append(cpu_s(lambda cut=cut, run=run: checkpoint.save(tmp_path, cut, now + run)))  # type: ignore[misc]
    del cut
    log.forget(log.begin())
    messages = fleet.tick(now + 1000)
    log.add(Taken(messages, now + 1000, listening=True, readings=None))
    log.sync()
    del pipeline, samples
    gc.collect()
    began = time.perf_counter()
    restored = recovery.restore(tmp_path)
    restore_s = time.perf_counter() - began
    began, guarded = time.perf_counter(), GuardedPipeline(restored)
    for taken in log.read(0):
        recovery.replay(guarded, taken)
    replay_s = time.perf_counter() - began
    assert restored.registry.pumps == pumps
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    log_ms, history_ms = (median(times) / (pumps / 1e6) * 1e3 for times in (logged, written))
    print(f"\n{pumps:,} pumps (peak memory of this process, with the simulated fleet: {peak_mb:,.0f} MB)")
    print(f"  a million samples: message log {log_ms:,.0f} ms CPU and {log_mb / pumps * 1e6:,.0f} MB")
    print(f"                     history     {history_ms:,.0f} ms CPU and {history_mb / pumps * 1e6:,.0f} MB")
    print(f"  checkpoint: {median(saves) * 1e3:,.0f} ms CPU, {size(tmp_path / checkpoint.DIRECTORY):,.0f} MB")
    print(f"              judging waits {median(cuts) * 1e3:,.1f} ms")
    print(f"  restart: restored in {restore_s:,.1f} s, and {replay_s:,.2f} s for each second of the message log")
