"""Consumers that exist on the log of messages: sessions of MQTT made with other settings keep them for ever."""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

from cluster.log_limit import STREAM
from cluster.nats_server import max_ack_pending
from cluster.preflight import Existing

OF_FLEET: Final = "$MQTT.msgs.itb."
"""How subjects of gateways' messages begin."""
MAX_LISTED: Final = 100_000
"""Consumers that are looked at; a gateway has three, of which none is of the fleet."""


class Requests(Protocol):
    """A connection to the servers, as far as it is needed here."""

    async def request(self, subject: str, payload: bytes = b"") -> bytes:
        """Return the answer to a request; raises `OSError` if there is none."""


async def existing(servers: Requests, ranges: int) -> list[Existing]:
    """Return the consumers of telemetry that hold more unacknowledged messages than a range's session has room for.

    NATS refuses further subscriptions of such a session. Raises `OSError` if the servers do not answer.
    """
    limit, found = max_ack_pending(ranges), []
    for consumer in await _all(servers):
        config = consumer.get("config") or {}
        pending = config.get("max_ack_pending", 0)
        if str(config.get("filter_subject", "")).startswith(OF_FLEET) and pending > limit:
            name = str(consumer.get("name"))
            found.append(Existing("consumer", name, {"max_ack_pending": pending}, {"max_ack_pending": limit}))
    return found


async def _all(servers: Requests) -> list[dict[str, Any]]:
    """Return all consumers of the log, which the servers list in pages; none if there is no log yet."""
    found: list[dict[str, Any]] = []
    while len(found) < MAX_LISTED:
        body = json.dumps({"offset": len(found)}).encode()
        answer = json.loads(await servers.request(f"$JS.API.CONSUMER.LIST.{STREAM}", body))
        page = answer.get("consumers") or []
        found += page
        if not page or len(found) >= answer.get("total", 0):
            break
    return found
