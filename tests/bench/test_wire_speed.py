"""How the whole chain bears fleets of growing size on one machine: processor use, latency, loss. Prints a table.

Every pump sends once a second through gateways of 1,000; all traffic is on loopback and ends by itself.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.store import snapshot_files

ROOT = Path(__file__).resolve().parents[2]
SETTLE_S = 15.0
MEASURE_S = 30.0
TICKS_A_S = os.sysconf("SC_CLK_TCK")


@contextmanager
def part(data: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    line = [sys.executable, "-m", "pumpwatch", *words, "--data", str(data)]
    with (data / f"{words[0]}.log").open("w") as log:
        process = subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            ready = process.stdout.readline().split(maxsplit=2)
            assert ready[:1] == ["READY"], (data / f"{words[0]}.log").read_text()
            yield process, ready[2].strip()
        finally:
            process.terminate()
            process.wait(15)
            if process.stdout is not None:
                process.stdout.close()


def cpu_s(pid: int) -> float:
    """Return the processor seconds of a process and its children so far."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / TICKS_A_S
    return total


def memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.parametrize("pumps", [200, 10_000, 100_000])
def test_a_fleet_that_sends_once_a_second(pumps: int, tmp_path: Path) -> None:
    gateways = max(1, pumps // 1000)
    with (
        part(tmp_path, "broker", "--port", "0") as (broker, url),
        part(tmp_path, "process", "--broker", url) as (processor, _),
        part(tmp_path, "dashboard", "--broker", url, "--port", "18950") as (dashboard, _),
        part(tmp_path, "simulate", "--broker", url, "--pumps", str(pumps), "--gateways", str(gateways)) as (fleet, _),
    ):
        parts = {"broker": broker, "processor": processor, "dashboard": dashboard, "simulator": fleet}
        time.sleep(SETTLE_S)
        before, then = snapshot_files.read(tmp_path / "snapshot").health, time.monotonic()
        used = {name: cpu_s(process.pid) for name, process in parts.items()}
        time.sleep(MEASURE_S)
        after, took = snapshot_files.read(tmp_path / "snapshot").health, time.monotonic() - then
        used = {name: (cpu_s(process.pid) - used[name]) / took for name, process in parts.items()}
        print(f"\n{pumps:,} pumps, {gateways} gateways, {(after.samples - before.samples) / took:,.0f} samples/s")
        print(f"  sent to snapshot: {after.latency_ms} ms; lost {after.lost}; refused {after.refused}")
        for name, process in parts.items():
            print(f"  {name:<10} {used[name]:>6.1%} of a core, {memory_mb(process.pid):>7.0f} MB")
        assert after.samples > before.samples
        assert after.lost == 0
        assert after.refused == 0
