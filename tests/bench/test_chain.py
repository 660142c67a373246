"""The whole chain at scale: samples a second, latency, and what each part costs. Prints tables; asserts no times.

Every part is a process of its own on this machine, with history and checkpoints. `CHAIN_SECONDS` is how long a run
lasts once it is steady, `CHAIN_PUMPS` how many pumps the large fleets have.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import pytest

from broker.contract.codec import encode_arrow
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.signals import SAMPLE_SCHEMA
from broker.contract.topics import topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from broker.store import snapshot_files
from tests.bench.parts import Measured, Parts, measure

SECONDS: Final = float(os.environ.get("CHAIN_SECONDS", "60"))
PUMPS: Final = int(os.environ.get("CHAIN_PUMPS", "1000000"))
SETTLE_S: Final = 20.0
"""Until births and first windows are over."""
BACKLOG: Final = 40_000
MINUTE_MS: Final = 60_000


def steady(parts: Parts, pumps: int, gateways: int, *, seconds: float = SECONDS) -> Measured:
    """Run a fleet with one sample per pump and second, one pump in a thousand faulty, until it is measured."""
    parts.process()
    parts.simulate(pumps, gateways, "--scenario", "million")
    time.sleep(SETTLE_S)
    return measure(parts, seconds)


@pytest.mark.parametrize("gateways", [1000, 64])
def test_chain_of_a_million_pumps(tmp_path: Path, free_port: int, gateways: int) -> None:
    with Parts(tmp_path, free_port) as parts:
        found = steady(parts, PUMPS, gateways)
        print(f"\n{PUMPS:,} pumps on {gateways} gateways, Arrow, a sample a second each")
        print(found.table())
        began = time.monotonic()
        ended = parts.end("processor")
        parts.process()
        ready_s = time.monotonic() - began - ended.took_s
        print(f"{'restart':>22} ended in {ended.took_s:.1f} s, ready again {ready_s:.1f} s later")
        time.sleep(SETTLE_S)
        again = parts.health()
        behind_s = again.latency_ms.get("p50", 0.0) / 1000
        print(f"{again.samples:>22,} samples in the next {SETTLE_S:.0f} s, {again.lost:,} lost, p50 {behind_s:.1f} s")
        endings = {name: parts.end(name) for name in ("simulator", "processor", "broker")}
        print(f"{'Ctrl-C':>22} " + ", ".join(f"{name} {each.took_s:.1f} s" for name, each in endings.items()))
        assert not any(each.killed for each in endings.values())
        assert again.lost == 0


def test_chain_with_a_backlog(tmp_path: Path, free_port: int) -> None:
    """One pump delivers 40,000 samples in one message while 10,000 others go on."""
    with Parts(tmp_path, free_port) as parts:
        calm = steady(parts, 10_000, 10)
        began = time.monotonic()
        send(parts.url, "late", backlog("LATE-1", calm.health.therapy_ms))
        worst, judged = 0.0, 0
        while judged < BACKLOG and time.monotonic() - began < 600:
            time.sleep(0.1)
            shown = snapshot_files.read(tmp_path / "snapshot")
            worst = max(worst, shown.health.latency_ms.get("p99", 0.0))
            judged = shown.pumps.filter(pl.col("pump") == "LATE-1")["samples"].sum()
        print(f"\n{BACKLOG:,} samples of one pump beside 10,000 pumps that go on")
        print(f"{'judged':>22} {judged:,} in {time.monotonic() - began:.1f} s")
        print(
            f"{'others, p99':>22} {calm.health.latency_ms['p99'] / 1000:.2f} s before, {worst / 1000:.2f} s meanwhile"
        )
        assert judged == BACKLOG


def test_chain_from_one_pump_to_a_million(tmp_path: Path, free_port: int) -> None:
    rows = []
    for pumps in (1, 200, 1_000, 10_000, 100_000, PUMPS):
        data = tmp_path / str(pumps)
        data.mkdir()
        with Parts(data, free_port) as parts:
            found = steady(parts, pumps, max(1, min(1000, pumps // 25)), seconds=min(SECONDS, 30))
            p99 = found.health.latency_ms.get("p99", 0.0) / 1000
            rows.append((pumps, sum(found.cores.values()), sum(found.memory_mb.values()), p99))
    print(f"\n{'pumps':>12} {'cores':>8} {'MB':>8} {'p99, s':>8}")
    for pumps, cores, memory, p99 in rows:
        print(f"{pumps:>12,} {cores:>8.2f} {memory:>8,.0f} {p99:>8.2f}")
    large = np.log([row for row in rows if row[0] >= 10_000])
    for at, name in enumerate(("cores", "MB", "p99"), start=1):
        print(f"{name:>12} grows with pumps to the power of {np.polyfit(large[:, 0], large[:, at], 1)[0]:.2f}")


def backlog(pump: str, until_ms: int) -> pl.DataFrame:
    times = until_ms - MINUTE_MS * np.arange(BACKLOG)[::-1]
    known = {"pump": pl.lit(pump), "time": pl.Series(times), "seq": pl.Series(np.arange(BACKLOG)), "boot": pl.lit(1)}
    steady_flow = {"commanded_ul_h": 8.0, "motor_ul_h": 8.0, "flow_ul_h": 8.0, "reservoir_ml": 15.0, "battery_v": 3.0}
    values = known | {name: pl.lit(value) for name, value in steady_flow.items()}
    return pl.select(pl.int_range(BACKLOG)).select(
        values.get(name, pl.lit(None)).cast(dtype).alias(name) for name, dtype in SAMPLE_SCHEMA.items()
    )


def send(url: str, gateway: str, samples: pl.DataFrame) -> None:
    """Announce a gateway and deliver these samples in one message."""

    async def deliver() -> None:
        link = Link(parse_url(url), f"bench-{gateway}")
        await link.open()
        newest = int(samples["time"][-1])
        now = time.time_ns() // 1_000_000
        born = Birth(
            gateway=gateway,
            pumps=Pumps(serial=samples["pump"].unique().to_list()),
            sent=now,
            time=newest,
            speed=60.0,
            interval_s=60.0,
        )
        link.publish(topic_of(gateway, "birth"), encode(born), retain=True)
        link.publish(topic_of(gateway, "telemetry"), encode_arrow(samples))
        await asyncio.sleep(1)
        await link.close()

    asyncio.run(deliver())
