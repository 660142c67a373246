"""Refused logins are counted from the lines of Mosquitto, and reported at most every ten seconds."""

from __future__ import annotations

import pytest

from broker.mqtt.refused_logins import (
    INTERVAL_S,
    MAX_ADDRESSES,
    OTHERS,
    UNKNOWN,
    WINDOW_S,
    RefusedLogin,
    RefusedLogins,
)

FAILED = "Client connection from 192.0.2.7 failed: error:0A000086:SSL routines::certificate verify failed."


@pytest.mark.parametrize(
    "line",
    [
        "New connection from 127.0.0.1:44099 on port 29002.",
        "New client connected from 127.0.0.1:44099 as ward-3 (p5, c0, k60, u'ward-3').",
        "Client ward-3 disconnected.",
        "Client ward-3 closed its connection.",
        "Client <unknown> disconnected: Protocol error.",
        "Client ward-3 already connected, closing old connection.",
        "Reloading config.",
    ],
)
def test_routine_lines_are_hidden_and_not_counted(line: str) -> None:
    refused = RefusedLogins()
    assert refused.take(line, 0.0)
    assert refused.report(0.0) is None


@pytest.mark.parametrize("line", ["Error: Address already in use", "Outgoing messages are being dropped for client x."])
def test_other_lines_are_shown(line: str) -> None:
    assert not RefusedLogins().take(line, 0.0)


def test_a_burst_is_one_report_and_the_rest_comes_later() -> None:
    refused = RefusedLogins()
    assert refused.take("Client <unknown> disconnected, not authorised.", 0.0)
    assert refused.report(0.0) == "1 login was refused at the broker: wrong name, password or certificate"
    for _ in range(2000):
        refused.take(FAILED, 0.0)
    assert refused.report(1.0) is None
    assert refused.report(INTERVAL_S) == (
        "2,000 logins were refused at the broker, the latest from 192.0.2.7: wrong name, password or certificate"
    )
    assert refused.report(2 * INTERVAL_S) is None


def try_from(refused: RefusedLogins, address: str, now_s: float = 0.0, client: str = "<unknown>") -> None:
    refused.take(f"New connection from {address}:4711 on port 1883.", now_s)
    refused.take(f"Client {client} disconnected, not authorised.", now_s)


def test_the_first_refusal_of_an_address_is_recorded_at_once_and_later_ones_as_a_count_each_minute() -> None:
    refused = RefusedLogins()
    try_from(refused, "192.0.2.7", client="ward-3")
    assert refused.due(0.0) == [RefusedLogin("192.0.2.7", "ward-3", 1)]
    for _ in range(500):
        try_from(refused, "192.0.2.7", 1.0)
    try_from(refused, "192.0.2.8", 1.0)
    assert refused.due(WINDOW_S - 1) == [RefusedLogin("192.0.2.8", "", 1)]
    assert refused.due(WINDOW_S) == [RefusedLogin("192.0.2.7", "", 500)]
    assert refused.due(10 * WINDOW_S) == []
    try_from(refused, "192.0.2.7", 11 * WINDOW_S)
    assert refused.due(11 * WINDOW_S) == [RefusedLogin("192.0.2.7", "", 1)]


def test_clients_that_log_in_meanwhile_are_not_blamed() -> None:
    refused = RefusedLogins()
    for address in ("192.0.2.7:1", "192.0.2.8:2"):
        refused.take(f"New connection from {address} on port 1883.", 0.0)
    refused.take("New client connected from 192.0.2.7:1 as ward-3 (p5, c0, k60, u'ward-3').", 0.0)
    refused.take("Client <unknown> disconnected, not authorised.", 0.0)
    assert [each.address for each in refused.due(0.0)] == ["192.0.2.8"]


def test_if_several_may_have_been_refused_all_are_named_and_of_many_none() -> None:
    refused = RefusedLogins()
    for number in range(1, 3):
        refused.take(f"New connection from 192.0.2.{number}:1 on port 1883.", 0.0)
    refused.take("Client <unknown> disconnected, not authorised.", 0.0)
    for number in range(10, 20):
        refused.take(f"New connection from 192.0.2.{number}:1 on port 1883.", 0.0)
    refused.take("Client <unknown> disconnected, not authorised.", 0.0)
    assert [each.address for each in refused.due(0.0)] == ["192.0.2.1 or 192.0.2.2", UNKNOWN]


def test_thousands_of_addresses_are_counted_together() -> None:
    refused = RefusedLogins()
    for number in range(5000):
        try_from(refused, f"10.0.{number // 250}.{number % 250}")
    first = refused.due(0.0)
    assert len(first) == MAX_ADDRESSES + 1
    assert first[-1].address == OTHERS
    assert refused.due(1.0, last=True) == [RefusedLogin(OTHERS, "", 5000 - MAX_ADDRESSES - 1)]
