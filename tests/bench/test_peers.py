"""Peers in one run: the same JSON samples wait in Mosquitto for ours, plain Python, river and Node-RED, in turn.

How fast a backlog is taken in is the rate at the knee; processor time per million samples says what it costs. Writes
docs/benchmarks.md with versions and a plot; asserts that nobody loses a message, and no times.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench import node_red
from tests.bench.peers_page import Peer, page, plot
from tests.bench.test_json_speed import Taken, in_node_red, processed
from tests.bench.test_wire_speed import cpu_s, part
from tests.bench.waiting_messages import one_sample_each, publish

PUMPS, TICKS, RUNS = 1_000, 100, 3
PATHWAY_PYTHON = os.environ.get("PATHWAY_PYTHON", "")
"""A Python that has pathway, which needs more than a hundred packages that Pumpwatch does not."""
PATHWAY_STARTS_S = 12.0
DOCS = Path(__file__).resolve().parents[2] / "docs"


@contextmanager
def python_peer(how: str, port: int, messages: int):
    command = [sys.executable, "-m", "tests.bench.peer_python", how]
    if how == "pathway":
        command = [PATHWAY_PYTHON, "-m", "tests.bench.peer_pathway"]
    process = subprocess.Popen([*command, str(port), str(messages)], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(15)
        if process.stdout is not None:
            process.stdout.close()


def in_python(how: str, broker: int, port: int, messages: int) -> Taken:
    with python_peer(how, port, messages) as process:
        node_red.read_until(process, "FIRST")
        began, used, brokers = time.monotonic(), cpu_s(process.pid), cpu_s(broker)
        node_red.read_until(process, "LAST")
        return Taken(time.monotonic() - began, cpu_s(process.pid) - used, cpu_s(broker) - brokers)


def test_peers_take_in_the_same_samples(tmp_path: Path) -> None:
    messages = one_sample_each(PUMPS, TICKS, time.time_ns() // 1_000_000)
    directory = tmp_path / "node-red"
    directory.mkdir()
    node_version = node_red.installed(directory)
    count = len(messages)
    peers: dict[str, tuple[str, str, Callable[[Path, int, str, int], Taken] | None]] = {
        "Pumpwatch": (
            f"polars {version('polars')}",
            "`pumpwatch process`: all rules, history, journal and snapshots; acknowledges what is on disk",
            processed_at,
        ),
        "aiomqtt, plain Python": (
            f"aiomqtt {version('aiomqtt')}, Python {sys.version.split()[0]}",
            "`tests/bench/peer_python.py`: json, the six rules as plain Python; acknowledges what arrives",
            lambda _, broker, __, port: in_python("plain", broker, port, count),
        ),
        "river": (
            f"river {version('river')}" if importlib.util.find_spec("river") else "not installed",
            "as plain Python, with six Page-Hinkley detectors for each pump instead of the rules",
            (lambda _, broker, __, port: in_python("river", broker, port, count))
            if importlib.util.find_spec("river")
            else None,
        ),
        "Pathway": (
            pathway_version(),
            "in a Python of its own (`PATHWAY_PYTHON`): its MQTT connector, and the six rules in a stateful reducer",
            (lambda _, broker, __, port: in_python("pathway", broker, port, count)) if PATHWAY_PYTHON else None,
        ),
        "Node-RED": (
            node_version,
            "from npm; mqtt in, json, a function node with the six rules; acknowledges what arrives",
            None
            if node_version.startswith("(")
            else lambda _, broker, __, port: in_node_red(directory, broker, port, count, PUMPS),
        ),
    }
    taken: dict[str, list[Taken]] = {name: [] for name in peers}
    for run in range(RUNS):
        for name, (_, _, measure) in peers.items():
            if measure is None:
                continue
            data = tmp_path / f"{run}-{name.partition(' ')[0].strip(',')}"
            data.mkdir()
            with ExitStack() as stack:
                broker, url = stack.enter_context(part(data, "broker", "--anonymous", "--port", "0"))
                port = urlsplit(url).port or 0
                subscribe(name, data, directory, url, count)
                publish("127.0.0.1", port, messages)
                taken[name].append(measure(data, broker.pid, url, port))
    rows = [
        Peer(
            name,
            *peers[name][:2],
            rate=count / statistics.median(each.elapsed_s for each in runs) if runs else None,
            cpu_s=1e6 / count * statistics.median(each.receiver_s for each in runs) if runs else None,
        )
        for name, runs in taken.items()
    ]
    (DOCS / "images").mkdir(exist_ok=True)
    (DOCS / "images" / "benchmarks.svg").write_text(plot(rows), "utf-8")
    (DOCS / "benchmarks.md").write_text(page(rows, PUMPS, count, RUNS, os.cpu_count() or 1), "utf-8")
    print("\n" + page(rows, PUMPS, count, RUNS, os.cpu_count() or 1))


def pathway_version() -> str:
    if not PATHWAY_PYTHON:
        return "not installed"
    command = [PATHWAY_PYTHON, "-c", "from importlib.metadata import version; print(version('pathway'))"]
    return f"pathway {subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()}"


def processed_at(data: Path, broker: int, url: str, _port: int) -> Taken:
    return processed(data, broker, url, PUMPS * TICKS)


def subscribe(name: str, data: Path, directory: Path, url: str, count: int) -> None:
    """Let a peer subscribe with a session that the broker keeps, and go away."""
    port = urlsplit(url).port or 0
    if name == "Pumpwatch":
        with part(data, "process", "--broker", url):
            return
    if name == "Node-RED":
        with node_red.running(directory, port, count) as process:
            node_red.read_until(process, "Connected to broker")
            time.sleep(1.0)
            process.kill()  # Asked to stop, it unsubscribes.
        return
    if name == "Pathway":
        with python_peer("pathway", port, count):
            time.sleep(PATHWAY_STARTS_S)  # it does not say when it has subscribed
        return
    with python_peer("river" if name == "river" else "plain", port, count) as process:
        node_red.read_until(process, "CONNECTED")
