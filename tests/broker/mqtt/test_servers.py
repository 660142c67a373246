"""A broker of several servers: sessions go on at another one when theirs cannot be reached."""

from __future__ import annotations

import pytest

from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.conversation import conversation
from broker.mqtt.link import Link
from simulator.gateway.logins import each_at

SECRET = "hunter2"


def test_an_address_names_several_servers_with_one_login():
    address = parse_url(f"mqtts://anna:{SECRET},x@one:1,two,[::1]:3")
    assert (address.host, address.port, address.more) == ("one", 1, (("two", 8883), ("::1", 3)))
    assert (address.username, address.password) == ("anna", f"{SECRET},x")
    assert address.url == "mqtts://one:1"


@pytest.mark.parametrize("servers", ["one,", ",one", "one,two:0", "one,two:x", "one,,two", "one,t wo", "one,two:99999"])
def test_each_server_must_be_one(servers):
    with pytest.raises(LinkError) as error:
        parse_url(f"mqtt://anna:{SECRET}@{servers}")
    assert SECRET not in str(error.value)


def test_a_comma_elsewhere_makes_no_server():
    assert parse_url("mqtts://one?ca_file=/a,b.pem").files.ca_file == "/a,b.pem"
    assert parse_url(f"mqtt://a,b:{SECRET}@one").username == "a,b"


def test_the_next_server_has_its_turn_once_however_many_sessions_failed_at_the_first():
    address = parse_url("mqtt://one:1,two:2,three:3")
    for _ in range(100):
        address.turn(("one", 1))
    assert (address.host, address.more) == ("two", (("three", 3), ("one", 1)))
    address.turn(("two", 2))
    address.turn(("three", 3))
    assert (address.host, address.port) == ("one", 1)


@pytest.mark.parametrize("secret", [None, b"secret"])
def test_gateways_begin_at_different_servers(secret):
    addresses = each_at("mqtt://one:1,two:2", secret, ["a", "b", "c", "d"])
    assert [address.host for address in addresses] == ["one", "two", "one", "two"]
    assert len({address.username for address in addresses}) == (1 if secret is None else 4)


@pytest.mark.broker
async def test_a_session_is_opened_at_the_second_server_if_the_first_is_down(mosquitto, free_port):
    alive = mosquitto.removeprefix("mqtt://")
    link = Link(parse_url(f"mqtt://127.0.0.1:{free_port},{alive}"), "any")
    await link.open()
    assert link.address.url == mosquitto
    await link.close()
    async with conversation(f"mqtt://127.0.0.1:{free_port},{alive}") as session:
        await session.publish("a", b"b", 10)


async def test_if_all_are_down_the_last_one_tried_is_named_and_the_first_is_tried_again(free_port):
    link = Link(parse_url(f"mqtt://127.0.0.1:{free_port},localhost:{free_port}"), "any")
    with pytest.raises(LinkError, match=f"no broker at mqtt://localhost:{free_port}"):
        await link.open()
    assert link.address.host == "127.0.0.1"
