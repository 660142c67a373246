"""Attacks over a broker that lets in everybody: what nobody signed moves no pump, stops none, and names no person.

The processor and the simulated gateways defend themselves: no password and no access list of the broker helps here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl
import pytest
import pytest_asyncio

from broker.contract.actions import Acknowledge, Transfer
from broker.contract.commands import Clear, Reply, Stop, read_reply
from broker.contract.gateway_messages import Birth, Pumps
from broker.contract.messages import encode
from broker.contract.topics import COMMAND, KEYS, OUTCOME, confirmed_topic, topic_of
from broker.mqtt.address import parse_url
from broker.mqtt.endpoint import free_port
from broker.mqtt.link import Link, Message
from broker.mqtt.mosquitto_config import find
from broker.store import action_key, journal_query, snapshot_files
from broker.store.snapshot import Snapshot
from processor.intake.rates import RateLimits
from processor.service import loop
from processor.service.settings import Settings
from simulator.gateway import service
from simulator.gateway.settings import Settings as FleetSettings
from tests.conftest import missing
from tests.server_process import running

pytestmark = [pytest.mark.broker, pytest.mark.asyncio(loop_scope="module")]
ENOUGH_S = 60.0
YEAR_MS = 365 * 86_400_000
FIRST, SECOND = "attacked-00", "attacked-01"
LIMITS = RateLimits(new_gateways=5, new_pumps=10)
"""Fifty gateways and a hundred pumps at the start."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Stranger:
    """Somebody at the broker, beside a processor with two gateways of two pumps each."""

    url: str
    data: Path
    link: Link = field(init=False)
    heard: list[Message] = field(default_factory=list)

    async def connect(self) -> None:
        self.link = Link(parse_url(self.url), "", on_message=self.heard.append)
        await self.link.open()
        for topic in ("itb/+/+/reply", OUTCOME, KEYS, confirmed_topic(FIRST)):
            self.link.subscribe(topic)

    def send(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.link.publish(topic, payload, retain=retain)

    def sample(self, gateway: str, pump: str) -> None:
        self.send(topic_of(gateway, "telemetry"), json.dumps({"pump": pump, "time": now_ms(), "seq": 1}).encode())

    def sign(self, topic: str, message: object) -> bytes:
        """What the dashboard of this data directory would send."""
        return action_key.signer(self.data).sign(topic, encode(message))

    def snapshot(self) -> Snapshot:
        return snapshot_files.read(self.data / "snapshot")

    def pumps(self) -> dict[str, str]:
        """The gateway of each pump."""
        return dict(self.snapshot().pumps.select("pump", "gateway").iter_rows())

    def entries(self, kind: str, text: str) -> pl.DataFrame:
        found = journal_query.entries(self.data, journal_query.Query(limit=1000))
        return found.filter(pl.col("kind") == kind, pl.col("text").str.contains(text, literal=True))

    def alarms(self) -> set[str]:
        return set(self.snapshot().alarms["rule"])

    def outcomes(self) -> dict[str, str]:
        """What the processor answered to each action."""
        found = [json.loads(each.payload) for each in self.heard if each.topic == OUTCOME]
        return {outcome["id"]: outcome["text"] for outcome in found}

    async def until(self, seen: Callable[[], bool]) -> None:
        async with asyncio.timeout(ENOUGH_S):
            while not seen():
                await asyncio.sleep(0.05)

    async def reply(self, name: str) -> Reply:
        def found() -> list[Reply]:
            replies = [read_reply(each.payload) for each in self.heard if each.topic.endswith("/reply")]
            return [reply for reply in replies if reply.id == name]

        await self.until(lambda: bool(found()))
        return found()[-1]


@contextlib.contextmanager
def open_broker(folder: Path) -> Iterator[str]:
    program, port = find(os.environ.get("PATH")), free_port()
    if program is None:
        missing("mosquitto")
    (folder / "open.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    with running([str(program), "-c", str(folder / "open.conf")], port, folder / "log"):
        yield f"mqtt://127.0.0.1:{port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stranger(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stranger]:
    data = tmp_path_factory.mktemp("data")
    stop, patch = asyncio.Event(), pytest.MonkeyPatch()
    patch.setattr(loop, "PUBLISH_INTERVAL_S", 0.2)
    with open_broker(tmp_path_factory.mktemp("broker")) as url:
        action_key.ensure(data)
        fleet = FleetSettings(url, pumps=4, gateways=2, name="attacked", action_key=data / action_key.PUBLIC)
        tasks = [
            asyncio.create_task(loop.run(Settings(url, data, rates=LIMITS), stop, lambda _: None)),
            asyncio.create_task(service.run(fleet, stop, lambda _: None)),
        ]
        someone = Stranger(url, data)
        await someone.connect()
        await someone.until(lambda: len(someone.pumps()) == 4 and someone.snapshot().health.samples > 4)
        yield someone
        stop.set()
        await asyncio.gather(*tasks)
        await someone.link.close()
    patch.undo()


async def test_a_command_in_the_name_of_an_engineer_is_refused_by_gateway_and_processor(stranger: Stranger) -> None:
    topic, name = topic_of(FIRST, "command"), uuid.uuid4().hex
    [pump, *_] = [pump for pump, gateway in stranger.pumps().items() if gateway == FIRST]
    stranger.send(topic, encode(Stop(id=name, pumps=[pump], who="engineer", at=now_ms())))
    reply = await stranger.reply(name)
    assert (reply.ok, reply.text) == (
        False,
        "refused: it is not signed; the dashboard and the command line sign what they send",
    )
    await stranger.until(lambda: stranger.entries("forged", name).height == 1)
    entry = stranger.entries("forged", name).row(0, named=True)
    assert entry["who"] is None
    assert f"on {topic}; claims to be from 'engineer'" in entry["text"]
    await stranger.until(lambda: "commands_forged" in stranger.alarms())


async def test_an_action_in_the_name_of_an_engineer_dated_a_year_back_is_refused(stranger: Stranger) -> None:
    for name, message in (
        ("unsigned", encode(Acknowledge(id="unsigned", alarms=["x"], who="engineer", at=now_ms() - YEAR_MS))),
        ("old", stranger.sign(COMMAND, Acknowledge(id="old", alarms=["x"], who="engineer", at=now_ms() - YEAR_MS))),
    ):
        stranger.send(COMMAND, message)
        await stranger.until(lambda name=name: stranger.entries("forged", f"id '{name}'").height == 1)
    stranger.send(COMMAND, stranger.sign(COMMAND, Acknowledge(id="true", alarms=["x"], who="engineer", at=now_ms())))
    await stranger.until(lambda: any(each.topic == OUTCOME for each in stranger.heard))
    await stranger.until(lambda: len(stranger.outcomes()) == 3)
    assert stranger.outcomes()["unsigned"].startswith("Refused: it is not signed")
    assert stranger.outcomes()["old"].startswith("Refused: it was signed 31,536,0")
    assert stranger.outcomes()["true"].startswith("Acknowledged no alarm.")


async def test_a_captured_command_is_carried_out_once_and_by_no_other_gateway(stranger: Stranger) -> None:
    topic, other = topic_of(FIRST, "command"), topic_of(SECOND, "command")
    captured = stranger.sign(topic, Clear(id="captured", who="anna", at=now_ms()))
    stranger.send(topic, captured)
    assert (await stranger.reply("captured")).ok
    stranger.heard.clear()
    stranger.send(other, captured)
    refused = await stranger.reply("captured")
    assert (refused.gateway, refused.ok) == (SECOND, False)
    assert "its signature does not fit topic and payload" in refused.text
    changed = stranger.sign(topic, Clear(id="captured", fault="motor_stall", who="anna", at=now_ms()))
    stranger.heard.clear()
    stranger.send(topic, changed)
    assert "was used before, with another content" in (await stranger.reply("captured")).text
    await stranger.until(lambda: stranger.entries("forged", "with another content").height == 1)
    ordered = journal_query.entries(stranger.data, journal_query.Query(limit=1000)).filter(pl.col("kind") == "ordered")
    assert ordered.select("subject", "who").rows() == [(FIRST, "anna")]


async def test_a_birth_that_names_the_pump_of_another_gateway_does_not_get_it_and_an_engineer_may_give_it(
    stranger: Stranger,
) -> None:
    pump, *_ = [pump for pump, gateway in stranger.pumps().items() if gateway == SECOND]
    birth = Birth(gateway="thief", pumps=Pumps(serial=[pump, "LOOT"]), sent=now_ms(), time=now_ms())
    stranger.send(topic_of("thief", "birth"), encode(birth))
    await stranger.until(lambda: "LOOT" in stranger.pumps() and "pumps_claimed" in stranger.alarms())
    assert stranger.pumps()[pump] == SECOND
    refusal = f"the birth of thief names pump {pump}, which {SECOND} delivers"
    await stranger.until(lambda: stranger.entries("refused", refusal).height == 1)
    order = Transfer(id="t", pumps=[pump], gateway="thief", who="eva", at=now_ms())
    stranger.send(COMMAND, encode(order))
    stranger.send(COMMAND, stranger.sign(COMMAND, order))
    await stranger.until(lambda: stranger.pumps()[pump] == "thief")
    await stranger.until(lambda: stranger.entries("moved", f"from {SECOND} to thief")["who"].to_list() == ["eva"])
    order = Transfer(id="back", pumps=[pump], gateway=SECOND, who="eva", at=now_ms())
    stranger.send(COMMAND, stranger.sign(COMMAND, order))
    await stranger.until(lambda: stranger.pumps()[pump] == SECOND)


async def test_an_empty_birth_of_a_gateway_that_sends_leaves_it_its_confirmations(stranger: Stranger) -> None:
    stranger.send(topic_of(FIRST, "birth"), b"", retain=True)
    await stranger.until(lambda: journal_has(stranger, "left", FIRST))
    stranger.heard.clear()
    await stranger.until(lambda: sum(each.topic == confirmed_topic(FIRST) for each in stranger.heard) >= 2)
    states = dict(stranger.snapshot().gateways.select("gateway", "state").iter_rows())
    assert states[FIRST] == "online"


async def test_gateways_and_pumps_that_somebody_makes_up_are_limited_and_the_real_ones_go_on(
    stranger: Stranger,
) -> None:
    for number in range(400):
        stranger.sample(f"made-up-{number}", f"MADE-UP-{number}")
    await stranger.until(lambda: "rate_exceeded" in stranger.alarms())
    before = stranger.snapshot().health.samples
    await stranger.until(lambda: stranger.snapshot().health.samples > before + 8)
    assert stranger.snapshot().gateways.height <= 60
    assert stranger.snapshot().pumps.height <= 110
    exceeded = {bound.name: bound.reached for bound in stranger.snapshot().health.bounds}
    assert exceeded["new gateways within a minute"] > 300


async def test_whoever_subscribes_gets_the_key_that_commands_are_verified_with(stranger: Stranger) -> None:
    published = Link(parse_url(stranger.url), "", on_message=stranger.heard.append)
    await published.open()
    published.subscribe(KEYS)
    await stranger.until(lambda: any(each.topic == KEYS and each.retained for each in stranger.heard))
    keys = next(each.payload for each in stranger.heard if each.topic == KEYS)
    assert json.loads(keys) == json.loads((stranger.data / action_key.PUBLIC).read_bytes())
    await published.close()


def journal_has(stranger: Stranger, kind: str, subject: str) -> bool:
    found = journal_query.entries(stranger.data, journal_query.Query(limit=1000))
    return found.filter(pl.col("kind") == kind, pl.col("subject") == subject).height > 0
