"""A processor whose lease is over confirms and publishes nothing more, and ends."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest

from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.topics import confirmed_topic, shard_of, topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link, Message
from processor.service import loop
from processor.service.fence import FencedError
from processor.service.settings import Part, Settings
from tests.processor.service.test_crash import SERIALS, START_MS, Broker, Processor, telemetry

TIMEOUT_S = 60.0


@dataclass
class Lease:
    """A lease that a test ends."""

    held: bool = True

    def __call__(self) -> bool:
        return self.held


def sent_to(processor: Processor, batch: int) -> None:
    if not batch:
        made = Birth(gateway="gate", pumps=Pumps(serial=SERIALS), sent=START_MS, time=START_MS)
        processor.broker.send("itb/00/gate/birth", encode(made))
    processor.broker.send("itb/00/gate/telemetry", telemetry(batch))
    processor.queue.receive(list(processor.broker.held.values()))
    processor.now += 10_000


async def test_what_is_durable_but_no_longer_ours_is_neither_acknowledged_nor_confirmed(tmp_path: Path) -> None:
    broker, lease = Broker(), Lease()
    woken = Processor(tmp_path, broker, START_MS)
    woken.committer.still_mine = lease
    sent_to(woken, 0)
    await woken.process()
    assert not broker.held
    woken.committer.confirm()
    confirmed = list(broker.published)
    assert [topic for topic, _ in confirmed] == [confirmed_topic("gate")]

    lease.held = False
    sent_to(woken, 1)
    await woken.process()
    woken.committer.confirm()
    assert len(broker.held) == 1, "the broker has the message for the next owner"
    assert broker.published == confirmed
    woken.end()


@pytest.mark.broker
async def test_a_processor_whose_lease_is_over_ends_and_leaves_its_messages_to_the_next_owner(
    mosquitto: str, tmp_path: Path
) -> None:
    gateway = f"fenced-{uuid.uuid4().hex[:8]}"
    confirmed: list[Message] = []
    link = Link(parse_url(mosquitto), gateway, on_message=confirmed.append)
    await link.open()
    link.subscribe(confirmed_topic(gateway))

    def send(number: int) -> None:
        birth = Birth(gateway=gateway, pumps=Pumps(serial=["K-1"]), sent=START_MS, time=START_MS)
        link.publish(topic_of(gateway, "birth"), encode(birth))
        sample = f'{{"pump":"K-1","time":{START_MS + number},"sent":{START_MS + number},"seq":{number},"boot":1}}'
        link.publish(topic_of(gateway, "telemetry"), sample.encode())

    async def run(data: Path, lease: Lease, ready: asyncio.Event, stop: asyncio.Event) -> None:
        topics = (f"itb/{shard_of(gateway):02d}/+/+",)
        part = Part(0, 8, "range 00", topics, tmp_path / "keys", lease)
        await loop.run(Settings(broker=mosquitto, data=data, part=part), stop, lambda _: ready.set())

    async def until(number: int) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while not any(str(START_MS + number).encode() in each.payload for each in confirmed):
                await asyncio.sleep(0.05)

    try:
        lease, ready = Lease(), asyncio.Event()
        first = asyncio.create_task(run(tmp_path / "1", lease, ready, asyncio.Event()))
        await asyncio.wait_for(ready.wait(), TIMEOUT_S)
        send(1)
        await until(1)
        seen = len(confirmed)
        lease.held = False
        send(2)
        with pytest.raises(FencedError, match="the lease on range 00 is over"):
            await asyncio.wait_for(first, TIMEOUT_S)
        assert len(confirmed) == seen

        # What take-over does: the next owner's directory is made from that of the first, its MQTT session with it.
        (tmp_path / "1").rename(tmp_path / "2")
        ready, stop = asyncio.Event(), asyncio.Event()
        second = asyncio.create_task(run(tmp_path / "2", Lease(), ready, stop))
        await until(2)
        stop.set()
        await asyncio.wait_for(second, TIMEOUT_S)
    finally:
        link.publish(confirmed_topic(gateway), b"", retain=True)
        link.publish(topic_of(gateway, "birth"), b"", retain=True)
        await link.close()
