"""A notifier whose journal, clock and services are the test's own."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from broker.contract import notification_config
from broker.contract.notification_routes import Configuration
from broker.store.journal import Journal
from notifier.desk import Desk, Outgoing
from notifier.queue import Queue

START = 1_800_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
SERVICES = """
[[service]]
name = "pager"
webhook = "https://pager.example/in"
secret = "0123456789abcdef"

[[service]]
name = "boss"
webhook = "https://boss.example/in"
secret = "0123456789abcdef"
"""


def configured(text: str, services: str = SERVICES) -> Configuration:
    return notification_config.parse(services + text)


@dataclass
class Ward:
    """A data directory with a journal and a notifier; `now` is wall ms, and passes as the test says."""

    data: Path
    config: Configuration
    now: int = START
    journal: Journal = field(init=False)
    desk: Desk = field(init=False)
    got: list[tuple[str, Outgoing]] = field(default_factory=list)
    entries: int = 0

    def __post_init__(self) -> None:
        self.journal = Journal(self.data)
        # What is killed here is a process, not the machine: waiting for the disk would prove nothing.
        self.journal._connection.execute("PRAGMA synchronous=OFF")
        self.open()

    def open(self) -> None:
        """Start the notifier, as after a kill."""
        site = {"gateway": "gw-1", "site": "Bern", "model": "M1", "lot": "L1"}
        self.desk = Desk(
            self.data,
            Queue(self.data),
            self.config,
            labels=lambda pumps: {pump: {**site, "site": "Thun" if pump.startswith("T") else "Bern"} for pump in pumps},
            dice=random.Random(1),
        )
        self.desk.queue._connection.execute("PRAGMA synchronous=OFF")
        self.desk.resolve_doubt(self.now)

    def kill(self) -> None:
        self.desk.queue.close()
        self.open()

    def happens(self, kind: str, pump: str = "P1", rule: str = "motor_stall", priority: int = 1, **fields: Any) -> str:
        """Write a change of an alarm to the journal; return the alarm's id."""
        alarm = f"{pump}/{rule}/1"
        self.entries += 1
        entry = {
            "at": self.now,
            "time": 1,
            "kind": kind,
            "pump": pump,
            "rule": rule,
            "title": rule.capitalize(),
            "priority": priority,
            "alarm": alarm,
            "subject": pump,
            "subject_kind": "pump",
            "once": f"entry {self.entries}",
            **fields,
        }
        self.journal.append(pl.DataFrame([entry]))
        return alarm

    def later(self, ms: int, send: Callable[[str, Outgoing], bool] = lambda _service, _outgoing: True) -> list[str]:
        """Let time pass in steps of at most a minute; return the titles of what was sent, with its service."""
        before, until = len(self.got), self.now + ms
        while self.now < until:
            self.now = min(until, self.now + MINUTE if until - self.now > 10 * MINUTE else self.now + 5 * SECOND)
            self.desk.advance(self.now)
            self.deliver(send)
        return [f"{service}: {outgoing.text.title}" for service, outgoing in self.got[before:]]

    def deliver(self, send: Callable[[str, Outgoing], bool] = lambda _service, _outgoing: True) -> None:
        for service in self.config.services:
            while (outgoing := self.desk.claim(service, self.now)) is not None:
                if send(service.name, outgoing):
                    self.got.append((service.name, outgoing))
                    self.desk.sent(outgoing, self.now)
                else:
                    self.desk.failed(outgoing, service, self.now, "answered with status 503")


@pytest.fixture
def ward(tmp_path: Path) -> Callable[[str], Ward]:
    return lambda text, services=SERVICES: Ward(tmp_path / "data", configured(text, services))
