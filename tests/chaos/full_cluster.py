"""Parts of a cluster are killed and suspended at 5,000 samples a second: no loss, and the alarms of a calm run.

Nodes, the NATS server, the dashboard and processes with gateways are hit at random. `CLUSTER_BLOWS` is how often, each
takes some fifteen seconds; `CLUSTER_SEED` chooses others. Prints for how long samples waited to be judged.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Final

from tests.cluster.whole_cluster import cluster

from .cluster_blows import BlownCluster
from .failure_injection import operate
from .telemetry_feed import Run
from .verdict import judge, undisturbed

BLOWS: Final = int(os.environ.get("CLUSTER_BLOWS", "20"))
SEED: Final = int(os.environ.get("CLUSTER_SEED", "17"))
PUMPS: Final = int(os.environ.get("CLUSTER_PUMPS", "5000"))
GATEWAYS: Final = 10
RANGES: Final = 4
NODES: Final = ("one", "two")
PERIOD_S: Final = 1.0
TICKS: Final = 60 + 15 * BLOWS
"""Samples of each pump: fifteen seconds for each blow. Those of a slower machine come after the last sample."""


async def test_blows_lose_no_sample_no_alarm_and_no_acknowledgment(tmp_path: Path) -> None:
    acknowledged: dict[str, str] = {}
    with cluster(tmp_path, RANGES) as system:
        blown = BlownCluster(system, NODES, Run(PUMPS, GATEWAYS, TICKS, PERIOD_S, SEED, folder=""), random.Random(SEED))
        await asyncio.to_thread(blown.start_all)
        operator = asyncio.create_task(operate(system.servers.url(""), system.data, acknowledged))
        for number in range(BLOWS):
            text = await asyncio.to_thread(blown.blow)
            print(f"{number + 1}: {text}; {len(acknowledged)} alarms acknowledged", flush=True)
        await asyncio.to_thread(blown.until_all_confirmed)
        operator.cancel()
        await asyncio.gather(operator, return_exceptions=True)
        await asyncio.to_thread(system.wait_for, "the dashboard", blown.dashboard_answers)
        await asyncio.to_thread(blown.end_nodes)
        verdict = judge(system.data, blown.runs, acknowledged, undisturbed(blown.run))
        epochs = system.epochs()
    print(f"\nseed {SEED}: {BLOWS} blows at {PUMPS / PERIOD_S:,.0f} samples/s; epochs {epochs}")
    for name, count in sorted(blown.done.items()):
        print(f"  {name:<36} {count:>12,} times, samples waited {blown.longest_s[name]:.1f} s at most")
    for name, number in verdict.numbers.items():
        print(f"  {name:<36} {number:>12,}")
    assert not verdict.violations, "\n".join(verdict.violations)
    assert acknowledged
