"""JSON messages of one sample each that wait in the broker, into one processor; beside it Node-RED and plain Python.

All wait in a real Mosquitto for two clients with persistent sessions. The processor writes history and checkpoints and
acknowledges what is durable; Node-RED acknowledges what arrives. Prints a table; asserts that nothing is lost, and no
times. On a machine with other work, processor time says more than elapsed time.
"""

from __future__ import annotations

import json
import statistics
import time
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from broker.store import snapshot_files
from broker.store.snapshot import Health
from tests.bench import node_red
from tests.bench.six_rules import Pump, judge
from tests.bench.test_wire_speed import cpu_s, part
from tests.bench.waiting_messages import Telemetry, one_sample_each, publish, wait

SIZES: Final = ((1_000, 300), (15_000, 20))
"""Pumps, and samples of each."""
RUNS: Final = 3
PATIENCE_S: Final = 180.0


@dataclass(frozen=True)
class Taken:
    """How long the messages of a run took: elapsed, processor time of the receiver, and that of the broker (s)."""

    elapsed_s: float
    receiver_s: float
    broker_s: float


def processed(data: Path, broker: int, url: str, messages: int) -> Taken:
    with part(data, "process", "--broker", url) as (process, _):
        began, used, brokers = time.monotonic(), cpu_s(process.pid), cpu_s(broker)
        for _ in wait(PATIENCE_S, f"{messages:,} messages were not acknowledged"):
            health = snapshot_files.read(data / "snapshot").health
            if health.samples >= messages and not unacknowledged(health):
                break
        taken = Taken(time.monotonic() - began, cpu_s(process.pid) - used, cpu_s(broker) - brokers)
    assert (health.samples, health.lost, health.refused, health.reconnects) == (messages, 0, 0, 0)
    return taken


def unacknowledged(health: Health) -> float:
    return next(bound.value for bound in health.bounds if bound.name == "messages unacknowledged")


def in_node_red(directory: Path, broker: int, port: int, messages: int, pumps: int) -> Taken:
    with node_red.running(directory, port, messages) as process:
        node_red.read_until(process, "FIRST")
        began, used, brokers = time.monotonic(), cpu_s(process.pid), cpu_s(broker)
        node_red.read_until(process, f"LAST {pumps}")
        return Taken(time.monotonic() - began, cpu_s(process.pid) - used, cpu_s(broker) - brokers)


def in_plain_python(messages: list[Telemetry]) -> Taken:
    began, used = time.perf_counter(), time.process_time()
    pumps: dict[str, Pump] = {}
    for message in messages:
        row = json.loads(message.payload)
        pump = pumps.get(row["pump"])
        if pump is None:
            pump = pumps[row["pump"]] = Pump()
        judge(pump, row)
    return Taken(time.perf_counter() - began, time.process_time() - used, 0.0)


def subscribed(data: Path, peer: Path | None, url: str, messages: int) -> None:
    """Let both clients subscribe and go away."""
    with part(data, "process", "--broker", url):
        pass
    if peer is not None:
        port = urlsplit(url).port or 0
        with node_red.running(peer, port, messages) as process:
            node_red.read_until(process, "Connected to broker")
            time.sleep(1.0)
            # Asked to stop, it unsubscribes.
            process.kill()


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    directory = tmp_path_factory.mktemp("node-red")
    return directory, node_red.installed(directory)


@pytest.mark.parametrize(("pumps", "ticks"), SIZES)
def test_waiting_json_messages(pumps: int, ticks: int, peer: tuple[Path, str], tmp_path: Path) -> None:
    messages = one_sample_each(pumps, ticks, time.time_ns() // 1_000_000)
    directory, peer_version = peer
    with_peer = not peer_version.startswith("(")
    names = ["processor", f"Node-RED {peer_version}", "plain Python, no MQTT"]
    taken: dict[str, list[Taken]] = {name: [] for name in names}
    for run in range(RUNS):
        data = tmp_path / str(run)
        data.mkdir()
        with ExitStack() as stack:
            broker, url = stack.enter_context(part(data, "broker", "--anonymous", "--port", "0"))
            subscribed(data, directory if with_peer else None, url, len(messages))
            place = urlsplit(url)
            publish(place.hostname or "", place.port or 0, messages)
            taken[names[0]].append(processed(data, broker.pid, url, len(messages)))
            if with_peer:
                taken[names[1]].append(in_node_red(directory, broker.pid, place.port or 0, len(messages), pumps))
        taken[names[2]].append(in_plain_python(messages))
    show(taken, len(messages), pumps)


def show(taken: dict[str, list[Taken]], messages: int, pumps: int) -> None:
    size = f"{pumps:,} pumps, each a gateway of its own, {messages:,} messages of one sample, median of {RUNS} runs"
    libraries = ", ".join(f"{name} {version(name)}" for name in ("paho-mqtt", "msgspec", "polars"))
    print(f"\n{size}\n{libraries}")
    print(f"{'':>30} {'messages/s':>12} {'a core':>12} {'µs':>8} {'broker, µs':>12}")
    for name, runs in taken.items():
        if not runs:
            print(f"{name:>30}")
            continue
        rate = messages / statistics.median(each.elapsed_s for each in runs)
        receiver_us, broker_us = (
            statistics.median(of) * 1e6 / messages
            for of in ([each.receiver_s for each in runs], [each.broker_s for each in runs])
        )
        print(f"{name:>30} {rate:>12,.0f} {1e6 / receiver_us:>12,.0f} {receiver_us:>8.1f} {broker_us:>12.1f}")
