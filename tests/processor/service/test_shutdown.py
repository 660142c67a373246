"""Shutdown: the processor finishes its current batch and stores the resulting alarms."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import polars as pl
import pytest

from broker.contract.topics import topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from broker.store import journal_query, segments, snapshot_files
from processor.pipeline import Pipeline
from processor.service import commit, loop
from processor.service.settings import Settings

START_MS = 1_767_225_600_000
TIMEOUT_S = 60.0
GATEWAY = "stop-test"
BATCH_BYTES = 1_000
BACKLOG = 200
MINUTES = 20

pytestmark = pytest.mark.broker


def low_battery(minutes: int) -> bytes:
    """Return the samples of a pump whose battery is at the end of service."""
    pump = {"pump": "STOP-1", "boot": 1, "battery_v": 2.5}
    rows = ({**pump, "time": START_MS + minute * 60_000, "seq": minute} for minute in range(minutes))
    return b"\n".join(msgspec.json.encode(row) for row in rows)


async def test_a_stop_finishes_the_batch_in_hand_with_its_alarms_and_leaves_a_backlog_to_the_broker(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, found, resume = Pipeline.take, threading.Event(), threading.Event()

    def slowly(pipeline: Pipeline, *args, **kwargs):
        result = take(pipeline, *args, **kwargs)
        if pipeline.alarms.height and not found.is_set():
            found.set()
            resume.wait(TIMEOUT_S)
        return result

    monkeypatch.setattr(Pipeline, "take", slowly)
    stop, ready = asyncio.Event(), asyncio.Event()
    settings = Settings(broker=mosquitto, data=tmp_path, batch_bytes=BATCH_BYTES)
    running = asyncio.create_task(loop.run(settings, stop, lambda _: ready.set()))
    link = Link(parse_url(mosquitto), GATEWAY)
    try:
        await asyncio.wait_for(ready.wait(), TIMEOUT_S)
        await link.open()
        link.publish(topic_of(GATEWAY, "telemetry"), low_battery(20))
        assert await asyncio.to_thread(found.wait, TIMEOUT_S)
        for minute in range(20, 20 + BACKLOG):
            link.publish(topic_of(GATEWAY, "telemetry"), low_battery(1).replace(b"STOP-1", b"STOP-%d" % minute))
        # The broker has delivered them by then, and the processor, in its loop, has received them.
        await asyncio.sleep(0.3)
    finally:
        stop.set()
        # The stop arrives while the batch is still being processed.
        await asyncio.sleep(0.2)
        resume.set()
        await link.close()
        await asyncio.wait_for(running, TIMEOUT_S)
    health = snapshot_files.read(tmp_path / "snapshot").health
    assert health.messages < BACKLOG / 2
    assert not any((tmp_path / "in-hand").read_bytes()[:8]), "nothing that waited is suspected at the next start"
    shown = set(snapshot_files.read(tmp_path / "snapshot").alarms["alarm"])
    entries = journal_query.entries(tmp_path, journal_query.Query(pump="STOP-1"))
    assert "battery_end" in entries["rule"].to_list()
    assert shown <= set(entries["alarm"])
    assert shown


async def test_what_a_hurried_end_could_not_write_is_there_once_after_the_next(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, topic = Link(parse_url(mosquitto), "hurry-test"), topic_of("hurry-test", "telemetry")

    async def run_once(sends: bytes | None) -> None:
        stop, ready = asyncio.Event(), asyncio.Event()
        running = asyncio.create_task(loop.run(Settings(broker=mosquitto, data=tmp_path), stop, lambda _: ready.set()))
        await asyncio.wait_for(ready.wait(), TIMEOUT_S)
        if sends is not None:
            link.publish(topic, sends)
            async with asyncio.timeout(TIMEOUT_S):
                while snapshot_files.read(tmp_path / "snapshot").health.samples < MINUTES:
                    await asyncio.sleep(0.05)
        stop.set()
        await asyncio.wait_for(running, TIMEOUT_S)

    await link.open()
    # Nothing is written but the message log.
    with monkeypatch.context() as patch:
        patch.setattr(commit, "FINISH_S", 0.0)
        patch.setattr(commit, "INTERVAL_S", 3_600.0)
        await run_once(low_battery(MINUTES))
    assert list((tmp_path / "log").iterdir())
    assert segments.trend(tmp_path, "STOP-1", 0).height < MINUTES
    await run_once(None)
    await link.close()
    assert not list((tmp_path / "log").iterdir())
    assert segments.trend(tmp_path, "STOP-1", 0).height == MINUTES
    entries = journal_query.entries(tmp_path, journal_query.Query(pump="STOP-1"))
    assert entries.filter(pl.col("kind") == "raised")["rule"].to_list().count("battery_end") == 1
