"""Session of a gateway on a real broker: what it keeps until it is durable."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid

import pytest

from broker.contract.commands import Reply
from broker.contract.gateway_messages import Birth, Confirmation, Pumps
from broker.contract.messages import encode
from broker.contract.topics import confirmed_topic, topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link, Message
from simulator.gateway.outbox import Outbox, Parcel
from simulator.gateway.session import Session

START_MS = 1_767_225_600_000
STAMP = 1_790_000_000_000
ENOUGH_S = 60.0

pytestmark = pytest.mark.broker


async def refuse(session: Session, command: object) -> Reply:
    return Reply(id=getattr(command, "id", ""), gateway=session.name, ok=False, text="takes no commands")


def gateway(name: str, broker: str) -> Session:
    born = Birth(gateway=name, pumps=Pumps(serial=["S-1"]), sent=STAMP, time=START_MS)
    outbox = Outbox(10_000, patient=True)
    return Session(
        name, range(1), outbox, parse_url(broker), birth=lambda _: born, execute=refuse, wall_ms=lambda: STAMP
    )


async def test_a_gateway_that_comes_back_with_what_is_durable_already_lets_go_of_it(mosquitto: str) -> None:
    name = f"session-{uuid.uuid4().hex[:8]}"
    heard: asyncio.Queue[Message] = asyncio.Queue()
    processor = Link(parse_url(mosquitto), f"{name}-processor", on_message=heard.put_nowait)
    session = gateway(name, mosquitto)
    session.put(Parcel(b"{}", 1, STAMP))
    await processor.open()
    processor.subscribe(topic_of(name, "telemetry"))
    processor.publish(confirmed_topic(name), encode(Confirmation(sent=STAMP)), retain=True)
    running = asyncio.create_task(session.run(lambda _: None, random.Random(1)))
    try:
        assert (await asyncio.wait_for(heard.get(), ENOUGH_S)).payload == b"{}"
        async with asyncio.timeout(ENOUGH_S):
            while session.outbox.samples:
                await asyncio.sleep(0.02)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await processor.close()
