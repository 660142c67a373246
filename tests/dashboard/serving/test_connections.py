"""Attacks on connections: slow ones, many of them, and handshakes that never end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from pathlib import Path

import pytest

from dashboard.serving.connections import Connections, source
from dashboard.serving.counted_log import CountedLog
from dashboard.serving.tls import Certificate
from dashboard.settings import Limits, TlsFiles, _network
from tests.broker.certificates import Authority
from tests.dashboard.serving.conftest import ServedAs

QUICK = Limits(header_s=0.6, body_s=0.6, idle_s=1, reading_s=0.5)


async def test_450_slow_connections_are_closed_in_time_and_others_are_answered_meanwhile(
    served: ServedAs, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(limits=Limits(header_s=1.0, connections_per_address=500)) as place:
        slow = [await place.connect() for _ in range(450)]
        for line in slow:
            await line.send(b"GET / HTTP/1.1\r\nHost: local")
        began = time.monotonic()
        assert await place.ask() == (200, "0 bytes over http")
        await asyncio.sleep(0.5)
        for line in slow:
            with contextlib.suppress(ConnectionError):  # a slow machine: the time is over already
                await line.send(b"h")  # one more byte gives no more time
        assert all(await asyncio.gather(*(line.ended() for line in slow)))
        assert time.monotonic() - began < 5
        assert await place.ask() == (200, "0 bytes over http")
    slow_lines = [record.message for record in caplog.records if "no complete request headers" in record.message]
    assert len(slow_lines) == 1


async def test_a_connection_that_says_nothing_and_one_that_stays_idle_are_closed(served: ServedAs) -> None:
    async with served(limits=QUICK) as place:
        silent, idle = await place.connect(), await place.connect()
        await idle.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await idle.reply())[0] == 200
        async with asyncio.timeout(5):
            assert await silent.ended()
            assert await idle.ended()


async def test_a_body_that_does_not_end_is_closed(served: ServedAs) -> None:
    async with served(limits=QUICK) as place:
        line = await place.connect()
        await line.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc")
        async with asyncio.timeout(5):
            assert await line.ended()


async def test_a_client_that_does_not_read_is_closed(served: ServedAs) -> None:
    async def large(scope: object, receive: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
        for _ in range(200):
            await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})  # type: ignore[operator]

    async with served(large, limits=QUICK) as place:
        line = await place.connect()
        line.reader._limit = 2**10  # type: ignore[attr-defined]
        await line.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(1.2)
        async with asyncio.timeout(5):
            received = b""
            while part := await line.reader.read(2**20):
                received += part
    assert len(received) < 100 * 2**20


async def test_one_address_has_a_bounded_number_of_connections_and_the_log_one_line(
    served: ServedAs, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(limits=Limits(connections_per_address=3)) as place:
        kept = [await place.connect() for _ in range(3)]
        refused = [await place.connect() for _ in range(20)]
        assert all(await asyncio.gather(*(line.ended() for line in refused)))
        kept[0].close()
        await asyncio.sleep(0.05)
        assert await place.ask() == (200, "0 bytes over http"), "a connection that ended makes room"
    lines = [record for record in caplog.records if "connections of one address are open" in record.message]
    assert [record.levelno for record in lines] == [logging.WARNING]


def test_a_named_proxy_has_no_bound_of_its_own_but_the_total_holds() -> None:
    log = CountedLog(lambda: 0.0)
    connections = Connections(Limits(connections=4, connections_per_address=2), (_network("10.0.0.0/8"),), log)
    assert [connections.enter(("10.1.2.3", port)) for port in range(3)] == [True, True, True]
    assert connections.enter(("192.0.2.1", 1))
    assert not connections.enter(("192.0.2.2", 1)), "all four are in use"
    connections.leave(("10.1.2.3", 0))
    connections.leave(("10.1.2.3", 0))
    assert len(connections) == 3
    assert connections.enter(("192.0.2.1", 2))
    connections.leave(("10.1.2.3", 1))
    assert not connections.enter(("192.0.2.1", 3)), "two of one address"
    assert log.counts == {"connections": 1, "connections of one address": 1}


@pytest.mark.parametrize(
    ("host", "counted"),
    [("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8::1", "2001:db8::/64")],
)
def test_an_ipv6_network_of_64_bits_counts_as_one_address(host: str, counted: str) -> None:
    assert source(host) == counted


async def test_tls_is_spoken_and_a_handshake_that_never_ends_is_closed(served: ServedAs, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.issue("localhost")
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    async with served(tls=Certificate(TlsFiles(certificate, key), time.monotonic), limits=QUICK) as place:
        silent = await place.connect()
        await silent.send(b"\x16\x03\x01")
        assert await place.ask(tls=trusting) == (200, "0 bytes over https")
        plain = await place.connect()
        await plain.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await plain.reply())[0] == 0
            assert await silent.ended()
        line = await place.connect(trusting)
        async with asyncio.timeout(5):
            assert await line.ended(), "headers must come in time over TLS, too"
