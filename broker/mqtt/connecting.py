"""Limits and errors of opening a connection, the same for every kind of session."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from typing import Final

from broker.mqtt.address import Address, LinkError
from broker.mqtt.tls import untrusted

CONNECT_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 1.0
KEEPALIVE_S: Final = 30


@contextlib.asynccontextmanager
async def connecting(address: Address, timeout_s: float = CONNECT_TIMEOUT_S) -> AsyncIterator[None]:
    """Limit the time to connect, and raise `LinkError` for whatever prevents it; then the next server has its turn."""
    tried, url = (address.host, address.port), address.url
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except (OSError, ValueError, LinkError) as error:
        address.turn(tried)
        if isinstance(error, LinkError):
            raise
        raise _explained(error, url, timeout_s) from error


def _explained(error: OSError | ValueError, url: str, timeout_s: float) -> LinkError:
    if isinstance(error, TimeoutError):
        return LinkError(f"{url} did not answer within {timeout_s:g} s")
    if isinstance(error, ssl.SSLCertVerificationError):
        return LinkError(untrusted(url, error))
    return LinkError(f"no broker at {url}: {error}")


def closed_early(address: Address, client_id: str, reason: str, code: int | None) -> LinkError:
    """Return the error of a connection that the broker closed before it accepted it."""
    text = f"{address.url} closed the connection of client {client_id!r}: {reason}"
    if address.tls and not address.files.client_cert:
        text += "; if it asks for client certificates, name yours with --client-cert and --client-key"
    return LinkError(text, code)
