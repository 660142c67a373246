"""A processor that is told to stop ends the turn it is in, and leaves everything as it was known last."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import msgspec
import pytest

from broker.contract.topics import topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from broker.store import journal_query, snapshot_files
from processor.pipeline import Pipeline
from processor.service import loop

START_MS = 1_767_225_600_000
ENOUGH_S = 60.0
GATE = "stop-test"

pytestmark = pytest.mark.broker


def worn_out(minutes: int) -> bytes:
    """Return what a pump says whose battery is at its end."""
    about = {"pump": "STOP-1", "boot": 1, "battery_v": 2.5}
    rows = ({**about, "time": START_MS + minute * 60_000, "seq": minute} for minute in range(minutes))
    return b"\n".join(msgspec.json.encode(row) for row in rows)


async def test_what_the_last_turn_found_is_in_the_journal_and_on_the_screens(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, found, go_on = Pipeline.take, threading.Event(), threading.Event()

    def slowly(pipeline: Pipeline, *about, **more):
        took = take(pipeline, *about, **more)
        if pipeline.alarms.height and not found.is_set():
            found.set()
            go_on.wait(ENOUGH_S)
        return took

    monkeypatch.setattr(Pipeline, "take", slowly)
    monkeypatch.setattr(loop, "CLIENT_ID", GATE + "-processor")
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(loop.run(loop.Settings(broker=mosquitto, data=tmp_path), stop, lambda _: ready.set()))
    link = Link(parse_url(mosquitto), GATE)
    try:
        await asyncio.wait_for(ready.wait(), ENOUGH_S)
        await link.open()
        link.publish(topic_of(GATE, "telemetry"), worn_out(20))
        assert await asyncio.to_thread(found.wait, ENOUGH_S)
    finally:
        stop.set()
        # The stop is heard while the turn is still at work.
        await asyncio.sleep(0.2)
        go_on.set()
        await link.close()
        await asyncio.wait_for(running, ENOUGH_S)
    shown = set(snapshot_files.read(tmp_path / "snapshot").alarms["alarm"])
    entries = journal_query.entries(tmp_path, journal_query.Query(pump="STOP-1"))
    assert "battery_end" in entries["rule"].to_list()
    assert shown <= set(entries["alarm"])
    assert shown
