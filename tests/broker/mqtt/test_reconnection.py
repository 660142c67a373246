"""Sessions reconnect after a loss, and each outage is reported once."""

from __future__ import annotations

import asyncio
import contextlib
import random
import re

import pytest

from broker.mqtt import reconnection
from broker.mqtt.address import parse_url
from broker.mqtt.link import Link
from broker.mqtt.reconnection import keep_open


@pytest.mark.broker
async def test_a_session_comes_back_when_its_broker_was_killed_and_started_again(own_broker, until):
    await own_broker.start()
    received, reports, sessions = [], [], []

    async def session(link: Link) -> None:
        link.subscribe("again/#")
        sessions.append(link)
        await asyncio.Event().wait()

    link = Link(parse_url(own_broker.url), "again", on_message=received.append)
    keeping = asyncio.create_task(keep_open(link, session, report=reports.append, chance=random.Random(1)))
    await until(lambda: len(sessions) == 1)
    own_broker.kill()
    await until(lambda: reports)
    assert reports[0].startswith(f"Connection to {own_broker.url} lost (")
    assert re.search(r"\); next attempt in \d\.\d s$", reports[0])
    assert not link.alive
    await own_broker.start()
    await until(lambda: len(sessions) == 2)
    link.publish("again/a", b"hello")
    await until(lambda: received)
    assert received[0].payload == b"hello"
    assert len(reports) == 2
    assert re.fullmatch(rf"Reconnected to {own_broker.url} after \d+ attempts?", reports[1])
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    assert not link.alive


@pytest.mark.broker
async def test_sessions_that_it_ends_by_itself_are_no_take_over(mosquitto, until, monkeypatch):
    monkeypatch.setattr(reconnection, "MIN_WAIT_S", 0.01)
    sessions = []

    async def session(link: Link) -> None:
        sessions.append(link)
        await link.close()

    link, chance = Link(parse_url(mosquitto), "by-itself"), random.Random(1)
    fine = keep_open(link, session, report=lambda _: None, chance=chance, network_fine=lambda: True)
    keeping = asyncio.create_task(fine)
    await until(lambda: keeping.done() or len(sessions) > reconnection.MAX_SHORT_SESSIONS)
    assert not keeping.done()
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


@pytest.mark.broker
async def test_a_broker_that_is_not_there_yet_is_complained_of_once_and_then_found(own_broker, until):
    reports, sessions = [], []

    async def session(link: Link) -> None:
        sessions.append(link)
        await asyncio.Event().wait()

    link = Link(parse_url(own_broker.url), "early")
    keeping = asyncio.create_task(keep_open(link, session, report=reports.append, chance=random.Random(1)))
    await until(lambda: reports)
    await asyncio.sleep(0.4)
    assert len(reports) == 1
    assert re.fullmatch(rf"No broker at {own_broker.url}: .*; next attempt in \d\.\d s", reports[0])
    await own_broker.start()
    await until(lambda: sessions)
    assert re.fullmatch(rf"Reconnected to {own_broker.url} after \d+ attempts?", reports[1])
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping


@pytest.mark.broker
async def test_an_error_in_a_session_is_not_swallowed(mosquitto):
    async def session(_: Link) -> None:
        raise ValueError("a mistake of ours")

    link = Link(parse_url(mosquitto), "mistaken")
    with pytest.raises(ValueError, match="a mistake of ours"):
        await keep_open(link, session, report=lambda _: None, chance=random.Random(1))
    assert not link.alive
