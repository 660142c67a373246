"""Hosts and ports: brackets around IPv6 addresses, loopback, listening on either family."""

from __future__ import annotations

import socket

import pytest

from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.endpoint import bare_host, host_and_port, is_loopback, listening_socket


@pytest.mark.parametrize(
    ("host", "text"),
    [
        ("127.0.0.1", "127.0.0.1:80"),
        ("::1", "[::1]:80"),
        ("[::1]", "[::1]:80"),
        ("ward.example", "ward.example:80"),
    ],
)
def test_an_ipv6_address_is_in_brackets_before_a_port(host: str, text: str) -> None:
    assert host_and_port(host, 80) == text
    assert host_and_port(bare_host(host), 80) == text


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("localhost", True),
        ("::", False),
        ("0.0.0.0", False),
        ("2001:db8::1", False),
        ("::ffff:192.0.2.1", False),
        ("ward.example", False),
    ],
)
def test_only_loopback_is_for_this_machine_alone(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
def test_a_socket_listens_on_ipv6(host: str, ipv6: str) -> None:
    with listening_socket(host, 0) as listener, socket.create_connection((ipv6, listener.getsockname()[1]), 5):
        pass


def test_all_addresses_of_ipv6_include_those_of_ipv4(ipv6: str) -> None:
    with listening_socket("::", 0) as listener, socket.create_connection(("127.0.0.1", listener.getsockname()[1]), 5):
        pass


@pytest.mark.parametrize(
    ("url", "shown"),
    [("mqtt://[::1]:1884", "mqtt://[::1]:1884"), ("mqtts://[2001:db8::1]", "mqtts://[2001:db8::1]:8883")],
)
def test_a_broker_may_have_an_ipv6_address(url: str, shown: str) -> None:
    assert parse_url(url).url == shown


@pytest.mark.parametrize("url", ["mqtt://::1:1883", "::1", "mqtt://user:pa:ss@fe80::1"])
def test_an_ipv6_address_without_brackets_is_refused_with_the_brackets(url: str) -> None:
    with pytest.raises(LinkError, match=r"needs brackets; write mqtt://\[::1\]:1883") as refused:
        parse_url(url)
    assert "pa:ss" not in str(refused.value)


def test_no_answer_waits_for_the_acknowledgement_of_its_beginning() -> None:
    with (
        listening_socket("127.0.0.1", 0) as listener,
        socket.create_connection(listener.getsockname(), 5),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
