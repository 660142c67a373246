"""Messages that a broker confirms and loses: the processor's count tells the gateway, which sends them again."""

from __future__ import annotations

import collections
import random
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.contract.gateway_messages import read_confirmation
from broker.contract.topics import confirmed_topic
from broker.mqtt.link import Message
from processor.intake.confirmations import Confirmations
from processor.intake.gateway import Gateway
from simulator.gateway.outbox import Outbox, Parcel
from tests.simulator.gateway.notation import STAMP, gateway

BYTES = 10
EVENTS = ("put", "send", "send", "ack", "lose", "take", "take", "swap", "again", "confirm", "unheard", "break")


@dataclass
class Journey:
    """One gateway, a broker and a processor; what is sent for the first time may be lost although it is confirmed."""

    box: Outbox
    taker: Gateway = field(default_factory=lambda: Gateway(0, "ward", 0, born=True))
    confirmations: Confirmations = field(default_factory=Confirmations)
    queued: collections.deque[int] = field(default_factory=collections.deque)
    under_way: collections.deque[int] = field(default_factory=collections.deque)
    sendings: collections.Counter[int] = field(default_factory=collections.Counter)
    taken: list[int] = field(default_factory=list)
    put: int = 0
    mid: int = 0

    def add(self) -> None:
        self.put += 1
        self.box.put(Parcel(b"x" * BYTES, 1, STAMP + self.put))

    def send(self, *, lost: bool = False) -> bool:
        """Let the gateway send what it may send now; return whether there was anything."""
        parcel = self.box.next()
        if parcel is None:
            return False
        self.mid += 1
        self.box.sent(self.mid)
        self.under_way.append(self.mid)
        self.sendings[parcel.stamp] += 1
        if not lost or self.sendings[parcel.stamp] > 1:
            self.queued.append(parcel.stamp)
        return True

    def acknowledge(self) -> None:
        if self.under_way:
            self.box.confirmed(self.under_way.popleft(), delivered=True)

    def take(self, stamp: int) -> None:
        self.taken.append(stamp)
        self.taker.receive(stamp, stamp)

    def confirm(self, *, heard: bool = True) -> None:
        self.confirmations.durable(self.confirmations.progress([self.taker]))
        for _, payload in self.confirmations.due():
            said = read_confirmation(payload)
            if heard:
                self.box.durable(said.sent, said.total, said.newest)

    def happens(self, event: str, chance: random.Random) -> None:
        if event == "put":
            self.add()
        elif event in ("send", "lose"):
            self.send(lost=event == "lose")
        elif event == "ack":
            self.acknowledge()
        elif event == "take" and self.queued:
            self.take(self.queued.popleft())
        elif event == "swap" and self.queued:
            self.queued.rotate(1)
        elif event == "again" and self.taken:
            self.take(chance.choice(self.taken))
        elif event in ("confirm", "unheard"):
            self.confirm(heard=event == "confirm")
        elif event == "break":
            self.box.start_over()
            self.under_way.clear()

    def deliver(self) -> None:
        """Let everything pass as it should, until the gateway has nothing more to send."""
        while self.under_way or self.send():
            self.acknowledge()
        while self.queued:
            self.take(self.queued.popleft())


def begun(**settings: object) -> Journey:
    """A gateway that has had its first confirmation."""
    journey = Journey(Outbox(10**6, patient=True, **settings))  # type: ignore[arg-type]
    journey.add()
    journey.deliver()
    journey.confirm()
    assert journey.box.samples == 0
    return journey


def sent_and_lost(journey: Journey, pattern: str) -> None:
    """Send a message for each character; those of an `x` are lost by the broker after it confirmed them."""
    for each in pattern:
        journey.add()
        journey.send(lost=each == "x")
        journey.acknowledge()
    while journey.queued:
        journey.take(journey.queued.popleft())


@given(
    st.lists(st.sampled_from(EVENTS), max_size=60),
    st.sampled_from([None, 4 * BYTES]),
    st.integers(0, 9),
)
def test_whatever_is_lost_the_processor_has_it_in_the_end_and_the_gateway_lets_it_go(
    events: list[str], limit: int | None, seed: int
) -> None:
    journey, chance = begun(max_unconfirmed=limit), random.Random(seed)
    for event in events:
        journey.happens(event, chance)
    journey.add()
    for _ in range(2 * journey.put + 3):
        journey.deliver()
        if limit is not None:
            # At that limit nothing new is sent, so that only a new connection repeats a confirmation that was lost.
            journey.confirmations.republish()
        journey.confirm()
    assert set(journey.taken) == {STAMP + number for number in range(1, journey.put + 1)}
    assert (journey.box.samples, journey.box.unconfirmed, journey.box.unsure) == (0, 0, 0)
    assert max(journey.sendings.values()) <= 3 + events.count("break")


@given(st.lists(st.sampled_from(["put", "send", "ack", "take", "confirm", "unheard"]), max_size=60))
def test_as_long_as_nothing_is_lost_nothing_is_sent_twice(events: list[str]) -> None:
    journey = begun()
    for event in events:
        journey.happens(event, random.Random(0))
    journey.deliver()
    journey.confirm()
    assert set(journey.sendings.values()) == {1}
    assert journey.box.broker_losses == 0


@pytest.mark.parametrize("pattern", ["x.", ".x.", "..xx..", "x.x.x."])
def test_a_hole_is_noticed_at_the_first_confirmation_after_it_and_costs_one_more_sending(pattern: str) -> None:
    journey = begun()
    sent_and_lost(journey, pattern)
    journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (1, len(pattern))
    journey.deliver()
    journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (1, 0)
    assert len(set(journey.taken)) == journey.put
    sent_and_lost(journey, "...")
    journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (1, 0)


def test_a_confirmation_that_repeats_the_same_before_it_is_sent_again_lets_nothing_go() -> None:
    journey = begun()
    sent_and_lost(journey, "x..")
    journey.confirm()
    journey.confirmations.republish()
    journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (1, 3)


def test_that_an_earlier_message_came_again_last_does_not_hide_a_hole() -> None:
    journey = begun()
    sent_and_lost(journey, ".x..")
    journey.take(STAMP + 4)
    journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (1, 4)


def test_a_processor_that_does_not_count_is_trusted_as_before() -> None:
    journey = begun()
    sent_and_lost(journey, "x..")
    journey.box.durable(STAMP + 4)
    assert (journey.box.broker_losses, journey.box.samples) == (0, 0)


def test_another_processor_that_has_taken_less_is_trusted_and_counted_from_there() -> None:
    journey = begun()
    sent_and_lost(journey, "...")
    journey.confirm()
    journey.taker, journey.confirmations = Gateway(0, "ward", 0, born=True), Confirmations()
    sent_and_lost(journey, "..")
    journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (0, 0)
    sent_and_lost(journey, "x.")
    journey.confirm()
    assert journey.box.broker_losses == 1


def test_a_restarted_gateway_whose_clock_was_set_back_lets_go_and_does_not_send_again_for_ever() -> None:
    journey = begun()
    journey.take(STAMP + 10**6)
    for _ in range(3):
        sent_and_lost(journey, "..")
        journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (0, 0)
    assert set(journey.sendings.values()) == {1}


def test_what_the_outbox_dropped_at_its_limit_is_no_hole() -> None:
    journey = begun()
    journey.box.max_bytes = 3 * BYTES
    sent_and_lost(journey, "......")
    assert journey.box.unsure == 3
    journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (0, 0)


@pytest.mark.parametrize("unreadable", [{3}, {3, 4}, {5}])
def test_a_message_that_the_processor_cannot_read_is_no_hole(unreadable: set[int]) -> None:
    journey = begun()
    for number in range(2, 7):
        journey.add()
        journey.send()
        journey.acknowledge()
        stamp = journey.queued.popleft()
        if number in unreadable:
            journey.taker.rejected += 1
        else:
            journey.take(stamp)
        journey.confirm()
    assert (journey.box.broker_losses, journey.box.samples) == (0, 0)


def test_a_gateway_says_that_it_sends_again(caplog: pytest.LogCaptureFixture) -> None:
    session = gateway("ward", "mqtt://127.0.0.1:1")
    for number in range(3):
        session.put(Parcel(b"{}", 1, STAMP + number))
    for said in (b'{"sent":%d,"total":7}' % STAMP, b'{"sent":%d,"total":8}' % (STAMP + 2)):
        session._receive(Message(confirmed_topic("ward"), said, 0, 0, retained=False))
    assert [record.getMessage() for record in caplog.records] == [
        "ward the processor has not received all messages that the broker confirmed; sends them again"
    ]
    assert session.outbox.samples == 2
