"""Session of a gateway on a real broker: what it keeps until it is durable."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from broker.contract.commands import read_reply
from broker.contract.gateway_messages import Confirmation
from broker.contract.messages import encode
from broker.contract.topics import confirmed_topic, topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link, Message
from simulator.gateway.outbox import Parcel
from tests.simulator.gateway.notation import STAMP, at_work, gateway

ENOUGH_S = 60.0

pytestmark = pytest.mark.broker


async def test_a_command_out_of_range_is_answered_with_the_range(mosquitto: str) -> None:
    name = f"session-{uuid.uuid4().hex[:8]}"
    heard: asyncio.Queue[Message] = asyncio.Queue()
    person = Link(parse_url(mosquitto), f"{name}-person", on_message=heard.put_nowait)
    await person.open()
    person.subscribe(topic_of(name, "birth"))
    person.subscribe(topic_of(name, "reply"))
    async with at_work(gateway(name, mosquitto)):
        await asyncio.wait_for(heard.get(), ENOUGH_S)
        person.publish(topic_of(name, "command"), b'{"kind":"bolus","pumps":["S-1"],"dose_ug":1e300}')
        person.publish(topic_of(name, "command"), b'{"kind":"bolus","id":"mine","pumps":["S-1"],"dose_ug":1e300}')
        reply = read_reply((await asyncio.wait_for(heard.get(), ENOUGH_S)).payload)
    assert (reply.id, reply.ok) == ("mine", False)
    assert reply.text == "refused: dose_ug is 1e+300; allowed is 0 to 100,000"
    await person.close()


async def test_a_gateway_that_comes_back_with_what_is_durable_already_lets_go_of_it(mosquitto: str) -> None:
    name = f"session-{uuid.uuid4().hex[:8]}"
    heard: asyncio.Queue[Message] = asyncio.Queue()
    processor = Link(parse_url(mosquitto), f"{name}-processor", on_message=heard.put_nowait)
    session = gateway(name, mosquitto)
    session.put(Parcel(b"{}", 1, STAMP))
    await processor.open()
    processor.subscribe(topic_of(name, "telemetry"))
    processor.publish(confirmed_topic(name), encode(Confirmation(sent=STAMP)), retain=True)
    async with at_work(session):
        assert (await asyncio.wait_for(heard.get(), ENOUGH_S)).payload == b"{}"
        async with asyncio.timeout(ENOUGH_S):
            while session.outbox.samples:
                await asyncio.sleep(0.02)
    await processor.close()
