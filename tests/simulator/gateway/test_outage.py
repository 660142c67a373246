"""A broker outage of a scenario is played for real by gateways that run: connections break, and nothing is lost."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict

import pytest

from broker.contract.codec import decode
from broker.contract.gateway_messages import read_status
from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.link import Link, Message
from simulator.gateway.service import run
from simulator.gateway.settings import Settings
from tests.simulator.gateway.notation import gateway

ENOUGH_S = 120.0
STORY = """
pumps = 4
interval = "1s"
[[event]]
name = "broker_outage"
pumps = "0-1"
at = "60s"
hold = "60s"
"""


@pytest.mark.broker
async def test_gateways_vanish_from_the_broker_come_back_and_deliver_everything_in_order(mosquitto, tmp_path):
    story = tmp_path / "story.toml"
    story.write_text(STORY)
    seqs, states, cut_sent = defaultdict(list), defaultdict(list), set()

    def hear(message: Message) -> None:
        _, _, gateway, kind = message.topic.split("/")
        if kind == "status":
            states[gateway].append(read_status(message.payload).state)
        else:
            for pump, seq, sent in decode(message.payload).samples.select("pump", "seq", "sent").iter_rows():
                seqs[pump].append(seq)
                if pump == "ITB-000000" and 61 < seq <= 120:
                    cut_sent.add(sent)

    listener = Link(parse_url(mosquitto), "outage-listener", on_message=hear)
    await listener.open()
    for kind in ("status", "telemetry"):
        for number in range(2):
            listener.subscribe(f"itb/+/outage-{number:02d}/{kind}")
    stop = asyncio.Event()
    settings = Settings(broker=mosquitto, gateways=2, speed=30, scenario=str(story), name="outage")
    running = asyncio.create_task(run(settings, stop, lambda _: None))
    try:
        async with asyncio.timeout(ENOUGH_S):
            while len(seqs) < 4 or min(map(max, seqs.values())) < 150:
                assert not running.done(), running.result()
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await running
        await listener.close()
    for pump, seen in seqs.items():
        unique = list(dict.fromkeys(seen))
        assert unique[:150] == list(range(1, 151)), pump
    assert len(cut_sent) > 40, "the gateway went on tick by tick while it had no broker"
    changes = {name: [state for state, _ in itertools.groupby(statuses)] for name, statuses in states.items()}
    assert changes["outage-00"][:3] == ["online", "offline", "online"]
    assert changes["outage-01"][:2] in (["online"], ["online", "offline"]), "it says goodbye at its end"


async def test_a_gateway_that_is_cut_off_does_not_connect_until_it_may():
    session = gateway("cut", "mqtt://127.0.0.1:1")
    session.cut_off(cut=True)
    with pytest.raises(LinkError, match="the scenario keeps cut disconnected from"):
        await session.connect(lambda _: None)
    session.cut_off(cut=False)
    with pytest.raises(LinkError, match="no broker at"):
        await session.connect(lambda _: None)
