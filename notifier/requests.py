"""Carries out what people ask on the page Notifications: send a test, try a dead letter again, discard it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from broker.contract.notification_config import service_error
from broker.contract.notification_routes import Service
from broker.store import notification_requests
from broker.store.notification_requests import Answer, Request
from notifier.queue import Queue
from notifier.senders import Sender, SendError
from notifier.trial import trial

log = logging.getLogger("notifier")


@dataclass
class Requests:
    """Requests of a data directory; `wall_ms` is the wall clock."""

    data: Path
    queue: Queue
    wall_ms: Callable[[], int]
    _tests: set[asyncio.Task[None]] = field(default_factory=set)

    def take(self, services: Mapping[str, Service]) -> None:
        """Carry out what waits; tests are sent beside everything else. Raises `sqlite3.Error` or `OSError`."""
        for name, request in notification_requests.taken(self.data, self.wall_ms()):
            log.info("%s asked: %s %s", request.who, request.kind, request.about)
            if request.kind != "test":
                notification_requests.answer(self.data, name, self._changed(request))
            elif request.about in services:
                task = asyncio.create_task(self._test(name, services[request.about]), name="test message")
                self._tests.add(task)
                task.add_done_callback(self._tests.discard)
            else:
                text = service_error(request.about, services)
                notification_requests.answer(self.data, name, Answer(ok=False, text=text))

    def _changed(self, request: Request) -> Answer:
        now, retry = self.wall_ms(), request.kind == "retry"
        done = (
            self.queue.revive(request.about, now)
            if retry
            else self.queue.discard(request.about, now, f"discarded by {request.who}")
        )
        if not done:
            return Answer(ok=False, text="there is no such dead letter any more")
        return Answer(ok=True, text="it is tried again now" if retry else "it is discarded")

    async def _test(self, name: str, service: Service) -> None:
        sender = Sender(service, self.wall_ms)
        try:
            await sender.send(trial(self.wall_ms()))
            found = Answer(ok=True, text=f"{service.name} accepted the test message")
        except SendError as error:
            found = Answer(ok=False, text=f"{service.name} did not accept the test message: {error}")
        finally:
            sender.close()
        try:
            notification_requests.answer(self.data, name, found)
        except OSError as error:
            log.warning("a request of the page cannot be answered: %s", error)
