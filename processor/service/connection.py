"""Connection of the processor to its broker: subscriptions of each session, and what is renewed with it."""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from broker.contract.topics import RESEND
from broker.mqtt.address import LinkError
from broker.mqtt.link import Link
from broker.mqtt.reconnection import keep_open
from processor.intake.message_queue import MessageQueue
from processor.intake.rates import RefusedBirths
from processor.service.announcements import Announcements
from processor.service.commit import Committer
from processor.service.fence import Fence
from processor.service.metering import Meter
from processor.service.presence import Guard
from processor.service.system_journal import SystemJournal

REFUSED_WAIT_S: Final = 5.0
"""Pause before a session in which the broker refused a subscription is tried again."""

log = logging.getLogger("processor")


@dataclass
class Connection:
    """Keeps a processor connected and subscribed to `topics`.

    `since` is when the session began (monotonic, s), infinite before the first.
    """

    link: Link
    guard: Guard | Fence
    queue: MessageQueue
    meter: Meter
    committer: Committer
    announcements: Announcements
    journal: SystemJournal
    topics: Sequence[str]
    since: float = math.inf

    async def keep(self, connected: asyncio.Event) -> None:
        """Stay connected until cancelled, once it is known that no other processor is; set `connected` each time."""

        async def session(link: Link) -> None:
            for topic in self.topics:
                link.subscribe(topic)
            if not link.resumed:
                # Confirmations have QoS 0, and the request must not come after them: until it comes, a gateway takes
                # the confirmation of a message for that of all before it, which the broker may have lost.
                link.publish_once(RESEND, b"{}")
                link.publish(RESEND, b"{}")
            self.meter.sessions += 1
            self.since = time.monotonic()
            self.committer.reconfirm()
            self.announcements.begin_session()
            self.journal.record("connected", "broker", link.address.url)
            connected.set()
            try:
                await link.refused.wait()
                await asyncio.sleep(REFUSED_WAIT_S)
                raise LinkError(f"{link.address.url} refused a subscription, so that messages would be missing")
            finally:
                self.journal.record("disconnected", "broker", link.address.url)
                self.queue.end_session()

        await self.guard.cleared.wait()
        await keep_open(
            self.link, session, report=log.warning, chance=random.Random(), network_fine=self.guard.is_steady
        )

    def ask_to_send_again(self) -> None:
        """Ask all gateways to send again what is not confirmed."""
        if self.link.alive:
            self.link.publish(RESEND, b"{}")

    def ask_for_births(self, refused: RefusedBirths, now: int) -> None:
        """Ask for births that were refused for a rate: their gateways would send them only when they reconnect.

        `now` is wall ms.
        """
        if self.link.alive:
            for topic in refused.due(now):
                self.link.ask_retained(topic)
