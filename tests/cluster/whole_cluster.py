"""A cluster on this machine for tests: a NATS server, nodes, and simulated gateways, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl
import pytest

from broker.mqtt.endpoint import free_port
from broker.store import segments, snapshot_files
from broker.store.snapshot import Snapshot
from cluster import layout
from cluster.nats_server import Login, NatsError, Ports, find
from cluster.nats_service import NatsSettings
from pumpwatch.commands import cluster_broker

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 60.0
END_S: Final = 20.0


@dataclass
class Cluster:
    """What runs; `data` is the shared directory."""

    folder: Path
    ranges: int
    nats: NatsSettings
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a command of Pumpwatch; its output goes to a file."""
        variables = {
            **os.environ,
            "PUMPWATCH_BROKER": self.nats.mqtt_url,
            "PUMPWATCH_CLUSTER": self.nats.cluster_url,
            "POLARS_MAX_THREADS": "1",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            line = [sys.executable, "-m", "pumpwatch", *words]
            process = subprocess.Popen(line, cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True)
        self.processes[name] = process
        return process

    def start_nats(self) -> None:
        words = cluster_broker.ClusterBroker(self.nats).flags
        self.start("nats", "broker", *words, "--data", str(self.data))
        self.wait_for("the server", lambda: "READY broker" in self.log("nats"))

    def start_node(self, name: str, *more: str) -> None:
        words = cluster_broker.ClusterBroker(self.nats).node_flags
        self.start(name, "process", *words, "--data", str(self.data), *more)

    def start_simulator(self, *words: str) -> None:
        # A data directory of its own, as on another machine, but for the keys that sign commands.
        self.start("simulator", "simulate", "--data", str(self.data), *words)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_for(self, what: str, seen: Callable[[], bool], patience_s: float = PATIENCE_S) -> float:
        """Wait until something is seen; return how long that took (s), or fail with the logs."""
        began = time.monotonic()
        while not seen():
            if time.monotonic() - began > patience_s:
                logs = "\n".join(f"--- {name}\n{self.log(name)[-3000:]}" for name in self.processes)
                raise AssertionError(f"not seen within {patience_s:g} s: {what}\n{logs}")
            time.sleep(0.05)
        return time.monotonic() - began

    def epochs(self) -> list[int]:
        """Return the latest epoch of each range, 0 if it has none."""
        return [max(layout.epochs(self.data, number), default=0) for number in range(self.ranges)]

    def snapshot(self, number: int) -> Snapshot:
        """Return the snapshot of the latest epoch of a range."""
        return snapshot_files.read(layout.epoch_directory(self.data, number, self.epochs()[number]) / "snapshot")

    def merged(self) -> Snapshot:
        """Return the snapshot that dashboards read."""
        return snapshot_files.read(self.data / "snapshot")

    def samples(self, pump: str) -> pl.DataFrame:
        """Return the history of a pump."""
        return segments.trend(self.data, pump, 0)

    def owner_of(self, names: list[str], number: int, epoch: int) -> str:
        """Return the node that runs a range in an epoch."""
        mark = f"range {number:02d} runs as epoch {epoch} "
        return next(name for name in names if mark in self.log(name))

    def end(self) -> None:
        """End everything, the servers last."""
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(END_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(END_S)


@contextlib.contextmanager
def cluster(folder: Path, ranges: int) -> Iterator[Cluster]:
    """Yield a cluster with a server and no nodes; everything ends with the context."""
    if os.environ.get("CI") != "true":
        pytest.importorskip("nats", reason="nats-py is not installed")
        try:
            find()
        except NatsError as error:
            pytest.skip(str(error))
    ports = Ports(*(free_port("127.0.0.1") for _ in range(3)))
    planned = cluster_broker.plan(folder / "data", ports, ranges)
    login = Login(planned.settings.login.user, planned.settings.login.password)
    found = Cluster(folder, ranges, NatsSettings(planned.settings.directory, ports, login, ranges))
    try:
        found.start_nats()
        yield found
    finally:
        found.end()
