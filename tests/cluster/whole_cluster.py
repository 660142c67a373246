"""A cluster on this machine for tests: NATS servers, nodes, and simulated gateways, each a process of its own."""

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

from broker.store import segments, snapshot_files
from broker.store.snapshot import Snapshot
from cluster import layout
from cluster.nats_server import NatsError, find
from pumpwatch.commands import cluster_broker

ROOT: Final = Path(__file__).resolve().parents[2]
PATIENCE_S: Final = 60.0
END_S: Final = 20.0


@dataclass
class Cluster:
    """What runs; `data` is the shared directory."""

    folder: Path
    ranges: int
    servers: cluster_broker.ClusterBroker
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a command of Pumpwatch; its output goes to a file."""
        variables = {
            **os.environ,
            "PUMPWATCH_BROKER": self.servers.url(""),
            **self.servers.variables_of_nodes(),
            "POLARS_MAX_THREADS": "1",
        }
        with (self.folder / f"{name}.log").open("ab") as log:
            line = [sys.executable, "-m", "pumpwatch", *words]
            process = subprocess.Popen(line, cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True)
        self.processes[name] = process
        return process

    @property
    def server_names(self) -> list[str]:
        """Return the names of the servers' processes: "nats", or "nats-1" and so on."""
        several = self.servers.others
        return [f"nats-{place}" if several else "nats" for place in range(1, 2 + len(several))]

    def start_nats(self, *names: str) -> None:
        """Start these servers, or all of them."""
        for name, settings in zip(self.server_names, self.servers.servers, strict=True):
            if not names or name in names:
                words = cluster_broker.flags_of(settings)
                known = self.log(name).count("READY broker") if (self.folder / f"{name}.log").exists() else 0
                self.start(name, "broker", *words, "--data", str(self.data))
                self.wait_for("the server", lambda name=name, known=known: self.log(name).count("READY broker") > known)

    def start_node(self, name: str, *more: str) -> None:
        self.start(name, "process", *self.servers.node_flags, "--data", str(self.data), *more)

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
def cluster(folder: Path, ranges: int, servers: int = 1) -> Iterator[Cluster]:
    """Yield a cluster with its servers and no nodes; everything ends with the context."""
    if os.environ.get("CI") != "true":
        pytest.importorskip("nats", reason="nats-py is not installed")
        try:
            find()
        except NatsError as error:
            pytest.skip(str(error))
    planned = cluster_broker.plan_several(folder / "data", *cluster_broker.free_ports(servers), ranges)
    found = Cluster(folder, ranges, planned)
    try:
        found.start_nats()
        yield found
    finally:
        found.end()
