"""Load tests through proxies: exact counts of what is lost, and the slowed part by name; part of `make chaos`."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from msgspec import structs
from rich.console import Console

from broker.mqtt.address import parse_url
from broker.mqtt.local_broker import url_of
from pumpwatch.commands.load_target import Target
from pumpwatch.commands.load_trial import Trial, search
from tests.chaos.message_proxy import MessageProxy
from tests.chaos.proxy import Proxy
from trials.load.generator import wall_ms
from trials.load.profile import Disturbance, Profile, Stage, Threshold
from trials.load.result import Result

PUMPS, PER_GATEWAY = 100, 5


def profile(hold: float, *disturbances: Disturbance, **settings) -> Profile:
    return Profile(
        interval=0.5,
        pumps_per_gateway=PER_GATEWAY,
        stage=(Stage(pumps=PUMPS, ramp=1.0, hold=hold),),
        disturbance=disturbances,
        threshold=(Threshold(metric="latency.shown.p99", below=1.0), Threshold(metric="loss", below=0)),
        **settings,
    )


class Through(Trial):
    """A trial whose gateways connect through a proxy; `make` gets the port of the broker."""

    def __init__(self, make):
        super().__init__("proxies", Console(stderr=True), Target(), None, wall_ms, browser=False)
        object.__setattr__(self, "make", make)

    @contextlib.asynccontextmanager
    async def _system(self, profile, view, stop) -> AsyncIterator:
        async with super()._system(profile, view, stop) as system:
            proxy = self.make(parse_url(system.gateway_url).port)  # type: ignore[attr-defined]
            await proxy.start()
            object.__setattr__(self, "proxy", proxy)
            try:
                yield replace(system, gateway_url=url_of("127.0.0.1", proxy.port))
            finally:
                await proxy.close()


async def run(make, tested: Profile) -> tuple[Result, object]:
    trial = Through(make)
    result = await trial.run(tested)
    return result, trial.proxy  # type: ignore[attr-defined]


async def test_losses_duplicates_and_swaps_by_a_proxy_are_counted_exactly_per_hop():
    # Twenty gateways send 40 messages a second. The first seconds belong to the ramp. With steps of 21 no two of these
    # messages follow each other on a connection.
    numbers = list(range(200, 200 + 24 * 21, 21))
    random.Random(1).shuffle(numbers)
    drop, duplicate, swap = (frozenset(numbers[first : first + 8]) for first in (0, 8, 16))

    def make(port: int) -> MessageProxy:
        return MessageProxy(port, b"/telemetry", drop, duplicate, swap)

    result, proxy = await run(make, profile(hold=20.0, faulty=0.0))
    assert isinstance(proxy, MessageProxy)
    assert proxy.done == {"drop": 8, "duplicate": 8, "swap": 8}
    (stage,) = result.stages
    assert stage.lost["confirmed"] == 0, "the proxy confirmed what it dropped"
    assert stage.lost["received"] == stage.lost["shown"] == 8 * PER_GATEWAY
    assert stage.duplicates == 8 * PER_GATEWAY
    assert stage.disorder == 8


@pytest.mark.parametrize("seed", range(5))
async def test_a_broker_slowed_by_a_proxy_is_named(seed):
    delay = random.Random(seed).uniform(0.6, 2.0)
    result, _ = await run(lambda port: Proxy(port, random.Random(seed), latency_s=delay), profile(hold=6.0))
    assert result.blame is not None
    assert result.blame["part"] == "broker", result.blame


@pytest.mark.parametrize("seed", range(5))
async def test_a_processor_that_hangs_is_named(seed):
    hold = random.Random(seed).uniform(1.5, 4.0)
    pause = Disturbance(kind="pause", part="processor", at=4.0, hold=hold)
    result, _ = await run(lambda port: Proxy(port, random.Random(seed)), profile(8.0, pause))
    assert result.blame is not None
    assert result.blame["part"] == "processor", result.blame


async def test_when_the_broker_is_slowed_by_a_proxy_the_knee_finder_names_the_broker():
    base = profile(hold=6.0, faulty=0.0)
    trial = Through(lambda port: Proxy(port, random.Random(1), bytes_a_s=20_000.0))
    first = replace_stage(base, 50)
    found = await search(first, "pumps", trial)
    assert found.knee is not None
    assert found.knee["load"] is not None
    assert found.knee["blame"]["part"] == "broker", found.knee


def replace_stage(base: Profile, pumps: int) -> Profile:
    return structs.replace(base, stage=(Stage(pumps=pumps, ramp=1.0, hold=6.0),), pumps_per_gateway=10_000)


async def test_a_slow_consumer_fills_the_queues_of_the_broker_and_not_those_of_the_processor():
    slow = Disturbance(kind="slow_consumer", at=3.0, hold=8.0)
    result, _ = await run(lambda port: Proxy(port, random.Random(1)), profile(10.0, slow, faulty=0.0))
    assert any("the slow consumer read" in note for note in result.notes)
    assert result.stages[0].lost["shown"] == 0
