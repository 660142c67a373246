"""Webhook for the end of the journal: a copy outside this machine, which nobody here can change."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import msgspec

from broker.mqtt.endpoint import host_and_port, is_loopback
from broker.store.journal_chain import Head
from processor.service.metering import Meter

TIMEOUT_S: Final = 5.0
PART: Final = "journal webhook"
"""Name of the trouble."""


class WebhookError(Exception):
    """The webhook did not accept a message, or its address cannot be used; the text says why."""


@dataclass(frozen=True)
class Address:
    """Where the webhook is. The path may be a secret, so no text quotes it."""

    host: str
    port: int
    path: str
    tls: bool


@dataclass
class Webhook:
    """Sends the end of the journal to an address; failures are counted, and a trouble until one is accepted.

    `installation` tells the receiver whose journal it is; `wall_ms` is the wall clock.
    """

    address: Address
    installation: str
    meter: Meter
    wall_ms: Callable[[], int]
    failures: int = 0

    async def send(self, head: Head) -> None:
        """Send number and hash of the last entry as JSON, within `TIMEOUT_S`."""
        message = {
            "installation": self.installation,
            "at": self.wall_ms(),
            "entries": head.entries,
            "hash": head.hash.hex(),
        }
        try:
            await post(self.address, msgspec.json.encode(message))
        except WebhookError as error:
            self.failures += 1
            text = f"the webhook of the journal at {self.address.host} failed {self.failures:,} times in a row: {error}"
            self.meter.trouble(PART, text)
        else:
            self.failures = 0
            self.meter.recovered(PART)


async def post(address: Address, body: bytes) -> None:
    """Send a message; a redirect is not followed. Raises `WebhookError` if it is not accepted within `TIMEOUT_S`."""
    context = ssl.create_default_context() if address.tls else None
    head = (
        f"POST {address.path} HTTP/1.1\r\nHost: {host_and_port(address.host, address.port)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    try:
        async with asyncio.timeout(TIMEOUT_S):
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=context)
            try:
                writer.write(head.encode("ascii") + body)
                await writer.drain()
                answer = (await reader.readline()).split()
            finally:
                writer.close()
    except TimeoutError as error:
        raise WebhookError(f"no answer within {TIMEOUT_S:g} s") from error
    except (OSError, ValueError) as error:
        raise WebhookError(str(error)) from error
    status = answer[1].decode("ascii", "replace") if len(answer) > 1 else "none"
    if not status.startswith("2"):
        raise WebhookError(f"it answered with status {status[:40]!a}")


def address_of(url: str) -> Address:
    """Return the address of a URL: https, or http on this machine. Raises `WebhookError`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise WebhookError("it is not a valid URL") from error
    tls = parts.scheme == "https"
    if not host or not host.isascii() or not (tls or (parts.scheme == "http" and is_loopback(host))):
        raise WebhookError("it must begin with https://HOST, or with http:// and an address of this machine")
    if parts.username is not None:
        raise WebhookError("it contains a user; put a token into its path instead")
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    if not path.isascii() or not path.isprintable() or " " in path:
        raise WebhookError("its path contains characters that must be percent-encoded")
    return Address(host, port or (443 if tls else 80), path, tls)
