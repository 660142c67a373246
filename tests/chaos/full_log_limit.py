"""A full log of a cluster: a stranger that never fetches its messages fills it, and gateways keep what is refused."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import nats
import polars as pl

from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from cluster.log_limit import STREAM
from tests.cluster.whole_cluster import Cluster, cluster

RANGES: Final = 2
PUMPS: Final = 8
LIMIT: Final = 200_000
SCENARIO: Final = f"""
pumps = {PUMPS}
days = 90
interval = "60s"
seed = 17
start = 2026-01-05T00:00:00Z
"""


def heard(system: Cluster) -> int:
    """Return how many samples the pump that is furthest behind has sent, 0 if a pump is unknown."""
    counts = [count for number in range(RANGES) for count in system.snapshot(number).pumps["seq"].to_list()]
    return min(count or 0 for count in counts) if len(counts) == PUMPS else 0


def alarms(system: Cluster) -> list[str]:
    """Return the states of the alarms about a full log."""
    found = system.merged().alarms.filter(pl.col("rule") == "cluster_log_full")
    return ["open" if returned is None else "over" for returned in found["returned"]]


async def asked(system: Cluster, what: str, config: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask the server about the stream of messages, or change it."""
    client = await nats.connect(system.servers.settings.cluster_url)
    try:
        body = b"" if config is None else json.dumps(config).encode()
        answer = await client.request(f"$JS.API.STREAM.{what}.{STREAM}", body, timeout=5)
        found: dict[str, Any] = json.loads(answer.data)
        assert "error" not in found, found
        return found
    finally:
        await client.close()


async def test_a_full_log_is_an_alarm_and_gateways_keep_what_it_refuses(tmp_path: Path) -> None:
    scenario = tmp_path / "calm.toml"
    scenario.write_text(SCENARIO)
    with cluster(tmp_path, RANGES) as system:
        system.start_node("one")
        system.wait_for("all ranges", lambda: "READY" in system.log("one"), 120)
        system.start_simulator("--scenario", str(scenario), "--gateways", str(PUMPS), "--speed", "120")
        system.wait_for("all pumps", lambda: heard(system) > 3, 120)
        config = (await asked(system, "INFO"))["config"]
        assert config["discard"] == "new"
        assert 0 < config["max_bytes"] < 8 * 1024**3
        await asked(system, "UPDATE", config | {"max_bytes": LIMIT})

        stranger = Link(parse_url(system.servers.url("")), "stranger", persistent=True)
        await stranger.open()
        stranger.subscribe("itb/+/+/telemetry")
        assert not stranger.refused.is_set()
        await stranger.close()
        system.wait_for("the alarm", lambda: alarms(system) == ["open"], 180)
        system.wait_for("a message that is refused", lambda: "maximum bytes exceeded" in system.log("nats"), 180)

        state = (await asked(system, "INFO"))["state"]
        assert state["bytes"] <= LIMIT
        stranger.persistent = False
        await stranger.open()
        await stranger.close()
        before = heard(system)
        took_s = system.wait_for("samples of all pumps", lambda: heard(system) > before + 20, 180)
        print(f"goes on {took_s:.1f} s after the log has room again; epochs {system.epochs()}")
        async with asyncio.timeout(300):
            while (await asked(system, "INFO"))["state"]["bytes"] > LIMIT / 2:
                await asyncio.sleep(1)
        system.wait_for("the end of the alarm", lambda: "open" not in alarms(system), 180)
        assert system.processes["simulator"].poll() is None, system.log("simulator")[-3000:]
        system.end()
        for pump in range(PUMPS):
            kept = system.samples(f"ITB-{pump:06d}")
            assert kept["seq"].to_list() == list(range(1, kept.height + 1)), pump
        assert sum(system.snapshot(number).health.lost for number in range(RANGES)) == 0
