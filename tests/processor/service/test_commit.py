"""Confirmations to gateways: repeated after a restart and on each new connection, even if nothing arrives."""

from __future__ import annotations

import asyncio
import random
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
from processor.service.settings import Settings
from tests.chaos.proxy import Proxy

START_MS = 1_767_225_600_000
STAMP = 1_790_000_000_000
TIMEOUT_S = 60.0

pytestmark = pytest.mark.broker


@asynccontextmanager
async def processor(broker: str, data: Path) -> AsyncIterator[None]:
    stop, ready = asyncio.Event(), asyncio.Event()
    running = asyncio.create_task(loop.run(Settings(broker=broker, data=data), stop, lambda _: ready.set()))
    try:
        await asyncio.wait_for(ready.wait(), TIMEOUT_S)
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, TIMEOUT_S)


async def test_confirmations_are_repeated_after_a_restart_and_on_a_new_connection_even_if_nothing_arrives(
    mosquitto: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = f"committer-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(loop, "PUBLISH_INTERVAL_S", 0.2)
    confirmations: asyncio.Queue[Message] = asyncio.Queue()

    def keep(message: Message) -> None:
        if message.payload:
            confirmations.put_nowait(message)

    link = Link(parse_url(mosquitto), gateway, on_message=keep)
    await link.open()
    link.subscribe(confirmed_topic(gateway))

    async def confirmed() -> None:
        assert str(STAMP).encode() in (await asyncio.wait_for(confirmations.get(), TIMEOUT_S)).payload

    proxy = Proxy(parse_url(mosquitto).port, random.Random(1))
    await proxy.start()
    broker = f"mqtt://127.0.0.1:{proxy.port}"
    try:
        async with processor(broker, tmp_path):
            # Not retained: a redelivered birth would count as a new message.
            birth = Birth(gateway=gateway, pumps=Pumps(serial=["K-1"]), sent=STAMP, time=START_MS)
            link.publish(topic_of(gateway, "birth"), encode(birth))
            sample = f'{{"pump":"K-1","time":{START_MS},"sent":{STAMP},"seq":1,"boot":1}}'
            link.publish(topic_of(gateway, "telemetry"), sample.encode())
            await confirmed()
        async with processor(broker, tmp_path):
            await confirmed()
            proxy.cut()
            await confirmed()
    finally:
        link.publish(confirmed_topic(gateway), b"", retain=True)
        await link.close()
        await proxy.close()
