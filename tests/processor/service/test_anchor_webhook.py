"""Webhook of the journal: its end reaches an address outside, and a receiver that fails is shown, not waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from typer.testing import CliRunner

from broker.store.journal_chain import Head
from processor.service import anchor_webhook
from processor.service.anchor_webhook import Webhook, WebhookError, address_of
from processor.service.metering import Meter
from pumpwatch.__main__ import app

HEAD = Head(7, bytes(range(32)))


@asynccontextmanager
async def receiver(answer: bytes, heard: Callable[[bytes], None] = lambda _: None) -> AsyncIterator[Webhook]:
    """Serve one answer on this machine; yield a webhook that sends there."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.append(asyncio.current_task())
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].split()[0])
        heard(head + await reader.readexactly(size))
        writer.write(answer)
        if not answer:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    handlers: list[Any] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    meter = Meter(started=1, broker="mqtt://127.0.0.1:1")
    try:
        yield Webhook(address_of(f"http://127.0.0.1:{port}/anchors?token=abc"), "ward-7", meter, lambda: 5)
    finally:
        server.close()
        await asyncio.gather(*handlers)


async def test_the_end_of_the_journal_is_sent() -> None:
    heard: list[bytes] = []
    async with receiver(b"HTTP/1.1 204 No Content\r\n\r\n", heard.append) as webhook:
        await webhook.send(HEAD)
    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /anchors?token=abc HTTP/1.1\r\n")
    assert json.loads(body) == {"installation": "ward-7", "at": 5, "entries": 7, "hash": HEAD.hash.hex()}
    assert webhook.meter.troubles == {}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\n\r\n", "status 302"),
        (b"nonsense\r\n", "failed"),
        (b"", "no answer within 0.2 s"),
    ],
)
async def test_a_receiver_that_fails_is_a_trouble_with_a_count(
    answer: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anchor_webhook, "TIMEOUT_S", 0.2)
    async with receiver(answer) as webhook:
        await webhook.send(HEAD)
        await webhook.send(HEAD)
    text = webhook.meter.troubles["journal webhook"]
    assert "failed 2 times in a row" in text
    assert reason in text
    assert "token" not in text


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://log.example/x", "must begin with https://HOST"),
        ("ftp://127.0.0.1/x", "must begin with https://HOST"),
        ("https://", "must begin with https://HOST"),
        ("https://anna:secret@log.example/x", "contains a user"),
        ("https://log.example/a b", "percent-encoded"),
        ("https://log.example:99999/", "not a valid URL"),
    ],
)
def test_an_address_that_is_not_safe_is_refused_without_being_quoted(url: str, reason: str) -> None:
    with pytest.raises(WebhookError, match=reason):
        address_of(url)
    done = CliRunner().invoke(app, ["process", "--journal-anchor-url", url], env={"COLUMNS": "300"})
    assert done.exit_code == 2
    assert reason in done.output
    assert "secret" not in done.output
