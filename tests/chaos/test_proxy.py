"""The bad network of these tests is as bad as it is told, and no worse."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from .proxy import Proxy

ENOUGH_S = 30.0


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """A proxy before a server that sends back what it hears."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    found = Proxy(server.sockets[0].getsockname()[1], random.Random(1))
    await found.start()
    yield found
    await found.close()
    server.close()


async def test_it_forwards_delays_mutates_and_disconnects(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    async with asyncio.timeout(ENOUGH_S):
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        proxy.silent = True
        writer.write(b"again")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.readexactly(5), 0.3)
        proxy.restore()
        assert await reader.readexactly(5) == b"again"
        proxy.flips_a_chunk = 1.0
        writer.write(b"hello")
        assert await reader.readexactly(5) != b"hello"
        proxy.cut()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
    writer.close()
