"""Nodes of a cluster are killed and suspended at random; alarms and history are those of a calm single machine.

`CLUSTER_BLOWS` is how often; each takes some fifteen seconds. Prints how long each range was not judged.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import polars as pl

from broker.store import snapshot_files
from tests.cluster.whole_cluster import Cluster, cluster

BLOWS: Final = int(os.environ.get("CLUSTER_BLOWS", "20"))
SEED: Final = int(os.environ.get("CLUSTER_SEED", "17"))
RANGES: Final = 4
PUMPS: Final = 12
NODES: Final = ("one", "two")
SPEED: Final = 60
SCENARIO: Final = """
pumps = 12
days = 90
interval = "60s"
seed = 17
start = 2026-01-05T00:00:00Z

[[fault]]
name = "motor_stall"
pumps = "5"
at = "10m"
severity = 1.0

[[fault]]
name = "battery_drop"
pumps = "2"
at = "15m"
severity = 1.0

[[fault]]
name = "catheter_occlusion"
pumps = "7"
at = "20m"
severity = 1.0
"""
OF_THE_WIRE: Final = ("pump_silent", "gateway_silent", "samples_lost")
"""Rules about what does not arrive for a while by wall clock: a node that is down for seconds is an hour of therapy."""
LAST_FAULT: Final = 90
"""Samples of a pump after which all faults of the scenario have their alarm."""


def about_pumps(alarms: pl.DataFrame) -> set[str]:
    """Return pump and rule of the alarms that faults of pumps raise.

    Not the onset: of a node that was suspended, samples come late, which may move it by a window of five minutes.
    """
    found = alarms.filter(pl.col("subject_kind") == "pump", ~pl.col("rule").is_in(OF_THE_WIRE))
    return set(found.select(pl.format("{}/{}", "pump", "rule")).to_series())


def heard(system: Cluster) -> int:
    """Return how many samples the pump that is furthest behind has sent, 0 if a pump is unknown."""
    counts = [
        count for number in range(RANGES) for count in system.snapshot(number).pumps["seq"].to_list()
    ]  # fmt: skip
    return min(count or 0 for count in counts) if len(counts) == PUMPS else 0


def strike(system: Cluster, name: str, chance: random.Random) -> str:
    """Kill a node, which is then started again, or suspend it for a while; return what was done."""
    process = system.processes[name]
    if chance.random() < 0.5:
        process.kill()
        process.wait()
        time.sleep(chance.uniform(0, 3))
        system.start_node(name)
        return "killed"
    for_s = chance.uniform(1, 12)
    process.send_signal(signal.SIGSTOP)
    time.sleep(for_s)
    process.send_signal(signal.SIGCONT)
    return f"suspended for {for_s:.0f} s"


def calm(broker: str, data: Path, scenario: Path) -> set[str]:
    """Return the alarms of the same fleet on a single processor with Mosquitto."""
    where = ("--broker", broker, "--data", str(data))
    fleet = ("--scenario", str(scenario), "--gateways", str(PUMPS), "--speed", str(SPEED))
    data.mkdir()
    with contextlib.ExitStack() as stack:
        for words in (("process",), ("simulate", *fleet)):
            log = stack.enter_context((data / f"{words[0]}.log").open("wb"))
            line = [sys.executable, "-m", "pumpwatch", *words, *where]
            process = stack.enter_context(subprocess.Popen(line, stdout=log, stderr=log))
            stack.callback(process.terminate)
            while f"READY {words[0]}".encode()[:9] not in (data / f"{words[0]}.log").read_bytes():
                time.sleep(0.1)
        until = time.monotonic() + 4 * LAST_FAULT
        while time.monotonic() < until:
            now = snapshot_files.read(data / "snapshot")
            if now.pumps.height == PUMPS and int(now.pumps["seq"].min() or 0) > LAST_FAULT:
                return about_pumps(now.alarms)
            time.sleep(0.2)
    raise AssertionError((data / "process.log").read_text())


def test_blows_leave_the_same_alarms_and_every_sample_once(mosquitto: str, tmp_path: Path) -> None:
    scenario, chance, gaps = tmp_path / "faults.toml", random.Random(SEED), []
    scenario.write_text(SCENARIO)
    with cluster(tmp_path, RANGES) as system:
        for name in NODES:
            system.start_node(name)
        system.wait_for("all ranges", lambda: "READY" in system.log("one") + system.log("two"))
        system.start_simulator("--scenario", str(scenario), "--gateways", str(PUMPS), "--speed", str(SPEED))
        system.wait_for("all pumps", lambda: heard(system) > 3)
        for blow in range(BLOWS):
            name, before, began = chance.choice(NODES), heard(system), time.monotonic()
            what = strike(system, name, chance)
            system.wait_for("samples of all pumps", lambda before=before: heard(system) > before + 10)
            gaps.append(time.monotonic() - began)
            print(f"{blow + 1}: node {name} {what}; all pumps judged again after {gaps[-1]:.1f} s", flush=True)
        system.wait_for("the last fault", lambda: heard(system) > LAST_FAULT, patience_s=4 * LAST_FAULT)
        system.wait_for("alarms in the merged snapshot", lambda: len(about_pumps(system.merged().alarms)) > 1)
        # Before the gateways end: alarms about pumps that are gone end as well.
        found: set[str] = set().union(*(about_pumps(system.snapshot(number).alarms) for number in range(RANGES)))
        for name in ("simulator", *NODES):
            system.processes[name].terminate()
            system.processes[name].wait(60)
        for pump in range(PUMPS):
            kept = system.samples(f"ITB-{pump:06d}")
            assert kept["seq"].to_list() == list(range(1, kept.height + 1)), pump
        assert sum(system.snapshot(number).health.lost for number in range(RANGES)) == 0
        print(f"longest {max(gaps):.1f} s; epochs {system.epochs()}")

    single = calm(mosquitto, tmp_path / "calm", scenario)
    print(f"alarms: {sorted(found)}; of a single machine: {sorted(single)}")
    assert found == single
