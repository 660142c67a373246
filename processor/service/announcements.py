"""Announcements: what the processor publishes besides confirmations: changes of alarms, its health, its keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import msgspec

from broker.contract.alarm_events import AlarmEvent
from broker.contract.signed import Keys
from broker.contract.topics import KEYS, alarm_topic, health_topic
from broker.mqtt.link import Link
from broker.store.snapshot import Health
from processor.batch_result import BatchResult


@dataclass
class Announcements:
    """Publishes over a link while it is alive; changes of alarms during an outage are in the journal, and not sent.

    `keys` returns the keys with which gateways verify commands. `still_mine` says whether this processor may still
    speak for its gateways, `name` is its own among the parts that publish their health. Of several processors, each has
    the alarms about the whole fleet; only that one `speaks_for_fleet` publishes them.
    """

    link: Link
    keys: Callable[[], Keys]
    still_mine: Callable[[], bool] = lambda: True
    name: str = "processor"
    speaks_for_fleet: bool = True
    _waiting: list[AlarmEvent] = field(default_factory=list)
    _published: Keys = field(default_factory=Keys)

    def add(self, results: Iterable[BatchResult]) -> None:
        """Take the changes of alarms of a batch, to be published by `announce`."""
        self._waiting += [
            event
            for result in results
            for event in result.announcements
            if self.speaks_for_fleet or event.subject_kind != "fleet"
        ]

    def begin_session(self) -> None:
        """Publish what waits on a connection that has just been made."""
        self._published = Keys()
        self.announce()

    def announce(self) -> None:
        """Publish the changes of alarms, or forget them without a connection."""
        for event in self._waiting:
            self._publish(alarm_topic(event.priority), event)
        self._waiting.clear()

    def publish_state(self, health: Health) -> None:
        """Publish the processor's health, and its keys if they changed or the connection is new."""
        if self.link.alive and (keys := self.keys()) != self._published:
            self._publish(KEYS, keys, retain=True)
            self._published = keys
        self._publish(health_topic(self.name), health, retain=True)

    def _publish(self, topic: str, message: object, *, retain: bool = False) -> None:
        if self.link.alive and self.still_mine():
            self.link.publish(topic, msgspec.json.encode(message), retain=retain)
