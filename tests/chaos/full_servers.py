"""Three NATS servers: one is killed, one loses its disk, all lose what they stored; every sample is kept once."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.cluster.whole_cluster import Cluster, cluster

RANGES: Final = 2
PUMPS: Final = 8
NODES: Final = ("one", "two")
SPEED: Final = 60
SCENARIO: Final = f"""
pumps = {PUMPS}
days = 90
interval = "60s"
seed = 17
start = 2026-01-05T00:00:00Z
"""
PATIENCE_S: Final = 120.0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[Cluster]:
    """Three servers and two nodes that judge the samples of all pumps."""
    scenario = tmp_path / "calm.toml"
    scenario.write_text(SCENARIO)
    with cluster(tmp_path, RANGES, servers=3) as found:
        for name in NODES:
            found.start_node(name)
        found.wait_for("all ranges", lambda: all("READY" in found.log(name) for name in NODES), PATIENCE_S)
        found.start_simulator("--scenario", str(scenario), "--gateways", str(PUMPS), "--speed", str(SPEED))
        # A gateway that has not heard a confirmation yet trusts the servers.
        found.wait_for("all pumps", lambda: heard(found) > 15, PATIENCE_S)
        yield found


def heard(system: Cluster) -> int:
    """Return how many samples the pump that is furthest behind has sent, 0 if a pump is unknown."""
    counts = [count for number in range(RANGES) for count in system.snapshot(number).pumps["seq"].to_list()]
    return min(count or 0 for count in counts) if len(counts) == PUMPS else 0


def goes_on(system: Cluster, what: str) -> float:
    """Wait until new samples of all pumps are judged; return how long that took (s)."""
    before = max(heard(system), 1)
    took_s = system.wait_for(what, lambda: heard(system) > before + 5, PATIENCE_S)
    print(f"{what}: samples of all pumps after {took_s:.1f} s; epochs {system.epochs()}", flush=True)
    return took_s


def all_is_kept(system: Cluster) -> None:
    """End the system and compare the history with what the gateways sent."""
    system.end()
    for pump in range(PUMPS):
        kept = system.samples(f"ITB-{pump:06d}")
        assert kept["seq"].to_list() == list(range(1, kept.height + 1)), pump
    assert sum(system.snapshot(number).health.lost for number in range(RANGES)) == 0


def kill(system: Cluster, *names: str) -> None:
    """Kill servers, each with the process that runs it: none can end anything in order."""
    for name in names:
        process = system.processes[name]
        process.kill()
        process.wait()


def asked(system: Cluster, number: int, path: str) -> Any:
    """Return what the monitoring port of a server says."""
    port = system.servers.servers[number].ports.monitor
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return json.load(answer)


def copies(system: Cluster, number: int) -> set[str]:
    """Return the streams of which a server has a complete copy, as their leaders say."""
    me, found = system.servers.servers[number].name, set()
    for each, settings in enumerate(system.servers.servers):
        with contextlib.suppress(OSError):
            for account in asked(system, each, "/jsz?streams=true&accounts=true").get("account_details") or ():
                for stream in account.get("stream_detail") or ():
                    peers = stream["cluster"].get("replicas") or ()
                    if stream["cluster"].get("leader") == settings.name and (
                        settings.name == me or any(peer["name"] == me and peer["current"] for peer in peers)
                    ):
                        found.add(stream["name"])
    return found


def test_one_of_three_servers_is_killed_and_everything_goes_on(system: Cluster) -> None:
    for name in system.server_names:
        kill(system, name)
        goes_on(system, f"{name} killed")
        system.start_nats(name)
        goes_on(system, f"{name} started again")
    all_is_kept(system)


def test_a_server_that_lost_its_disk_rejoins_and_its_copies_catch_up(system: Cluster) -> None:
    streams = {"KV_pumpwatch-leases", "$MQTT_msgs", "$MQTT_sess", "$MQTT_rmsgs"}
    system.wait_for("all copies", lambda: copies(system, 1) >= streams)
    kill(system, "nats-2")
    shutil.rmtree(system.servers.servers[1].directory / "store")
    goes_on(system, "nats-2 lost its disk")
    system.start_nats("nats-2")
    took_s = system.wait_for("all copies", lambda: copies(system, 1) >= streams, PATIENCE_S)
    print(f"copies again after {took_s:.1f} s")
    # Only the new copies make up a majority with the server that is left.
    kill(system, "nats-1")
    goes_on(system, "nats-1 killed")
    all_is_kept(system)


def test_all_servers_lose_what_they_stored_in_the_last_seconds(system: Cluster, tmp_path: Path) -> None:
    names, stores = system.server_names, [each.directory / "store" for each in system.servers.servers]
    kill(system, *names)
    for number, store in enumerate(stores):
        shutil.copytree(store, tmp_path / f"older-{number}")
    system.start_nats()
    goes_on(system, "all servers were down")
    time.sleep(8)
    kill(system, *names)
    for number, store in enumerate(stores):
        shutil.rmtree(store)
        (tmp_path / f"older-{number}").rename(store)
    before = system.epochs()
    system.start_nats()
    goes_on(system, "all servers have stores of some seconds ago")
    assert all(now >= then for now, then in zip(system.epochs(), before, strict=True))
    all_is_kept(system)


def test_all_servers_lose_their_disks_at_once(system: Cluster) -> None:
    before = system.epochs()
    kill(system, *system.server_names)
    for each in system.servers.servers:
        shutil.rmtree(each.directory / "store")
    system.start_nats()
    goes_on(system, "all servers lost their disks")
    assert all(now > then for now, then in zip(system.epochs(), before, strict=True))
    system.start_node("three")
    system.wait_for("a node that joins", lambda: "READY" in system.log("three"), PATIENCE_S)
    all_is_kept(system)
