"""Desk: takes in the journal, decides, and hands out what is to be sent; each step is durable before the next.

Synchronous and without a clock of its own, so that hours can pass in a test.
"""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from broker.contract.notification_routes import Configuration, Service
from broker.store.silences import SilenceStore
from notifier import engine, journal_events, messages
from notifier.messages import RuleTexts, Text
from notifier.queue import Queue
from notifier.state import Alarm, Event, Facts, Message, State

log = logging.getLogger("notifier")
FIRST_WAIT_MS: Final = 2_000
MAX_WAIT_MS: Final = 300_000
"""Wait before another attempt: doubles from the first up to the maximum, with jitter."""
JITTER: Final = 0.2
BEHIND_MS: Final = 5_000
"""A message is not sent if the journal could not be read for so long: it may have been acknowledged."""
IN_DOUBT: Final = "the notifier ended while this was being sent; nobody knows whether it arrived"


class Outgoing(msgspec.Struct, frozen=True):
    """What is to be sent to a service: the key that stays the same if it is sent again, the text and the JSON."""

    key: str
    text: Text
    event: dict[str, Any]
    attempts: int
    decided: int


@dataclass
class Desk:
    """The notifier of a data directory without its network and clock.

    `labels` returns what is known about pumps, `rules` the texts of rules, `dashboard` where links lead.
    """

    data: Path
    queue: Queue
    config: Configuration = field(default_factory=Configuration)
    labels: Callable[[Sequence[str]], Mapping[str, Mapping[str, str | None]]] = lambda _: {}
    rules: Mapping[str, RuleTexts] = field(default_factory=dict)
    dashboard: str = ""
    dice: random.Random = field(default_factory=random.Random)
    read_at: int = 0
    state: State = field(init=False)
    silences: SilenceStore = field(init=False)

    def __post_init__(self) -> None:
        self.silences = SilenceStore(self.data)
        found = self.queue.load()
        self.state = State(cursor=journal_events.start(self.data)) if found is None else found

    def resolve_doubt(self, now: int) -> int:
        """Decide about deliveries during which the notifier ended (see `Service.in_doubt`); return how many."""
        found = self.queue.in_doubt()
        for key, name in found:
            service = self.config.by_name.get(name)
            if service is not None and not service.webhook and service.in_doubt == "drop":
                self.queue.finish(key, "dead", now, IN_DOUBT)
            else:
                self.queue.retry(key, now, IN_DOUBT)
        return len(found)

    def advance(self, now: int, *, itself: Sequence[Event] = (), decide: bool = True) -> int:
        """Take in the journal and events about Pumpwatch itself, and queue what is due; return how many messages.

        Raises `sqlite3.Error` if journal or queue cannot be read or written; then nothing has changed.
        """
        state = self._taken(itself)
        found: list[Message] = []
        if decide:
            state, found = engine.decide(state, self.config, now, self._silenced(now))
        if state is not self.state:
            self.queue.save(state, found, now)
            self.state = state
        self.read_at = now
        return len(found)

    def claim(self, service: Service, now: int) -> Outgoing | None:
        """Return what a service is to be sent now, None if nothing is due.

        What was acknowledged meanwhile is cancelled: the journal is read again before anything is handed out.
        """
        if self.queue.due(service.name, now) is None:
            return None
        try:
            self.advance(now, decide=False)
        except sqlite3.Error as error:
            if now - self.read_at > BEHIND_MS:
                log.warning("nothing is sent, because the journal cannot be read: %s", error)
                return None
        while (waiting := self.queue.due(service.name, now)) is not None:
            raised, returned = engine.wanted(waiting.message, self.state.alarms, self._silenced(now))
            if raised or returned:
                texts: dict[str, Any] = {"rules": self.rules, "dashboard": self.dashboard}
                text = messages.text(waiting.message, raised, returned, **texts)
                text = messages.templated(service, text, waiting.message, [*raised, *returned], **texts)
                event = messages.event(waiting.message, waiting.key, raised, returned, now=now, **texts)
                self.queue.begin(waiting.key, text.title, [alarm.alarm for alarm in (*raised, *returned)])
                return Outgoing(waiting.key, text, event, waiting.attempts + 1, waiting.decided)
            self.queue.finish(
                waiting.key, "cancelled", now, "acknowledged, returned to normal or silenced before it was sent"
            )
        return None

    def sent(self, outgoing: Outgoing, now: int) -> None:
        """Note that a service accepted a message."""
        self.queue.finish(outgoing.key, "sent", now)

    def failed(self, outgoing: Outgoing, service: Service, now: int, reason: str) -> int | None:
        """Note that an attempt failed; return when the next one is (wall ms), None if it is a dead letter now."""
        at = now + self._wait_ms(outgoing.attempts)
        if at - outgoing.decided > 1000 * service.give_up_s:
            self.queue.finish(outgoing.key, "dead", now, f"gave up after {outgoing.attempts:,} attempts: {reason}")
            return None
        self.queue.retry(outgoing.key, at, reason)
        return at

    def drop_orphans(self, now: int) -> int:
        """Give up what waits for services that are not configured any more; return how many deliveries."""
        found = self.queue.orphans(list(self.config.by_name))
        for key in found:
            self.queue.finish(key, "dead", now, "its service is not in the configuration any more")
        return len(found)

    def _wait_ms(self, attempts: int) -> int:
        longest: int = min(FIRST_WAIT_MS << min(attempts - 1, 20), MAX_WAIT_MS)
        return round(longest * self.dice.uniform(1 - JITTER, 1 + JITTER))

    def _silenced(self, now: int) -> Callable[[Alarm], bool]:
        # Most installations have none most of the time, and then no alarm is asked about.
        if not self.silences.readable():
            return lambda _: False
        return lambda alarm: not alarm.about_itself and self.silences.silenced(alarm.fields(now), now) is not None

    def _taken(self, itself: Sequence[Event]) -> State:
        """Return the state after everything that the journal has beyond the cursor."""
        state = self.state
        events, end = journal_events.read(self.data, state.cursor)
        if end < state.cursor:
            log.warning("the journal was replaced by a shorter one; open alarms are read from it again")
            kept = {name: alarm for name, alarm in state.alarms.items() if alarm.about_itself}
            state = msgspec.structs.replace(state, alarms=kept, cursor=journal_events.start(self.data))
            events, end = journal_events.read(self.data, state.cursor)
        while end > state.cursor:
            state = engine.take(state, events, self._facts(events), end)
            events, end = journal_events.read(self.data, end)
        return engine.take(state, itself, {}, state.cursor) if itself else state

    def _facts(self, events: Sequence[Event]) -> dict[str, Facts]:
        pumps = sorted(journal_events.pumps_of([event for event in events if event.kind != "cleared"]))
        return {name: Facts(**known) for name, known in self.labels(pumps).items()} if pumps else {}
