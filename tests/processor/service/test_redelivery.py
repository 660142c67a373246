"""Gateways are asked for what the broker has lost, before newer samples are judged without it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from broker.contract.topics import RESEND
from processor.service.connection import Connection
from processor.service.redelivery import Redelivery


class Session:
    """A session that began at some time, and how often gateways were asked."""

    def __init__(self, began: float = math.inf) -> None:
        self.began, self.now, self.asked = began, 0.0, 0
        self.redelivery = Redelivery(lambda: self.began, 5.0, self.ask, lambda: self.now)

    def ask(self) -> None:
        self.asked += 1

    def misses_at(self, now: float) -> int:
        self.now = now
        self.redelivery.missed()
        return self.asked


def test_gateways_are_asked_once_a_session_when_the_broker_had_its_time() -> None:
    session = Session(began=100.0)
    assert [session.misses_at(now) for now in (101.0, 104.9, 105.0, 106.0, 109.0)] == [0, 0, 1, 1, 1]
    session.began = 200.0
    assert [session.misses_at(now) for now in (201.0, 205.5, 207.0)] == [1, 2, 2]


def test_what_they_send_again_has_the_same_time_once_more() -> None:
    session = Session(began=100.0)
    for now, unordered in ((100.0, True), (105.0, True), (109.9, True), (110.0, False)):
        session.now = now
        assert session.redelivery.unordered() is unordered


def test_before_the_first_session_nobody_is_asked() -> None:
    session = Session()
    assert session.misses_at(1e9) == 0
    assert session.redelivery.unordered()


@pytest.mark.parametrize(("alive", "expected"), [(True, [(RESEND, b"{}")]), (False, [])])
def test_the_request_goes_to_all_gateways_while_there_is_a_connection(
    alive: bool, expected: list[tuple[str, bytes]]
) -> None:
    published: list[tuple[str, bytes]] = []
    link: Any = SimpleNamespace(alive=alive, publish=lambda topic, payload: published.append((topic, payload)))
    other: Any = None
    Connection(link, other, other, other, other, other, other, ()).ask_to_send_again()
    assert published == expected
