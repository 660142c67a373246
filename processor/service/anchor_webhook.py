"""Webhook for the end of the journal: a copy outside this machine, which nobody here can change."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import msgspec

from broker.mqtt.endpoint import is_loopback
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
    url: str = field(repr=False)


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
    # Imported only if it is used: the import takes a quarter of a second.
    import httpx2  # noqa: PLC0415

    # It logs each URL.
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    try:
        async with asyncio.timeout(TIMEOUT_S), httpx2.AsyncClient(trust_env=False, timeout=None) as client:
            headers = {"Content-Type": "application/json", "Connection": "close"}
            async with client.stream("POST", address.url, content=body, headers=headers) as answer:
                status = answer.status_code
    except TimeoutError as error:
        raise WebhookError(f"no answer within {TIMEOUT_S:g} s") from error
    except httpx2.HTTPError as error:
        raise WebhookError(str(error) or type(error).__name__) from error
    if not answer.is_success:
        raise WebhookError(f"it answered with status {status}")


def address_of(url: str) -> Address:
    """Return the address of a URL: https, or http on this machine. Raises `WebhookError`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise WebhookError("it is not a valid URL") from error
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    if not host or not host.isascii() or not safe:
        raise WebhookError("it must begin with https://HOST, or with http:// and an address of this machine")
    if parts.username is not None:
        raise WebhookError("it contains a user; put a token into its path instead")
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    if not path.isascii() or not path.isprintable() or " " in path:
        raise WebhookError("its path contains characters that must be percent-encoded")
    return Address(host, url)
