"""Sessions across restarts: what was published while the processor was away is delivered, although users differ."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from broker.access.credentials import credentials_of
from broker.access.password_lines import derived_password
from broker.contract import topics
from broker.contract.topics import topic_of
from broker.mqtt.topic_access import PROCESSOR
from tests.broker.access.conftest import Client, Guarded, started

pytestmark = pytest.mark.broker


async def publish(guarded: Guarded, payload: bytes) -> None:
    secret = guarded.credentials.fleet_secret()
    client = Client.at(guarded.gateways.for_user("gateway-00", derived_password(secret, "gateway-00")))
    await client.link.open()
    client.link.publish(topic_of("gateway-00", "telemetry"), payload)
    async with asyncio.timeout(10):
        while not client.published:
            await asyncio.sleep(0.01)
    await client.link.close()


def test_messages_for_an_absent_processor_survive_a_restart_of_the_broker(guarded: Guarded, tmp_path: Path) -> None:
    """`guarded` only says whether there is a Mosquitto here."""
    credentials_of(tmp_path).prepare(["gateway-00"])

    async def leave(guarded: Guarded) -> None:
        processor = Client.at(guarded.part(PROCESSOR), "pumpwatch-processor-0123", persistent=True)
        await processor.link.open()
        processor.link.subscribe(topics.ALL)
        await publish(guarded, b"0")
        await processor.link.close()
        await publish(guarded, b"1")

    async def back(guarded: Guarded) -> set[bytes]:
        await publish(guarded, b"2")
        processor = Client.at(guarded.part(PROCESSOR), "pumpwatch-processor-0123", persistent=True)
        await processor.link.open()
        async with asyncio.timeout(10):
            while len(processor.received) < 2:
                await asyncio.sleep(0.01)
        await processor.link.close()
        return {message.payload for message in processor.received}

    for first in started(tmp_path, "--port", "0"):
        asyncio.run(leave(first))
    for second in started(tmp_path, "--port", "0"):
        assert {b"1", b"2"} <= asyncio.run(back(second))
