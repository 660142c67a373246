"""Sessions on both kinds of broker: connect, fall back, acknowledge by hand, tell outcomes by their reason codes."""

from __future__ import annotations

import dataclasses
import socket

import pytest

from broker.mqtt.address import MQTT_5, LinkError, parse_url
from broker.mqtt.link import Link, Message, learn_protocol
from broker.mqtt.reasons import NO_MATCHING_SUBSCRIBERS, UNSUPPORTED_PROTOCOL_VERSION, Undelivered

BAD_URLS = {
    "http://host": "begins with another scheme; allowed are mqtt:// and mqtts://",
    "mqtt://": "has no host; write mqtt://127.0.0.1:1883",
    "mqtt://host:99999": "'mqtt://host:99999' cannot be read; write mqtt://host:port",
    "mqtt://host:port": "(not shown: it may contain a password) cannot be read; write mqtt://host:port",
}


@pytest.mark.parametrize(("url", "reason"), BAD_URLS.items())
def test_an_address_that_is_none_is_refused_with_what_is_allowed(url, reason):
    with pytest.raises(LinkError) as refused:
        parse_url(url)
    assert reason in str(refused.value)


def test_an_address_is_read_with_the_usual_ports_and_shown_without_its_secrets():
    plain, tls, short = parse_url("mqtt://host"), parse_url("mqtts://host"), parse_url("host:1234")
    assert [(each.host, each.port, each.tls) for each in (plain, tls, short)] == [
        ("host", 1883, False), ("host", 8883, True), ("host", 1234, False),
    ]  # fmt: skip
    named = parse_url("mqtt://anna:p%40ss@host")
    assert (named.username, named.password, named.url) == ("anna", "p@ss", "mqtt://host:1883")


async def test_where_nobody_listens_it_is_said_where(free_port):
    link = Link(parse_url(f"mqtt://127.0.0.1:{free_port}"), "test")
    with pytest.raises(LinkError, match=f"no broker at mqtt://127.0.0.1:{free_port}: .*refused"):
        await link.open()
    assert not link.alive


async def test_a_session_that_was_never_tried_can_be_closed():
    link = Link(parse_url("mqtt://127.0.0.1:1"), "test")
    await link.close()
    assert not link.alive


async def test_what_is_no_broker_is_no_broker(monkeypatch):
    monkeypatch.setattr("broker.mqtt.link.CONNECT_TIMEOUT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        with pytest.raises(LinkError, match=r"did not answer within 0\.3 s"):
            await Link(parse_url(f"mqtt://127.0.0.1:{port}"), "test").open()


@pytest.mark.broker
async def test_mosquitto_speaks_mqtt_5(mosquitto):
    address = parse_url(mosquitto)
    await learn_protocol(address)
    assert address.protocol_name == "MQTT 5"


async def test_on_the_embedded_broker_a_session_falls_back_to_3_1_1_and_works(embedded_broker, until):
    address, received, confirmed = parse_url(embedded_broker), [], []
    reader = Link(address, "fallback-reader", on_message=received.append, manual=True)
    writer = Link(address, "fallback-writer", on_published=lambda mid, refusal: confirmed.append((mid, refusal)))
    await reader.open()
    await writer.open()
    assert address.protocol_name == "MQTT 3.1.1"
    reader.subscribe("fallback/#")
    mid = writer.publish("fallback/a", b"hello")
    await until(lambda: received and confirmed)
    reader.acknowledge(each.mid for each in received)
    assert (received[0].topic, received[0].payload, confirmed) == ("fallback/a", b"hello", [(mid, None)])
    await reader.close()
    await writer.close()


@pytest.mark.broker
async def test_what_is_retained_on_a_topic_comes_once_more_when_it_is_asked_for(mosquitto, until):
    received: list[Message] = []
    link = Link(parse_url(mosquitto), "asking", on_message=received.append)
    await link.open()
    link.publish("asked/a/birth", b"hello", retain=True)
    link.subscribe("asked/#")
    await until(lambda: received)
    link.ask_retained("asked/a/birth")
    await until(lambda: len(received) == 2)
    assert [(each.payload, each.retained) for each in received] == [(b"hello", True)] * 2
    # The topic is subscribed to once: what comes later comes once.
    link.publish("asked/a/birth", b"again", retain=True)
    link.publish("asked/a/last", b"last")
    await until(lambda: received[-1].payload == b"last")
    assert [each.payload for each in received[2:]] == [b"again", b"last"]
    await link.close()


@pytest.mark.broker
async def test_no_more_come_than_may_wait_and_what_was_not_acknowledged_comes_again_in_order(mosquitto, until):
    address, received, confirmed = parse_url(mosquitto), [], []

    def reader() -> Link:
        return Link(
            address,
            "manual",
            on_message=received.append,
            on_published=lambda *_: confirmed.append(1),
            persistent=True,
            manual=True,
            receive_maximum=5,
        )

    first = reader()
    await first.open()
    assert not first.resumed
    first.subscribe("manual/#")
    for number in range(20):
        first.publish("manual/a", str(number).encode())
    await until(lambda: len(confirmed) == 20 and len(received) >= 5)
    assert len(received) == 5
    first.acknowledge(each.mid for each in received[:2])
    await until(lambda: len(received) >= 7)
    first._client.socket().shutdown(socket.SHUT_RDWR)
    await first.ended()
    await first.close()

    received.clear()
    second, done = reader(), 0
    await second.open()
    assert second.resumed
    while done < 18:
        await until(lambda done=done: len(received) > done)
        second.acknowledge(each.mid for each in received[done:])
        done = len(received)
    assert [int(message.payload) for message in received] == list(range(2, 20))
    second.publish("manual/a", b"last")
    await until(lambda: len(received) == 19)
    await second.close()

    received.clear()
    third = reader()
    await third.open()
    await until(lambda: received)
    third.acknowledge(each.mid for each in received)
    assert [message.payload for message in received] == [b"last"]
    await third.close()


@pytest.mark.broker
async def test_a_publication_without_a_subscriber_is_told_from_one_that_was_delivered_by_the_reason_code(
    mosquitto, until
):
    outcomes: dict[int, Undelivered | None] = {}
    link = Link(parse_url(mosquitto), "undelivered", on_published=outcomes.__setitem__)
    await link.open()
    nobody = link.publish("undelivered/nobody", b"hello")
    link.subscribe("undelivered/us")
    us = link.publish("undelivered/us", b"hello")
    await until(lambda: len(outcomes) == 2)
    assert outcomes[nobody] == Undelivered(NO_MATCHING_SUBSCRIBERS, "No matching subscribers")
    assert outcomes[us] is None
    await link.close()


async def test_the_embedded_broker_refuses_mqtt_5_with_the_code_that_makes_a_session_fall_back(embedded_broker):
    address = parse_url(embedded_broker)
    with pytest.raises(LinkError) as refused:
        await Link(dataclasses.replace(address, protocol=MQTT_5), "")._open()
    assert refused.value.code == UNSUPPORTED_PROTOCOL_VERSION


@pytest.mark.broker
async def test_a_message_bears_its_topic_quality_and_whether_it_was_retained(mosquitto, until):
    received: list[Message] = []
    link = Link(parse_url(mosquitto), "retained", on_message=received.append)
    await link.open()
    link.publish("retained/a", b"kept", retain=True)
    link.subscribe("retained/#")
    await until(lambda: received)
    link.publish("retained/a", b"", retain=True)
    await until(lambda: len(received) > 1)
    assert [(each.topic, each.qos, each.payload) for each in received][-1] == ("retained/a", 1, b"")
    assert received[0].payload == b"kept"
    await link.close()
