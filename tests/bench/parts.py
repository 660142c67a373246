"""The real parts of Pumpwatch as processes, and what each of them costs: for benchmarks of the whole chain."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil

from broker.store import snapshot_files
from broker.store.snapshot import Health

READY_S: Final = 120.0
END_S: Final = 60.0
MB: Final = 1024 * 1024


@dataclass(frozen=True)
class Usage:
    """Processor seconds that a part has used so far, and its memory now."""

    cpu_s: float
    memory_mb: float


@dataclass(frozen=True)
class Ending:
    """How long a part took to end after it was told to, and whether it had to be killed."""

    took_s: float
    killed: bool


@dataclass
class Parts:
    """Parts on one data directory and a broker of their own; those that still run are ended at the end.

    `access` are the options of the broker. Unless it is anonymous, the parts find their logins in the data directory.
    """

    data: Path
    port: int
    access: tuple[str, ...] = ("--anonymous",)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Parts:
        self.start("broker", "broker", "--kind", "mosquitto", "--port", str(self.port), *self.access)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in ("simulator", "dashboard", "processor", *self._running):
            self.end(name)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self, name: str, *arguments: str, ready: bool = True) -> None:
        """Start a part by its command and arguments; wait until it is ready."""
        given = name != "broker" and "--anonymous" in self.access
        address = ["--broker", self.url] if given else []
        command = [sys.executable, "-m", "pumpwatch", *arguments, *address, "--data", str(self.data)]
        with self._log(name).open("ab") as log:
            written = log.tell()
            self._running[name] = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + READY_S
        while ready and f"READY {name}".encode() not in self._log(name).read_bytes()[written:]:
            assert self._running[name].poll() is None, self.log(name)
            assert time.monotonic() < deadline, self.log(name)
            time.sleep(0.05)

    def process(self) -> None:
        self.start("processor", "process")

    def simulate(self, pumps: int, gateways: int, *arguments: str) -> None:
        self.start(
            "simulator", "simulate", "--pumps", str(pumps), "--gateways", str(gateways), *arguments
        )  # fmt: skip

    def end(self, name: str) -> Ending:
        """End a part as Ctrl-C does."""
        process = self._running.pop(name, None)
        if process is None:
            return Ending(0.0, killed=False)
        began, killed = time.monotonic(), False
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            killed = True
            process.kill()
            process.wait()
        return Ending(time.monotonic() - began, killed)

    def usage(self) -> dict[str, Usage]:
        """Return what each part has used, with the processes that it started."""
        return {name: _usage(psutil.Process(process.pid)) for name, process in self._running.items()}

    def health(self) -> Health:
        """Return the health of the latest snapshot."""
        return snapshot_files.read(self.data / "snapshot").health

    def log(self, name: str) -> str:
        """Return what a part wrote."""
        return self._log(name).read_text()

    def _log(self, name: str) -> Path:
        return self.data / f"{name}.log"


def _usage(process: psutil.Process) -> Usage:
    cpu_s = memory = 0.0
    for each in (process, *process.children(recursive=True)):
        times = each.cpu_times()
        cpu_s += times.user + times.system
        memory += each.memory_info().rss
    return Usage(cpu_s, memory / MB)


@dataclass(frozen=True)
class Measured:
    """A time of a running chain: samples that were taken, latency, and the cost of each part."""

    seconds: float
    samples: int
    health: Health
    cores: Mapping[str, float]
    memory_mb: Mapping[str, float]

    @property
    def per_s(self) -> float:
        return self.samples / self.seconds

    @property
    def per_core_s(self) -> float:
        """Samples per second and core of all parts together."""
        return self.per_s / sum(self.cores.values())

    def table(self) -> str:
        """Return the figures as lines of a table."""
        latency, health = self.health.latency_ms, self.health
        p50, p95, p99 = (latency.get(name, 0.0) / 1000.0 for name in ("p50", "p95", "p99"))
        lines = [
            (f"{self.per_s:,.0f}", f"samples/s over {self.seconds:.0f} s, {self.per_core_s:,.0f} a core second"),
            ("latency", f"p50 {p50:.2f} s, p95 {p95:.2f} s, p99 {p99:.2f} s"),
            (
                "lost",
                f"{health.lost:,}; late {health.late:,}, repeated {health.repeated:,}, rejected {health.refused:,}",
            ),
            *((name, _cost(self.cores[name], self.memory_mb[name])) for name in self.cores),
            ("together", _cost(sum(self.cores.values()), sum(self.memory_mb.values()))),
        ]
        return "\n".join(f"{name:>22}  {text}" for name, text in lines)


def _cost(cores: float, memory_mb: float) -> str:
    return f"{100 * cores:5.0f} % of a core {memory_mb:8,.0f} MB"


def measure(parts: Parts, seconds: float) -> Measured:
    """Let the parts run for a while; return what they did in it, and the most memory that each had."""
    before, counted, began = parts.usage(), parts.health().samples, time.monotonic()
    most = {name: used.memory_mb for name, used in before.items()}
    while (left := began + seconds - time.monotonic()) > 0:
        time.sleep(min(1.0, left))
        most = {name: max(most[name], used.memory_mb) for name, used in parts.usage().items()}
    took, after, health = time.monotonic() - began, parts.usage(), parts.health()
    cores = {name: (after[name].cpu_s - before[name].cpu_s) / took for name in before}
    return Measured(took, health.samples - counted, health, cores, most)
