"""Each message that was decided arrives once, and none after an acknowledgement, wherever the notifier is killed."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.store import notification_record
from notifier import recorder
from notifier.queue import Queue
from tests.notifier.conftest import MINUTE, SECOND, Ward, configured

ROUTES = """
[[route]]
name = "all"
services = ["pager", "boss"]
group_by = ["pump"]
group_wait = "10s"
group_interval = "20s"
repeat_interval = "never"
when = ["raised", "returned", "escalated"]
max_per_hour = 3600
[[route.escalation]]
after = "1m"
services = ["boss"]
"""


class KilledError(Exception):
    """Stands for SIGKILL: nothing after it happens, what was committed stays."""


@dataclass
class Assassin:
    """Kills the notifier before or after its durable steps, at random."""

    dice: random.Random
    share: float
    kills: int = 0

    def patch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("save", "begin", "finish", "retry", "recorded"):
            monkeypatch.setattr(Queue, name, self._deadly(getattr(Queue, name)))

    def strike(self) -> None:
        if self.dice.random() < self.share:
            self.kills += 1
            raise KilledError

    def _deadly(self, step: Any) -> Any:
        def deadly(queue: Queue, *args: Any, **fields: Any) -> Any:
            self.strike()
            found = step(queue, *args, **fields)
            self.strike()
            return found

        return deadly


@dataclass
class Receiver:
    """A service that takes a message once by its idempotency key, and is down now and then."""

    assassin: Assassin
    got: dict[str, list[str]] = field(default_factory=dict)
    requests: Counter[str] = field(default_factory=Counter)

    def take(self, service: str, outgoing: Any) -> bool:
        self.assassin.strike()
        if self.assassin.dice.random() < 0.2:
            return False
        self.requests[outgoing.key] += 1
        self.got.setdefault(outgoing.key, [each["alarm"] for each in outgoing.event["alarms"]])
        self.assassin.strike()
        return True


KILLS = 100


def work(ward: Ward, receiver: Receiver, assassin: Assassin, ms: int) -> None:
    until = ward.now + ms
    round_ = 0
    while ward.now < until:
        ward.now += 5 * SECOND
        round_ += 1
        for _ in range(200):
            try:
                ward.desk.advance(ward.now)
                ward.deliver(receiver.take)
                if round_ % 4 == 0:
                    recorder.record(ward.data, ward.desk.queue, ward.desk.state.alarms)
                break
            except KilledError:
                while True:
                    try:
                        ward.kill()
                        break
                    except KilledError:
                        continue


def check(ward: Ward, receiver: Receiver) -> None:
    delivered = notification_record.deliveries(ward.data, limit=1000)
    assert {each.state for each in delivered} <= {"sent", "cancelled"}
    assert {each.key for each in delivered if each.state == "sent"} <= set(receiver.got)
    assert len({each.key for each in delivered}) == len(delivered)
    from broker.store.journal_query import Query, entries

    notified = entries(ward.data, Query(kinds=("notified",), limit=10_000))
    assert sum(len(each.alarms) for each in delivered if each.state == "sent") == notified.height


def test_a_hundred_kills_lose_and_repeat_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ward = Ward(tmp_path, configured(ROUTES))
    assassin = Assassin(random.Random(7), 0.06)
    receiver = Receiver(assassin)
    assassin.patch(monkeypatch)
    raised = 0
    while assassin.kills < KILLS:
        pump = f"P{raised}"
        raised += 1
        ward.happens("raised", pump)
        work(ward, receiver, assassin, 25 * SECOND)
        if raised % 3 == 0:
            ward.happens("acknowledged", pump)
    assassin.share = 0.0
    work(ward, receiver, assassin, 5 * MINUTE)
    recorder.record(ward.data, ward.desk.queue, ward.desk.state.alarms)
    check(ward, receiver)
    firsts = [key for key, alarms in receiver.got.items() if alarms]
    assert len(firsts) == len(receiver.requests)
    by_pager = Counter(
        alarm
        for each in notification_record.deliveries(ward.data, limit=1000)
        if each.state == "sent" and each.service == "pager" and each.kind == "raised"
        for alarm in each.alarms
    )
    unacknowledged = {f"P{number}/motor_stall/1" for number in range(raised) if (number + 1) % 3}
    assert unacknowledged <= set(by_pager), "every one was notified"
    assert set(by_pager.values()) == {1}, "and once"


STEPS = st.lists(
    st.tuples(st.sampled_from(["raised", "acknowledged", "returned", "wait", "kill", "down"]), st.integers(0, 2)),
    max_size=25,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_message_follows_an_acknowledgement_and_each_is_sent_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    ward = Ward(tmp_path_factory.mktemp("ward"), configured(ROUTES))
    acknowledged: dict[str, bool] = {}
    down = False
    keys: Counter[str] = Counter()

    def send(_service: str, outgoing: Any) -> bool:
        notified = [each["alarm"] for each in outgoing.event["alarms"]]
        assert not any(acknowledged[alarm] for alarm in notified), "notified after the acknowledgement"
        if not down:
            keys[outgoing.key] += 1
        return not down

    for step, number in steps:
        pump = f"P{number}"
        if step == "kill":
            ward.kill()
        elif step == "down":
            down = not down
        elif step == "wait":
            ward.later(45 * SECOND, send)
        else:
            alarm = ward.happens(step, pump)
            acknowledged[alarm] = step == "acknowledged" or (step != "raised" and acknowledged.get(alarm, False))
            # The worker looks before the notifier has taken in the journal by itself.
            ward.deliver(send)
    down = False
    ward.later(8 * MINUTE, send)
    assert all(count == 1 for count in keys.values())
    states = Counter(each.state for each in notification_record.deliveries(ward.data, limit=1000))
    assert set(states) <= {"sent", "cancelled"}, states
    assert states["sent"] == len(keys)
    ward.desk.queue.close()
    ward.journal.close()
