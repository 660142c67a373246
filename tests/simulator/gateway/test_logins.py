"""Addresses of gateways: each with its own login, all of one broker."""

from __future__ import annotations

from broker.mqtt.link import known_protocol
from simulator.gateway.logins import each_at


def test_each_gateway_has_a_login_of_its_own():
    first, second = each_at("mqtt://127.0.0.1:1883", b"secret", ["one", "two"])
    assert (first.username, second.username) == ("one", "two")
    assert first.password != second.password


async def test_what_one_gateway_has_learned_of_the_broker_no_other_asks_again():
    first, *others = each_at("mqtt://127.0.0.1:1", b"secret", ["one", "two", "three"])
    first.protocol = 5
    assert [await known_protocol(address) for address in others] == [5, 5]
