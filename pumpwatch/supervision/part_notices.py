"""Publishes which parts started and ended, so that the processor can journal it."""

from __future__ import annotations

import asyncio
import collections
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pumpwatch.supervision.supervisor import State

if TYPE_CHECKING:
    from broker.contract.part_notices import Notice

MAX_PENDING: Final = 1000
"""Notices kept while there is no broker; the oldest are dropped first."""
PAUSE_S: Final = 1.0


@dataclass
class Notices:
    """Notices to publish through the broker at `url`, in order."""

    url: str = field(repr=False)
    _pending: collections.deque[Notice] = field(default_factory=lambda: collections.deque(maxlen=MAX_PENDING))

    def put(self, state: State, part: str, text: str) -> None:
        """Queue a notice."""
        from broker.contract.part_notices import Notice

        self._pending.append(Notice(part=part, state=state, text=text, at=time.time_ns() // 1_000_000))

    async def publish_forever(self) -> None:
        """Publish pending notices until cancelled; without a broker they stay pending."""
        from broker.mqtt.address import LinkError
        from broker.mqtt.request_reply import publish_notices

        while True:
            await asyncio.sleep(PAUSE_S)
            batch = list(self._pending)
            try:
                if batch:
                    await publish_notices(self.url, batch)
            except LinkError:
                continue
            for _ in batch:
                self._pending.popleft()
