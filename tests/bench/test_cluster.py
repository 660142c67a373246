"""The log of a cluster: frames a second into JetStream, synced or not, with one server and with three.

Prints tables; asserts no times. `CLUSTER_SECONDS` is how long each row lasts. The servers and the one that sends share
this machine, so three servers take three times the disk and the cores of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from broker.contract.codec import encode_arrow, encode_json
from broker.mqtt.local_broker import free_port
from cluster.nats_server import find
from simulator.playback.scenario import default
from simulator.playback.simulation import Simulation
from tests.server_process import running

SECONDS: Final = float(os.environ.get("CLUSTER_SECONDS", "10"))
PUMPS: Final = 1000
"""Pumps per gateway, so samples per frame."""
IN_FLIGHT: Final = 64
"""Frames that were sent and not yet acknowledged."""
STREAM: Final = "telemetry"


def frame() -> pl.DataFrame:
    """Return one sample of each pump of a simulated gateway, some minutes into its run."""
    fleet = Simulation(default(pumps=PUMPS, interval_s=60, seed=1), start_ms=1_767_225_600_000, boot=1)
    for _ in range(10):
        samples = fleet.tick()
    return samples.drop("index").with_columns(pl.lit(1_790_000_000_000, pl.Int64).alias("sent"))


@contextlib.contextmanager
def servers(folder: Path, count: int, sync: str) -> Iterator[str]:
    """Run a cluster of servers on this machine; yield the address of one."""
    clients, routes = [free_port() for _ in range(count)], [free_port() for _ in range(count)]
    with contextlib.ExitStack() as stack:
        for number, (client, route) in enumerate(zip(clients, routes, strict=True)):
            place = folder / f"{sync}-{count}-{number}"
            place.mkdir(parents=True)
            others = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
            cluster = f"cluster {{ name: bench, listen: 127.0.0.1:{route}, routes: [{others}] }}"
            config = place / "nats.conf"
            config.write_text(
                f"server_name: n{number}\nlisten: 127.0.0.1:{client}\n"
                f"jetstream {{ store_dir: {json.dumps(str(place / 'store'))}, sync_interval: {sync} }}\n"
                + (cluster if count > 1 else "")
            )
            stack.enter_context(running([str(find()), "-c", str(config)], client, place / "nats.log"))
        yield f"nats://127.0.0.1:{clients[0]}"


async def frames_per_s(url: str, replicas: int, payload: bytes) -> tuple[float, float]:
    """Publish frames for `SECONDS`, then read them all; return frames/s in and out."""
    import nats
    from nats.errors import TimeoutError as NoAnswerError
    from nats.js.api import StorageType
    from nats.js.errors import APIError

    connection = await nats.connect(url)
    context = connection.jetstream(timeout=30)
    until = time.monotonic() + 30
    while True:
        # Three servers elect a leader first; until then they do not answer.
        try:
            await connection.jetstream(timeout=2).add_stream(
                name=STREAM, subjects=["itb.*.*.telemetry"], storage=StorageType.FILE, num_replicas=replicas
            )
            break
        except (APIError, NoAnswerError):
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.2)
    sent, began = 0, time.monotonic()

    async def sender(shard: int) -> None:
        nonlocal sent
        while time.monotonic() - began < SECONDS:
            await context.publish(f"itb.{shard:02d}.gate-{shard}.telemetry", payload)
            sent += 1

    await asyncio.gather(*(sender(shard) for shard in range(IN_FLIGHT)))
    written_s = time.monotonic() - began
    reader = await context.pull_subscribe("itb.*.*.telemetry", durable="reader")
    read, began = 0, time.monotonic()
    while read < sent:
        for message in await reader.fetch(min(20, sent - read), timeout=30):
            await message.ack()
            read += 1
    out = read / (time.monotonic() - began)
    await connection.close()
    return sent / written_s, out


def test_cluster_log(tmp_path: Path) -> None:
    pytest.importorskip("nats", reason="nats-py is not installed")
    samples = frame()
    arrow, text = encode_arrow(samples), encode_json(samples)
    print(f"\nBytes per sample on the wire, {PUMPS:,} samples a frame")
    print(f"{'Arrow':>12} {len(arrow) / PUMPS:>8.1f}\n{'JSON':>12} {len(text) / PUMPS:>8.1f}")
    print(f"\n{'servers':>12} {'sync':>8} {'frames/s in':>12} {'samples/s in':>14} {'MB/s':>8} {'samples/s out':>14}")
    for count in (1, 3):
        for sync in ("2m", "always"):
            with servers(tmp_path, count, sync) as url:
                came, went = asyncio.run(frames_per_s(url, count, arrow))
            megabytes = came * len(arrow) / 1e6
            print(
                f"{count:>12} {sync:>8} {came:>12,.0f} {came * PUMPS:>14,.0f} {megabytes:>8,.1f} {went * PUMPS:>14,.0f}"
            )
