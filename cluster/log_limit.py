"""Limit of the cluster's log: the stream of messages that no processor has taken yet never fills a server's store.

NATS makes the stream without a limit. When the store of a server is full, it refuses everything: messages, but also
leases and sessions, without which no processor can come and take messages out. So the stream gets a limit below that of
the store. When it is reached, the server refuses a message by closing the connection; gateways keep it and try again.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from broker.store.snapshot import CapacityLimit
from cluster.log_retention import Retention, RetentionError

log = logging.getLogger("node")

STREAM: Final = "$MQTT_msgs"
"""The stream in which NATS keeps messages of MQTT with QoS 1 until every session has acknowledged them."""
FULL: Final = 0.99
"""Share from which the stream is taken for full: not every message fits any more."""
INTERVAL_S: Final = 2.0
NOT_FOUND: Final = 404
NAME: Final = "log of the cluster"
AGE_NAME: Final = "age of the log of the cluster"


class Requests(Protocol):
    """A connection to the servers, as far as it is needed here."""

    async def request(self, subject: str, payload: bytes = b"") -> bytes:
        """Return the answer to a request; raises `OSError` if there is none."""


@dataclass
class LogLimit:
    """Keeps the limits of the log and knows how full it is; `stores` are the sizes of the servers' stores in bytes.

    `retention` says which limits, and may read a file. `problem` is why they could not be set, empty if they were.
    """

    servers: Requests
    stores: Sequence[int]
    retention: Callable[[], Retention] = Retention
    problem: str = ""
    _found: list[CapacityLimit] = field(default_factory=list, init=False)

    def limits(self) -> list[CapacityLimit]:
        """Return how full the log is, and how old if its age is limited; an empty list until the servers answered."""
        return list(self._found)

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
            config, retention = found["config"], await asyncio.to_thread(self.retention)
            limit = retention.bytes_of(self.stores, config["max_bytes"])
            age_ns = retention.nanoseconds_of(config.get("max_age", 0))
            wanted = {"max_bytes": limit, "max_age": age_ns, "discard": "new"}
            if any(config.get(name, 0) != value for name, value in wanted.items()):
                found = await self._ask("UPDATE", config | wanted) or found
            self._note(int(found["state"]["bytes"]), limit, _age_s(found), age_ns / 1e9)
        except (OSError, ValueError, KeyError, RetentionError) as error:
            self._say(str(error) or type(error).__name__)
        else:
            self._say("")

    def _note(self, used: int, limit: int, age_s: float, max_age_s: float) -> None:
        """Note how full and how old the log is, and count each time that it reaches a limit."""
        found = [CapacityLimit(NAME, used, limit, "bytes")]
        if max_age_s:
            found.append(CapacityLimit(AGE_NAME, age_s, max_age_s, "s", when_full="oldest removed"))
        before = {one.name: one for one in self._found}
        for one in found:
            known = before.get(one.name)
            one.reached = known.reached if known else 0
            one.reached += _full(one) and not (known and _full(known))
        self._found = found

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


def _full(limit: CapacityLimit) -> bool:
    return limit.value >= FULL * limit.limit


def _age_s(found: dict[str, Any]) -> float:
    """Return how old the oldest message of a stream is, by the clock of the server that answered; 0 if it is empty."""
    state = found["state"]
    if not state.get("messages") or "ts" not in found:
        return 0.0
    asked, first = (datetime.fromisoformat(text) for text in (found["ts"], state["first_ts"]))
    return max(0.0, (asked - first).total_seconds())
