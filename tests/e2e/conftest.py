"""A whole running system for the tests that follow one sample from the pump to the screen."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest

from broker.mqtt.endpoint import free_port
from broker.store import snapshot_files
from broker.store.snapshot import Snapshot

ROOT = Path(__file__).resolve().parents[2]
KEY = "end-to-end-key"
SPEED = 600
"""Ten therapy minutes a second: an hour's off-delay passes in six seconds."""
PATIENCE_S = 180.0


@dataclass
class System:
    """A running Pumpwatch: what its user can see and do."""

    data: Path
    address: str
    broker: str
    process: subprocess.Popen[str]
    log: Path

    @property
    def sign_in(self) -> str:
        return f"{self.address}/?key={KEY}"

    def look(self) -> Snapshot:
        """Return the latest snapshot, without what this machine itself suffers from: a disk, its clock, its load."""
        seen = snapshot_files.read(self.data / "snapshot")
        return dataclasses.replace(seen, alarms=seen.alarms.filter(pl.col("subject_kind") != "system"))

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "pumpwatch", *words, "--data", str(self.data)]
        return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    def wait_for(self, what: str, seen: Callable[[Snapshot], bool]) -> Snapshot:
        """Look again and again until it is seen; fail with the last snapshot and the log."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            now = self.look()
            if now.version and seen(now):
                return now
            time.sleep(0.1)
        now = self.look()
        raise AssertionError(
            f"not seen within {PATIENCE_S:g} s: {what}\n{now.alarms}\n{now.pumps}\n{now.health}\n{self.log.read_text()}"
        )

    def kill(self, part: str) -> int:
        """Kill a part as if it crashed; return the process id it had."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
                parent = (path.parent / "stat").read_text().rpartition(") ")[2].split()[1]
            except OSError:
                continue
            if parent == str(self.process.pid) and part.encode() in words:
                os.kill(int(path.parent.name), signal.SIGKILL)
                return int(path.parent.name)
        raise AssertionError(f"no {part} runs")

    def alarms(self) -> set[tuple[str, str]]:
        return pairs(self.look())


def pairs(now: Snapshot) -> set[tuple[str, str]]:
    """Return (pump, rule) of every alarm that people see."""
    return set(now.alarms.select("pump", "rule").iter_rows())


def warmed_up(now: Snapshot, pumps: int, samples: int = 40) -> bool:
    """Tell whether every pump was heard for 40 therapy minutes, so that what is usual for it is known."""
    return now.pumps.height == pumps and int(now.pumps.select(pl.col("samples").min()).item() or 0) >= samples


@contextmanager
def running(data: Path, *words: str) -> Iterator[System]:
    """Run `pumpwatch run` with three healthy pumps at high speed until the test is over."""
    log = data.with_suffix(".log")
    line = [
        sys.executable, "-m", "pumpwatch", "run", "--data", str(data), "--key", KEY, "--pumps", "3",
        "--scenario", "none", "--speed", str(SPEED), *words,
    ]  # fmt: skip
    with log.open("w") as out:
        process = subprocess.Popen(line, cwd=ROOT, stdout=out, stderr=out, text=True, start_new_session=True)
        try:
            yield _met(data, process, log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                # Four systems end at the same time on two cores; how fast one ends is a test of the supervisor.
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise


def _met(data: Path, process: subprocess.Popen[str], log: Path) -> System:
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and process.poll() is None:
        if (data / "run.json").exists() and snapshot_files.read(data / "snapshot").pumps.height == 3:
            note = json.loads((data / "run.json").read_text())
            return System(data, note["dashboard"].rstrip("/"), note["broker"], process, log)
        time.sleep(0.1)
    raise AssertionError(f"the system did not come up: {log.read_text()}")


@pytest.fixture(scope="module")
def system(mosquitto: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The whole system on a real Mosquitto, with a session for each pump; one for all tests of a file."""
    data = tmp_path_factory.mktemp("system") / "data"
    with running(data, "--broker", mosquitto, "--gateways", "3", "--port", str(free_port())) as found:
        yield found
