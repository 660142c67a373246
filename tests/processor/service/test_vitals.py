"""Readiness and metrics of a processor that runs: each reason why it is not useful is made to happen."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families

from broker.metrics.exposition import Exposition
from broker.metrics.readings import Vitals
from broker.metrics.table import METRICS
from broker.mqtt.address import parse_url
from broker.store.journal import Journal
from broker.store.snapshot import ALARMS_SCHEMA
from processor.service import loop, vitals
from processor.service.settings import Settings
from processor.service.snapshots import SnapshotPublisher
from tests.chaos.proxy import Proxy

TIMEOUT_S = 30.0


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not reached():
            await asyncio.sleep(0.05)


def values(watched: Vitals) -> dict[str, float]:
    text = Exposition(watched).text("")[0].decode()
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def fails(*_: object) -> None:
    raise OSError(28, "No space left on device")


def locked(*_: object) -> None:
    raise sqlite3.OperationalError("database or disk is full")


@pytest.mark.broker
async def test_a_processor_is_ready_while_it_can_do_its_work_and_says_why_when_it_cannot(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, ready, watched = asyncio.Event(), asyncio.Event(), Vitals("processor")
    proxy = Proxy(parse_url(mosquitto).port, random.Random(1))
    await proxy.start()
    settings = Settings(broker=f"mqtt://127.0.0.1:{proxy.port}", data=tmp_path)
    running = asyncio.create_task(loop.run(settings, stop, lambda _: ready.set(), watched))
    try:
        await asyncio.wait_for(ready.wait(), TIMEOUT_S)
        await until(lambda: watched.problems() == [])
        served = values(watched)
        assert served["pumpwatch_broker_connected"] == 1
        assert served["pumpwatch_journal_entries"] > 0
        assert served["pumpwatch_snapshot_version"] >= 1
        of_processor = {
            name
            for one in METRICS
            if one.parts == ("processor",) and not one.labels
            for name in one.series
            if not name.startswith(("pumpwatch_node_", "pumpwatch_merger_"))
        }
        assert of_processor <= set(served)

        with monkeypatch.context() as disk:
            disk.setattr(SnapshotPublisher, "write", fails)
            await until(lambda: watched.problems() == ["snapshot_failing"])
            disk.setattr(vitals, "STALE_MS", 100)
            await until(lambda: watched.problems() == ["snapshot_failing", "snapshot_stale"])
        await until(lambda: watched.problems() == [])

        with monkeypatch.context() as disk:
            disk.setattr(vitals, "MIN_FREE_BYTES", 2**62)
            assert watched.problems() == ["disk_full"]

        with monkeypatch.context() as disk:
            disk.setattr(Journal, "append", locked)
            await proxy.close()
            await until(lambda: watched.problems() == ["broker_away", "storage_failing"])
            assert values(watched)["pumpwatch_trouble"] == 1
        await until(lambda: watched.problems() == ["broker_away"])
        (tmp_path / "journal.sqlite").rename(tmp_path / "elsewhere")
        assert watched.problems() == ["broker_away", "journal_missing"]
    finally:
        stop.set()
        await asyncio.wait_for(running, TIMEOUT_S)
        await proxy.close()


def test_open_alarms_are_counted_by_priority_and_state_and_none_is_a_zero() -> None:
    shown = pl.DataFrame({"priority": [1, 1, 3], "state": ["unacknowledged", "unacknowledged", "shelved"]})
    counted = {reading.labels: reading.value for reading in vitals.alarms(shown)}
    assert counted == {
        ("high", "unacknowledged"): 2,
        ("medium", "unacknowledged"): 0,
        ("low", "shelved"): 1,
        ("low", "unacknowledged"): 0,
    }
    assert sum(reading.value for reading in vitals.alarms(pl.DataFrame(schema=ALARMS_SCHEMA))) == 0
