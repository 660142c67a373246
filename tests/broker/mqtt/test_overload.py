"""A processor with very small limits keeps its memory bounded and loses nothing; a second one is refused."""

from __future__ import annotations

import asyncio

import pytest

from broker.contract.gateway_messages import read_status
from broker.contract.topics import confirmed_topic
from broker.mqtt.address import parse_url
from broker.mqtt.block_reader import BLOCK_BYTES
from broker.mqtt.link import Link, Message
from broker.store import snapshot_files
from broker.store.snapshot import CapacityLimit, Health
from processor.service import loop
from processor.service.settings import ProcessorError, Settings
from simulator.gateway import service

pytestmark = pytest.mark.broker
ENOUGH_S = 60.0


async def until(seen) -> None:
    async with asyncio.timeout(ENOUGH_S):
        while not seen():
            await asyncio.sleep(0.1)


async def test_what_has_no_room_stays_with_the_broker_and_comes_later_in_order(own_broker, tmp_path) -> None:
    await own_broker.start()
    stop = asyncio.Event()
    little = Settings(own_broker.url, tmp_path, tick_s=0.2, waiting_bytes=20_000)
    fleet = service.Settings(own_broker.url, pumps=100, gateways=4, speed=600)
    tasks = [asyncio.create_task(loop.run(little, stop, print)), asyncio.create_task(service.run(fleet, stop, print))]

    def health() -> Health:
        return snapshot_files.read(tmp_path / "snapshot").health

    def waiting() -> CapacityLimit:
        return next(bound for bound in health().bounds if bound.name == "messages waiting")

    try:
        await until(lambda: health().samples > 1000 and waiting().reached >= 3)
        assert waiting().value <= waiting().limit + BLOCK_BYTES
        assert health().reconnects == 0
        assert health().lost == 0
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def test_what_is_more_than_the_broker_keeps_for_an_absent_processor_waits_with_the_gateways(
    own_broker, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(loop, "PUBLISH_INTERVAL_S", 0.5)
    await own_broker.start()  # As it comes: of more than a thousand messages it drops what it has confirmed.
    waiting: dict[str, int] = {}
    confirmed: set[str] = set()

    def hear(message: Message) -> None:
        if message.topic.endswith("/status"):
            status = read_status(message.payload)
            waiting[status.gateway] = status.waiting
        else:
            confirmed.add(message.topic)

    def health() -> Health:
        return snapshot_files.read(tmp_path / "snapshot").health

    settings = Settings(own_broker.url, tmp_path)
    fleet = service.Settings(own_broker.url, pumps=8, gateways=4, speed=3000, unconfirmed_bytes=1_700_000)
    away, stop, link = asyncio.Event(), asyncio.Event(), Link(parse_url(own_broker.url), "listener", on_message=hear)
    first = asyncio.create_task(loop.run(settings, away, print))
    tasks = [asyncio.create_task(service.run(fleet, stop, print))]
    try:
        await link.open()
        link.subscribe("itb/+/+/status")
        link.subscribe(confirmed_topic("+"))
        await until(lambda: len(confirmed) == 4)
        away.set()
        await first
        heard = health().samples
        await until(lambda: len(waiting) == 4 and min(waiting.values()) >= 300)
        tasks.append(asyncio.create_task(loop.run(settings, stop, print)))
        await until(lambda: health().samples >= 2 * heard + 4 * 600)
        assert heard > 0
        assert health().lost == 0
    finally:
        await link.close()
        away.set()
        stop.set()
        await asyncio.gather(first, *tasks)


async def test_a_second_processor_on_one_data_directory_is_refused(own_broker, tmp_path) -> None:
    await own_broker.start()
    stop, ready = asyncio.Event(), asyncio.Event()
    settings = Settings(own_broker.url, tmp_path)
    first = asyncio.create_task(loop.run(settings, stop, lambda _: ready.set()))
    try:
        async with asyncio.timeout(ENOUGH_S):
            await ready.wait()
        with pytest.raises(ProcessorError, match=r"another processor uses .*--data"):
            await loop.run(settings, stop, print)
    finally:
        stop.set()
        await first
