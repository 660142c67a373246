"""Temporary disk failure: data is stored after the disk recovers, without a restart."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from broker.contract.codec import encode_json
from broker.contract.signals import SAMPLE_SCHEMA
from broker.contract.topics import topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from broker.store import durable_write, snapshot_files
from broker.store.segments import trend
from broker.store.snapshot import Health
from processor.service import loop
from processor.service.settings import Settings

START_MS = 1_767_225_600_000
TIMEOUT_S = 60.0

pytestmark = pytest.mark.broker


def sample(seq: int) -> bytes:
    row = dict.fromkeys(SAMPLE_SCHEMA) | {"pump": "A-1", "time": START_MS + seq * 60_000, "seq": seq, "boot": 1}
    return encode_json(pl.DataFrame([row], schema=SAMPLE_SCHEMA))


async def until(event: str, condition: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not within {TIMEOUT_S:g} s: {event}")


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EROFS])
async def test_while_the_disk_fails_no_message_is_acknowledged_and_after_it_recovers_all_samples_are_stored(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    failing, replace = [False], durable_write.replace

    def unreliable(path: Path, write: Callable[[Path], object]) -> int:
        if failing[0]:
            raise OSError(reason, "disk failure")
        return replace(path, write)

    monkeypatch.setattr(durable_write, "replace", unreliable)
    stop, ready = asyncio.Event(), asyncio.Event()
    settings = Settings(broker=mosquitto, data=tmp_path)
    running = asyncio.create_task(loop.run(settings, stop, lambda _: ready.set()))
    gateway = f"disk-{reason}"
    link = Link(parse_url(mosquitto), gateway)
    try:
        await asyncio.wait_for(ready.wait(), TIMEOUT_S)
        await link.open()

        def health() -> Health:
            return snapshot_files.read(tmp_path / "snapshot").health

        def stored() -> list[int]:
            return trend(tmp_path, "A-1", 0)["seq"].to_list()

        link.publish(topic_of(gateway, "telemetry"), sample(1))
        await until("the first sample", lambda: stored() == [1])
        failing[0] = True
        for seq in (2, 3):
            link.publish(topic_of(gateway, "telemetry"), sample(seq))
        await until(
            "the failure is reported", lambda: any("nothing is acknowledged" in note for note in health().notes)
        )
        assert stored() == [1]
        await until("the pump is still monitored", lambda: health().samples >= 3)
        failing[0] = False
        await until("all samples", lambda: stored() == [1, 2, 3])
        await until("the failure is over", lambda: not health().notes)
    finally:
        await link.close()
        stop.set()
        await asyncio.wait_for(running, TIMEOUT_S)
