"""Throughput of 1, 2 and 4 nodes, each held to a share of a core, and what a sample costs on the way and on disk.

Prints tables; asserts no times. `SCALE_CORES` is what each node gets, `SCALE_SECONDS` how long each row is measured,
`SCALE_PUMPS` how many samples a second are offered: more than the nodes can take, or the row says so.
"""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from broker.store.range_directories import sources
from tests.bench import held
from tests.cluster.whole_cluster import Cluster, cluster

SECONDS: Final = float(os.environ.get("SCALE_SECONDS", "60"))
CORES: Final = float(os.environ.get("SCALE_CORES", "0.4"))
PUMPS: Final = int(os.environ.get("SCALE_PUMPS", "60000"))
NODES: Final = tuple(int(each) for each in os.environ.get("SCALE_NODES", "1,2,4").split(","))
RANGES: Final = 4
SATURATED: Final = 0.95
"""Below this share of the CPU that it may use, a node had nothing to do for some time."""


@dataclass(frozen=True)
class Moment:
    """What was done up to a moment: samples judged, CPU time of nodes and server (s), bytes written by nodes."""

    at_s: float
    samples: int
    nodes_s: float
    server_s: float
    written: int


def written(pid: int) -> int:
    """Return the bytes that a process has written to files."""
    lines = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(lines["write_bytes"])


def moment(found: Cluster, names: list[str]) -> Moment:
    pids = [found.processes[name].pid for name in names]
    return Moment(
        time.monotonic(),
        sum(found.snapshot(number).health.samples for number in range(found.ranges)),
        sum(map(held.cpu_s, pids)),
        sum(map(held.cpu_s, children(found.processes["nats"].pid))),
        sum(map(written, pids)),
    )


def children(pid: int) -> list[int]:
    """Return the children of a process: `pumpwatch broker` starts the server."""
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def bytes_under(data: Path, name: str) -> int:
    """Return the size of a directory in the latest epoch of every range."""
    return sum(path.stat().st_size for source in sources(data) for path in (source / name).rglob("*") if path.is_file())


def measured(folder: Path, count: int) -> tuple[Moment, Moment, float]:
    """Run so many nodes under load; return two moments, and bytes per sample of the history."""
    names = [f"node-{number}" for number in range(count)]
    with contextlib.ExitStack() as stack:
        groups = [stack.enter_context(held.group(CORES)) for _ in names]
        found = stack.enter_context(cluster(folder, RANGES))
        for name, group in zip(names, groups, strict=True):
            # Held once it is connected: the start of Python is not what is measured.
            found.start_node(name)
            found.wait_for("the node", lambda name=name: "READY processor" in found.log(name))
            held.hold(group, found.processes[name].pid)
        found.wait_for("all ranges", lambda: min(found.epochs()) > 0)
        load = (
            "--pumps",
            str(PUMPS),
            "--gateways",
            str(max(RANGES, PUMPS // 1000)),
            "--speed",
            "60",
            "--interval",
            "60",
        )
        found.start_simulator(*load)
        found.wait_for("samples", lambda: all(found.snapshot(each).health.samples for each in range(RANGES)), 120)
        time.sleep(SECONDS / 4)
        before = moment(found, names)
        time.sleep(SECONDS)
        after = moment(found, names)
        history = bytes_under(found.data, "history") / max(1, after.samples)
        return before, after, history


def test_throughput_per_node(tmp_path: Path) -> None:
    try:
        with held.group(CORES):
            pass
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    print(f"\n{CORES:g} cores a node, {PUMPS:,} samples/s offered, {RANGES} ranges, {SECONDS:g} s a row")
    print(
        f"{'nodes':>6} {'samples/s':>10} {'per node':>9} {'efficiency':>10} {'us CPU a sample':>16} "
        f"{'server us':>10} {'B written':>10} {'B history':>10} {'saturated':>10}"
    )
    first = 0.0
    for count in NODES:
        before, after, history = measured(tmp_path / f"{count}", count)
        took_s, samples = after.at_s - before.at_s, max(1, after.samples - before.samples)
        used_s, each = after.nodes_s - before.nodes_s, samples / took_s / count
        first = first or each
        saturated = "yes" if used_s >= SATURATED * CORES * count * took_s else "no"
        # Of nodes that had nothing to do, the samples offered say how many they took.
        efficiency = f"{each / first:.0%}" if saturated == "yes" else "-"
        print(
            f"{count:>6} {samples / took_s:>10,.0f} {each:>9,.0f} {efficiency:>10} "
            f"{1e6 * used_s / samples:>16.2f} {1e6 * (after.server_s - before.server_s) / samples:>10.2f} "
            f"{(after.written - before.written) / samples:>10.1f} {history:>10.1f} {saturated:>10}"
        )
        assert after.samples > before.samples, "nothing was judged"
