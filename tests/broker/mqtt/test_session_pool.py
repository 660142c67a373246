"""Many sessions of one process: they connect, survive the death of their broker together, and end in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from broker.mqtt import settling
from broker.mqtt.address import LinkError, TakenOverError, parse_url
from broker.mqtt.link import Link, Message, Will
from broker.mqtt.reasons import NO_MATCHING_SUBSCRIBERS, Undelivered
from broker.mqtt.session_pool import SessionPool
from broker.mqtt.settling import settle
from broker.mqtt.stream_link import StreamLink

SESSIONS = 200
ENOUGH_S = 60.0


class Speaker:
    """A session that says hello on each connection, and what it was told about its messages."""

    def __init__(self, name: str, url: str) -> None:
        self.address, self.client_id, self.barred = parse_url(url), name, False
        self.received: list[Message] = []
        self.outcomes: dict[int, Undelivered | None] = {}
        self.ends: list[str] = []
        self.link = StreamLink(
            self.address,
            name,
            on_message=self.received.append,
            on_published=self.outcomes.__setitem__,
            on_ended=self._ended,
            will=Will(f"{name}/will", b"gone"),
        )
        self._lost: Callable[[str], None] = self.ends.append

    @property
    def end_code(self) -> int | None:
        return self.link.end_code

    async def connect(self, lost: Callable[[str], None]) -> None:
        self._lost = lost
        await self.link.open()
        self.link.publish(f"{self.client_id}/hello", b"hello")

    def keep_up(self, now_s: float) -> None:
        self.link.keep_alive(now_s)

    def disconnect(self) -> None:
        self.link.disconnect()

    def abort(self) -> None:
        self.link.abort()

    def _ended(self, reason: str) -> None:
        self.ends.append(reason)
        self._lost(reason)


@contextlib.asynccontextmanager
async def kept_open(speakers: list[Speaker]) -> AsyncIterator[tuple[SessionPool, list[str]]]:
    reports: list[str] = []
    pool = SessionPool(speakers, reports.append, lambda _: None, random.Random(1))
    running = asyncio.create_task(pool.run())
    try:
        yield pool, reports
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


@contextlib.asynccontextmanager
async def listening(url: str, topic: str) -> AsyncIterator[list[Message]]:
    heard: list[Message] = []
    link = Link(parse_url(url), f"listener-{uuid.uuid4().hex[:8]}", on_message=heard.append)
    await link.open()
    link.subscribe(topic)
    try:
        yield heard
    finally:
        await link.close()


@contextlib.asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[str]:
    """Serve clients with the same answer, whatever they say, and then hang up; yield the URL."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def speakers(url: str, count: int = SESSIONS) -> list[Speaker]:
    return [Speaker(f"pool-{uuid.uuid4().hex[:8]}-{number}", url) for number in range(count)]


@pytest.mark.broker
async def test_when_the_broker_dies_all_come_back_and_the_user_reads_of_one_outage(own_broker, until):
    await own_broker.start()
    many = speakers(own_broker.url)
    async with kept_open(many) as (pool, reports):
        await until(pool.complete.is_set)
        assert pool.connected == SESSIONS
        own_broker.kill()
        await until(lambda: pool.connected == 0)
        await own_broker.start()
        await until(lambda: len(reports) == 2)
        assert pool.connected == SESSIONS
    assert all(len(each.ends) == 2 for each in many)
    assert reports[0].startswith(f"Connection to {own_broker.url} lost (")
    assert reports[1] == f"Reconnected to {own_broker.url}"


@pytest.mark.broker
async def test_a_broker_that_starts_late_is_reported_once_and_then_found_by_all(own_broker, until):
    async with kept_open(speakers(own_broker.url, 20)) as (pool, reports):
        await until(lambda: reports)
        await own_broker.start()
        await until(pool.complete.is_set)
        assert len(reports) in {1, 2}
        assert reports[0].startswith(f"No broker at {own_broker.url}: ")


@pytest.mark.broker
async def test_a_session_that_ends_on_purpose_leaves_no_will_and_one_that_is_dropped_does(mosquitto, until):
    leaving, dropped = speakers(mosquitto, 2)
    async with listening(mosquitto, f"{leaving.client_id}/will") as goodbyes:
        async with (
            listening(mosquitto, f"{dropped.client_id}/will") as wills,
            kept_open([leaving, dropped]) as (pool, _),
        ):
            await until(pool.complete.is_set)
            dropped.abort()
            await until(lambda: wills)
        assert not goodbyes


async def test_another_client_with_the_same_id_ends_the_pool_instead_of_a_quarrel():
    async with answering(b"\x20\x03\x00\x00\x00" + b"\xe0\x01\x8e") as url:
        pool = SessionPool([Speaker("twin", url)], print, print, random.Random(1))
        with pytest.raises(TakenOverError, match=f"another client with the id twin connected to {url} and took over"):
            await asyncio.wait_for(pool.run(), ENOUGH_S)


@pytest.mark.broker
async def test_a_publication_that_nobody_receives_is_told_from_one_that_was_delivered(mosquitto, until):
    [speaker] = speakers(mosquitto, 1)
    async with kept_open([speaker]) as (pool, _):
        await until(pool.complete.is_set)
        speaker.link.subscribe(f"{speaker.client_id}/a", f"{speaker.client_id}/b")
        us = [speaker.link.publish(f"{speaker.client_id}/{leaf}", leaf.encode()) for leaf in "ab"]
        nobody = speaker.link.publish(f"{speaker.client_id}/c", b"c")
        await until(lambda: len(speaker.outcomes) == 4 and len(speaker.received) == 2)
        assert speaker.link.unconfirmed == 0
    assert [speaker.outcomes[mid] for mid in us] == [None, None]
    assert speaker.outcomes[nobody] == Undelivered(NO_MATCHING_SUBSCRIBERS, "No matching subscribers")
    assert [(each.payload, each.qos) for each in speaker.received] == [(b"a", 1), (b"b", 1)]


@pytest.mark.broker
async def test_a_session_that_hears_nothing_pings_and_is_dropped_when_no_answer_comes(mosquitto, until):
    [speaker] = speakers(mosquitto, 1)
    await speaker.connect(lambda _: None)
    await until(lambda: speaker.outcomes)
    now_s, transport = asyncio.get_running_loop().time(), speaker.link._transport
    assert transport is not None
    speaker.link.keep_alive(now_s + 31)
    await until(lambda: speaker.link._pinged_s is None)
    transport.pause_reading()
    speaker.link.keep_alive(now_s + 70)
    assert speaker.link.alive
    speaker.link.keep_alive(now_s + 101)
    await until(lambda: speaker.ends)
    assert speaker.ends == ["keep-alive timeout"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "closed the connection of client 'odd': the broker closed the connection"),
        (b"\x00\x00", "closed the connection of client 'odd': the broker sent a malformed packet: .*"),
        (b"\x20\x03\x00\x87\x00", "refused the connection of client 'odd': Not authorized"),
        (b"\xe0\x01\x8b", "closed the connection of client 'odd': Server shutting down"),
    ],
)
async def test_what_answers_oddly_is_an_error_that_says_how(answer: bytes, reason: str):
    async with answering(answer) as url:
        link = StreamLink(parse_url(url), "odd", print, print, print, Will("odd/will", b""))
        with pytest.raises(LinkError, match=f"{url} {reason}"):
            await link.open()
    assert not link.alive


async def test_waiting_for_sessions_to_finish_ends_when_nothing_moves_any_more(monkeypatch):
    monkeypatch.setattr(settling, "STALL_S", 0.1)
    left = [5, 4, 3]
    assert await settle(lambda: left.pop(0) if len(left) > 1 else left[0], lambda _: None) == 3
    assert await settle(lambda: 0, lambda _: None) == 0
