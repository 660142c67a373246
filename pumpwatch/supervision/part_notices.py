"""This file lets the journal know which parts of the system started and ended: the processor hears it on the wire."""

from __future__ import annotations

import asyncio
import collections
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pumpwatch.supervision.supervisor import State

if TYPE_CHECKING:
    from broker.contract.part_notices import Notice

MOST: Final = 1000
"""Notices that wait while there is no broker; beyond it the oldest are let go."""
PAUSE_S: Final = 1.0


@dataclass
class Notices:
    """What is to be told through the broker of that address, in order."""

    url: str
    _waiting: collections.deque[Notice] = field(default_factory=lambda: collections.deque(maxlen=MOST))

    def put(self, state: State, part: str, text: str) -> None:
        """Take a notice in."""
        from broker.contract.part_notices import Notice

        self._waiting.append(Notice(part=part, state=state, text=text, at=time.time_ns() // 1_000_000))

    async def tell_on(self) -> None:
        """Tell what waits, again and again until cancelled; without a broker it waits on."""
        from broker.mqtt.address import LinkError
        from broker.mqtt.request_reply import tell

        while True:
            await asyncio.sleep(PAUSE_S)
            telling = list(self._waiting)
            try:
                if telling:
                    await tell(self.url, telling)
            except LinkError:
                continue
            for _ in telling:
                self._waiting.popleft()
