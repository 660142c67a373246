"""Publishes ground truth: with a login of its own if gateways have theirs, else through the first gateway."""

from __future__ import annotations

import asyncio
import collections
import logging
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from broker.contract.topics import TRUTH
from broker.mqtt.address import Address
from broker.mqtt.link import Link
from broker.mqtt.reconnection import keep_open

log = logging.getLogger("simulator")

MAX_PENDING: Final = 1000
"""Messages of ground truth that wait for a connection; beyond it the oldest are lost, with a warning."""


class Sender(Protocol):
    """What publishes, as a session of a gateway does."""

    @property
    def alive(self) -> bool: ...  # noqa: D102

    def publish(self, topic: str, payload: bytes) -> object: ...  # noqa: D102


@dataclass
class TruthChannel:
    """Publishes ground truth at `address` with its login; None takes the connection of a gateway instead."""

    address: Address | None
    lost: int = 0
    _pending: collections.deque[bytes] = field(default_factory=lambda: collections.deque(maxlen=MAX_PENDING))
    _link: Link | None = None

    async def run(self) -> None:
        """Keep the connection open until cancelled, if it has one of its own."""
        if self.address is None:
            return
        self._link = Link(self.address, "")

        async def session(_: Link) -> None:
            await asyncio.Event().wait()

        await keep_open(self._link, session, report=log.warning, chance=random.Random())

    def publish(self, messages: Iterable[bytes], gateway: Sender) -> None:
        """Publish messages, after those that waited; without a connection the latest wait."""
        for message in messages:
            self.lost += len(self._pending) == MAX_PENDING
            self._pending.append(message)
        sender: Sender | None = gateway if self.address is None else self._link
        while self._pending and sender is not None and sender.alive:
            sender.publish(TRUTH, self._pending.popleft())
        if self.lost:
            log.warning("%s messages of ground truth were lost: the broker was away for too long", self.lost)
            self.lost = 0
