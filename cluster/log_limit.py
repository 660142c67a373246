"""Limit of the cluster's log: the stream of messages that no processor has taken yet never fills a server's store.

NATS makes the stream without a limit. When the store of a server is full, it refuses everything: messages, but also
leases and sessions, without which no processor can come and take messages out. So the stream gets a limit below that of
the store. When it is reached, the server refuses a message by closing the connection; gateways keep it and try again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from broker.store.snapshot import CapacityLimit

log = logging.getLogger("node")

STREAM: Final = "$MQTT_msgs"
"""The stream in which NATS keeps messages of MQTT with QoS 1 until every session has acknowledged them."""
SHARE: Final = 0.75
"""Of the smallest store of a server; the rest is for leases, sessions and retained messages."""
FULL: Final = 0.99
"""Share from which the stream is taken for full: not every message fits any more."""
INTERVAL_S: Final = 2.0
NOT_FOUND: Final = 404
NAME: Final = "log of the cluster"


class Requests(Protocol):
    """A connection to the servers, as far as it is needed here."""

    async def request(self, subject: str, payload: bytes = b"") -> bytes:
        """Return the answer to a request; raises `OSError` if there is none."""


@dataclass
class LogLimit:
    """Keeps the limit of the log and knows how full it is; `stores` are the sizes of the servers' stores in bytes.

    `reached` is how often the log became full, `problem` why its limit could not be set, empty if it was.
    """

    servers: Requests
    stores: Sequence[int]
    reached: int = 0
    problem: str = ""
    _used: tuple[int, int] | None = field(default=None, init=False)
    _full: bool = field(default=False, init=False)

    def limits(self) -> list[CapacityLimit]:
        """Return how full the log is; an empty list until the servers have answered."""
        if self._used is None:
            return []
        used, limit = self._used
        return [CapacityLimit(NAME, used, limit, "bytes", self.reached)]

    async def run(self) -> None:
        """Check every `INTERVAL_S` until cancelled, because servers that lost their disks create the stream again."""
        while True:
            await self.step()
            await asyncio.sleep(INTERVAL_S)

    async def step(self) -> None:
        """Read the stream once, and give it its limit if it has another; a failure is logged once."""
        try:
            found = await self._ask("INFO")
            if found is None:
                return
            config, wanted = found["config"], round(SHARE * min(self.stores))
            own = config["max_bytes"]
            if config["discard"] != "new" or not 0 < own <= wanted:
                limit = min(own, wanted) if own > 0 else wanted
                found = await self._ask("UPDATE", config | {"max_bytes": limit, "discard": "new"}) or found
            self._note(int(found["state"]["bytes"]), int(found["config"]["max_bytes"]))
        except (OSError, ValueError, KeyError) as error:
            self._say(str(error) or type(error).__name__)
        else:
            self._say("")

    def _note(self, used: int, limit: int) -> None:
        full = used >= FULL * limit
        self.reached += full and not self._full
        self._used, self._full = (used, limit), full

    def _say(self, problem: str) -> None:
        if problem and not self.problem:
            log.warning("the limit of the log of the cluster cannot be checked: %s", problem)
        self.problem = problem

    async def _ask(self, what: str, config: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """Return what the servers say of the stream, None if there is none yet; raises `ValueError` if they refuse."""
        body = b"" if config is None else json.dumps(config).encode()
        found: dict[str, Any] = json.loads(await self.servers.request(f"$JS.API.STREAM.{what}.{STREAM}", body))
        if (error := found.get("error")) is None:
            return found
        if error.get("code") == NOT_FOUND:
            return None
        raise ValueError(str(error.get("description") or error))
