"""Refused logins are counted from the lines of Mosquitto, and reported at most every ten seconds."""

from __future__ import annotations

import pytest

from broker.mqtt.refused_logins import INTERVAL_S, RefusedLogins


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
    assert refused.take(line)
    assert refused.report(0.0) is None


@pytest.mark.parametrize("line", ["Error: Address already in use", "Outgoing messages are being dropped for client x."])
def test_other_lines_are_shown(line: str) -> None:
    assert not RefusedLogins().take(line)


def test_a_burst_is_one_report_and_the_rest_comes_later() -> None:
    refused = RefusedLogins()
    assert refused.take("Client <unknown> disconnected, not authorised.")
    assert refused.report(0.0) == "1 login was refused at the broker: wrong name, password or certificate"
    for _ in range(2000):
        refused.take("Client connection from 192.0.2.7 failed: error:0A000086:SSL routines::certificate verify failed.")
    assert refused.report(1.0) is None
    assert refused.report(INTERVAL_S) == (
        "2,000 logins were refused at the broker, the latest from 192.0.2.7: wrong name, password or certificate"
    )
    assert refused.report(2 * INTERVAL_S) is None
