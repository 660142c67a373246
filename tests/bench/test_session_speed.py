"""How one process bears thousands of MQTT sessions: time to connect and to return, cost of a sample. Prints a table.

Each pump has a session of its own and sends a sample a second as JSON with QoS 1; a sink counts what arrives.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from broker.mqtt.address import parse_url
from broker.mqtt.connection_limits import raise_open_files, shortage
from broker.mqtt.endpoint import free_port
from broker.mqtt.link import Message, Will
from broker.mqtt.stream_link import StreamLink
from tests.bench.test_wire_speed import cpu_s, memory_mb, part

SETTLE_S = 5.0
MEASURE_S = 20.0
PATIENCE_S = 300.0


@dataclass
class Sink:
    """Subscriber that notes how late each sample of one pump is, in ms."""

    ages_ms: list[float] = field(default_factory=list)

    def hear(self, message: Message) -> None:
        sent = message.payload.rpartition(b'"sent":')[2]
        self.ages_ms.append(time.time() * 1000 - int(sent[:13]))

    async def listen(self, url: str) -> StreamLink:
        link = StreamLink(parse_url(url), "sink", self.hear, lambda *_: None, lambda _: None, Will("sink", b""))
        await link.open()
        link.subscribe("itb/+/+/telemetry")
        return link


async def reported(log: Path, text: str) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while text not in log.read_text():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("sessions", [1000, 5000, 15_000])
async def test_a_session_for_each_pump(sessions: int, tmp_path: Path) -> None:
    raise_open_files()
    if too_few := shortage(sessions):
        pytest.skip(too_few)
    port, count, log = str(free_port()), str(sessions), tmp_path / "simulate.log"
    with part(tmp_path, "broker", "--anonymous", "--port", port) as (_, url):
        sink = Sink()
        link = await sink.listen(url)
        began = time.monotonic()
        fleet = ("simulate", "--broker", url, "--pumps", count, "--gateways", count, "--scenario", "none")
        running = part(tmp_path, *fleet)
        simulator, _ = await asyncio.to_thread(running.__enter__)
        connected_s = time.monotonic() - began
        await asyncio.sleep(SETTLE_S)
        sink.ages_ms.clear()
        used_s, began = cpu_s(simulator.pid), time.monotonic()
        await asyncio.sleep(MEASURE_S)
        used_s, took_s = cpu_s(simulator.pid) - used_s, time.monotonic() - began
        ages = np.percentile(sink.ages_ms, [50, 95, 99])
        heard = len(sink.ages_ms)
        await link.close()
    with part(tmp_path, "broker", "--anonymous", "--port", port):
        began = time.monotonic()
        await reported(log, "Reconnected to")
        returned_s, began = time.monotonic() - began, time.monotonic()
        megabytes = memory_mb(simulator.pid)
        running.__exit__(None, None, None)
        ended_s = time.monotonic() - began
    print(f"\n{sessions:,} sessions: connected in {connected_s:.1f} s, {heard / took_s:,.0f} samples/s, ", end="")
    print(f"{used_s / heard * 1e6:.0f} µs of the simulator a sample ({used_s / took_s:.0%} of a core)")
    print(f"  sent to sink p50/p95/p99 {ages[0]:.0f}/{ages[1]:.0f}/{ages[2]:.0f} ms; ", end="")
    print(f"all back {returned_s:.1f} s after the broker; ended in {ended_s:.1f} s; {megabytes:.0f} MB")
    assert simulator.returncode == 0
