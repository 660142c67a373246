"""What Mosquitto counts about itself, as metrics of the broker part."""

from __future__ import annotations

import asyncio
from pathlib import Path

from broker.metrics.table import BROKER, METRICS
from broker.mqtt import local_broker
from broker.mqtt.broker_counters import TOPICS, BrokerCounters
from broker.mqtt.link import Message


def test_every_counter_is_a_metric_of_the_table() -> None:
    assert set(TOPICS.values()) == {metric.name for metric in METRICS if metric.parts == (BROKER,)}


def test_what_is_no_number_is_left_out() -> None:
    counters = BrokerCounters()
    for topic, payload in (
        ("$SYS/broker/clients/connected", b"many"),
        ("$SYS/broker/clients/connected", b"nan"),
        ("$SYS/broker/uptime", b"12"),
        ("$SYS/broker/publish/messages/dropped", b"3"),
    ):
        counters.receive(Message(topic, payload, 0, 0, retained=False))
    assert counters.values == {"pumpwatch_broker_messages_dropped_total": 3.0}


async def test_the_counters_of_a_mosquitto_that_runs_are_followed(tmp_path: Path) -> None:
    counters, stop, ready = BrokerCounters(), asyncio.Event(), asyncio.Event()
    settings = local_broker.Settings(tmp_path, kind="mosquitto")
    running = asyncio.create_task(
        local_broker.run(settings, stop, lambda _: ready.set(), follow=counters.follow), name="broker"
    )
    async with asyncio.timeout(20):
        while len(counters.values) < len(TOPICS):
            await asyncio.sleep(0.05)
    assert counters.answering
    assert counters.values["pumpwatch_broker_clients_connected"] >= 0
    stop.set()
    await running
    assert not counters.answering
