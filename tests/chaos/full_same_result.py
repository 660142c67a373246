"""The same samples on one processor with Mosquitto and on four nodes with NATS: the same history and alarms, exactly.

Wall-clock times differ between any two runs, and so do alarms about silence, lag and gateways, which follow from them.
`SAME_PUMPS` and `SAME_TICKS` change the fleet.
"""

from __future__ import annotations

import asyncio
import os
import random
from pathlib import Path
from typing import Final

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from broker.store import journal_query, segments, snapshot_files
from processor.rules import RULES
from tests.cluster.whole_cluster import cluster

from .cluster_blows import BlownCluster
from .failure_injection import inject_failures
from .telemetry_feed import Run

PUMPS: Final = int(os.environ.get("SAME_PUMPS", "1000"))
TICKS: Final = int(os.environ.get("SAME_TICKS", "240"))
GATEWAYS: Final = 10
RANGES: Final = 8
NODES: Final = ("one", "two", "three", "four")
RUN: Final = Run(PUMPS, GATEWAYS, TICKS, period_s=0.5, seed=17, folder="")
BY_SAMPLES: Final = [rule.name for rule in RULES if rule.detector.judges == "sample"]
OF_WALL_CLOCK: Final = (
    "raised_wall",
    "age_s",
    "acknowledged_wall",
    "shelved_wall",
    "out_wall",
    "note_wall",
    "deadline",
    "harm_s",
)
"""Columns of alarms that are or follow from wall-clock times.

Also `deadline` and `harm_s`: the pumps' clocks go on after their last sample until the last snapshot. That of a node
that took a range over when the others ended has heard no gateway, and has neither clocks nor forecasts.
"""
EVENT: Final = ("alarm", "kind", "time", "subject_kind", "pump", "title", "priority", "text")


def history(data: Path) -> pl.DataFrame:
    """Return every sample, as the writer left it on disk, in an order of its own."""
    return pl.concat([block.samples for block in segments.blocks(data, None, 0, None)]).sort(*segments.KEY)


def alarms(data: Path) -> pl.DataFrame:
    """Return the open alarms that samples raised."""
    shown = snapshot_files.read(data / "snapshot").alarms
    return shown.filter(pl.col("rule").is_in(BY_SAMPLES)).drop(OF_WALL_CLOCK).sort("alarm")


def events(data: Path) -> pl.DataFrame:
    """Return what the journal has about alarms that samples raised."""
    entries = journal_query.entries(data, journal_query.Query(limit=10_000_000))
    about = entries.filter(pl.col("alarm").str.split("/").list.get(1, null_on_oob=True).is_in(BY_SAMPLES))
    return about.select(EVENT).sort(EVENT)


async def on_one_processor(folder: Path) -> Path:
    system = await inject_failures(folder, RUN, [], dashboard=False, acknowledging=False)
    return system.data


async def on_a_cluster(folder: Path) -> Path:
    folder.mkdir()
    with cluster(folder, RANGES) as system:
        blown = BlownCluster(system, NODES, RUN, random.Random(RUN.seed))
        await asyncio.to_thread(blown.start_all)
        await asyncio.to_thread(blown.until_all_confirmed)
        await asyncio.to_thread(blown.end_nodes)
        assert len({system.owner_of(list(NODES), number, epoch) for number, epoch in enumerate(system.epochs())}) > 1
        return system.data


@pytest.mark.usefixtures("mosquitto")
async def test_one_processor_and_four_nodes_have_the_same_history_and_alarms(tmp_path: Path) -> None:
    one = await on_one_processor(tmp_path / "one")
    several = await on_a_cluster(tmp_path / "several")
    kept, raised, happened = history(one), alarms(one), events(one)
    assert kept.height == PUMPS * TICKS
    assert_frame_equal(history(several), kept, check_exact=True)
    assert raised.height > PUMPS // 10
    assert_frame_equal(alarms(several), raised, check_exact=True)
    assert_frame_equal(events(several), happened, check_exact=True)
    print(f"\n{kept.height:,} samples, {raised.height:,} open alarms and {happened.height:,} events are the same")
