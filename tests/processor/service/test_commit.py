"""Gateways are told what is durable though nothing new comes: after a restart, and on each new connection."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.topics import confirmed_topic, topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link, Message
from processor.service import loop

START_MS = 1_767_225_600_000
STAMP = 1_790_000_000_000
ENOUGH_S = 60.0

pytestmark = pytest.mark.broker


@asynccontextmanager
async def processor(broker: str, data: Path) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(loop.run(loop.Settings(broker=broker, data=data), stop, lambda _: ready.set()))
    try:
        await asyncio.wait_for(ready.wait(), ENOUGH_S)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, ENOUGH_S)


async def test_what_is_durable_is_told_after_a_restart_and_on_a_new_connection_though_nothing_comes(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = f"keeper-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(loop, "CLIENT_ID", f"{gate}-processor")
    monkeypatch.setattr(loop, "HEALTH_S", 0.2)
    told: asyncio.Queue[Message] = asyncio.Queue()
    link = Link(parse_url(mosquitto), gate, on_message=lambda said: told.put_nowait(said) if said.payload else None)
    await link.open()
    link.subscribe(confirmed_topic(gate))

    async def is_told() -> None:
        assert str(STAMP).encode() in (await asyncio.wait_for(told.get(), ENOUGH_S)).payload

    try:
        async with processor(mosquitto, tmp_path):
            # Not retained: a birth that comes again would be something new.
            born = Birth(gateway=gate, pumps=Pumps(serial=["K-1"]), sent=STAMP, time=START_MS)
            link.publish(topic_of(gate, "birth"), encode(born))
            sample = f'{{"pump":"K-1","time":{START_MS},"sent":{STAMP},"seq":1,"boot":1}}'
            link.publish(topic_of(gate, "telemetry"), sample.encode())
            await is_told()
        async with processor(mosquitto, tmp_path):
            await is_told()
            rival = Link(parse_url(mosquitto), f"{gate}-processor", persistent=True)
            await rival.open()
            await rival.close()
            await is_told()
    finally:
        link.publish(confirmed_topic(gate), b"", retain=True)
        await link.close()
