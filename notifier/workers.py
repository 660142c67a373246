"""Workers: one per service, so that a slow or failing one holds no other up."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from broker.contract.notification_routes import Service
from broker.store.notification_files import Failing
from notifier.desk import Desk
from notifier.senders import Sender, SendError

log = logging.getLogger("notifier")
IDLE_S: Final = 0.5
"""How often a worker looks whether something is due."""


@dataclass
class Workers:
    """Deliver what the desk hands out; `failing` are the services that fail now, by name.

    `wall_ms` is the wall clock, `report` gets a sentence if the queue cannot be used.
    """

    desk: Desk
    wall_ms: Callable[[], int]
    report: Callable[[str], None]
    failing: dict[str, Failing] = field(default_factory=dict)
    _workers: dict[Service, asyncio.Task[None]] = field(default_factory=dict)
    _stopping: bool = False

    @property
    def running(self) -> bool:
        """Whether any service has a worker."""
        return bool(self._workers)

    async def stop(self, patience_s: float) -> None:
        """Let what is just being sent end, for at most `patience_s`."""
        self._stopping = True
        tasks = list(self._workers.values())
        if tasks:
            await asyncio.wait(tasks, timeout=patience_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def start(self) -> None:
        """Give each configured service a worker; that of a service that changed ends by itself."""
        self.failing = {name: each for name, each in self.failing.items() if name in self.desk.config.by_name}
        self._workers = {service: task for service, task in self._workers.items() if not task.done()}
        for service in self.desk.config.services:
            if service not in self._workers:
                self._workers[service] = asyncio.create_task(self._deliver(service), name=f"notify {service.name}")

    async def _deliver(self, service: Service) -> None:
        """Deliver to one service until it is configured otherwise."""
        sender = Sender(service, self.wall_ms)
        try:
            while not self._stopping and self.desk.config.by_name.get(service.name) == service:
                try:
                    if not await self._deliver_one(service, sender):
                        await asyncio.sleep(IDLE_S)
                except sqlite3.Error as error:
                    self.report(f"the queue cannot be read or written: {error}")
                    await asyncio.sleep(IDLE_S)
        finally:
            sender.close()

    async def _deliver_one(self, service: Service, sender: Sender) -> bool:
        outgoing = self.desk.claim(service, self.wall_ms())
        if outgoing is None:
            return False
        try:
            await sender.send(outgoing)
        except SendError as error:
            now, known = self.wall_ms(), self.failing.get(service.name)
            since, times = (now, 0) if known is None else (known.since, known.times)
            self.failing[service.name] = Failing(service.name, since, times + 1, str(error))
            again = self.desk.failed(outgoing, service, now, str(error))
            what = "it is a dead letter now" if again is None else f"next attempt in {(again - now) / 1000:.0f} s"
            log.warning("%s was not notified (attempt %d): %s; %s", service.name, outgoing.attempts, error, what)
        else:
            self.failing.pop(service.name, None)
            self.desk.sent(outgoing, self.wall_ms())
            log.info("%s was notified: %s", service.name, outgoing.text.title)
        return True
