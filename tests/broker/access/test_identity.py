"""Identity at the broker: each attack of a client that has the port, or the password of one gateway, is refused."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from broker.access import gateways
from broker.access.password_lines import derived_password
from broker.contract import topics
from broker.contract.topics import topic_of
from broker.mqtt.address import Address, LinkError
from broker.mqtt.topic_access import MONITOR, OPERATOR, PROCESSOR
from broker.store.journal_query import Query, entries
from broker.store.journal_verification import verify
from tests.broker.access.conftest import Client, Guarded

pytestmark = pytest.mark.broker
Until = Callable[[Callable[[], object]], Awaitable[None]]
NOT_AUTHORIZED = 0x87
PROCESSOR_ID = "pumpwatch-processor-0123"


@contextlib.asynccontextmanager
async def connected(*clients: Client) -> AsyncIterator[None]:
    for client in clients:
        await client.link.open()
    try:
        yield
    finally:
        for client in clients:
            await client.link.close()


def gateway(guarded: Guarded, name: str = "gateway-00") -> Address:
    return guarded.gateways.for_user(name, derived_password(guarded.credentials.fleet_secret(), name))


@pytest.mark.parametrize(
    ("user", "password"), [(None, None), ("gateway-00", "wrong"), ("nobody", "wrong"), (PROCESSOR, "wrong")]
)
async def test_nobody_gets_in_without_the_right_password(
    guarded: Guarded, user: str | None, password: str | None
) -> None:
    for address in (guarded.gateways, guarded.part(PROCESSOR)):
        files = replace(address.files, password_file="")
        stranger = Client.at(replace(address, username=user, password=password, files=files))
        with pytest.raises(LinkError, match="Not authorized") as refused:
            await stranger.link.open()
        assert refused.value.code == NOT_AUTHORIZED


def test_the_log_of_the_broker_counts_refused_logins(guarded: Guarded) -> None:
    """The tests above were refused; routine connects and disconnects are not shown."""
    until = time.monotonic() + 10
    while "refused at the broker" not in (text := (guarded.data / "log").read_text()):
        assert time.monotonic() < until, text
        time.sleep(0.05)
    assert "wrong name, password or certificate" in text
    assert "New c" not in text
    assert "Client" not in text


def test_refused_logins_are_in_the_journal_with_their_address(guarded: Guarded) -> None:
    """The tests above tried eight times within the minute: an entry at once, the rest are counted."""
    until = time.monotonic() + 10
    while (found := entries(guarded.data, Query(kinds=("sign_in_failed",)))).is_empty():
        assert time.monotonic() < until, (guarded.data / "log").read_text()
        time.sleep(0.05)
    assert found["origin"].unique().to_list() == ["127.0.0.1"]
    assert found["text"][-1] == "login at the broker refused: wrong name, password or certificate"
    assert verify(guarded.data)[1] is None


async def test_parts_and_gateways_cannot_log_in_at_each_others_port(guarded: Guarded) -> None:
    own = gateway(guarded)
    part = guarded.part(PROCESSOR)
    _, password = part.login()
    for stray in (
        replace(part, username=own.username, password=own.password, files=replace(part.files, password_file="")),
        guarded.gateways.for_user(PROCESSOR, str(password)),
    ):
        with pytest.raises(LinkError, match="Not authorized"):
            await Client.at(stray).link.open()


FORBIDDEN = (
    topic_of("gateway-01", "telemetry"),
    topic_of("gateway-01", "birth"),
    topic_of("gateway-01", "status"),
    topic_of("gateway-00", "command"),
    topic_of("gateway-01", "command"),
    topics.confirmed_topic("gateway-00"),
    topics.confirmed_topic("gateway-01"),
    topics.health_topic("processor"),
    topics.alarm_topic("high"),
    topics.processor_topic(PROCESSOR_ID),
    topics.RESEND,
    topics.OUTCOME,
    topics.COMMAND,
    topics.PART,
    topics.TRUTH,
    topics.KEYS,
)


async def test_a_gateway_publishes_its_own_topics_and_no_others(guarded: Guarded, until: Until) -> None:
    client, monitor = Client.at(gateway(guarded)), Client.at(guarded.part(MONITOR))
    own = [topic_of("gateway-00", leaf) for leaf in ("birth", "status", "reply", "telemetry")]
    async with connected(monitor):
        monitor.link.subscribe("#")
        for topic in FORBIDDEN:
            assert await is_refused(client, topic), topic
        async with connected(client):
            for topic in own:
                client.link.publish(topic, b"mine")
            await until(lambda: len(monitor.received) == len(own))
    assert monitor.topics() == own


async def is_refused(client: Client, topic: str) -> bool:
    """Publish something, and tell whether the broker says no; Mosquitto 2.0 also disconnects who tries."""
    async with connected(client):
        mid = client.link.publish(topic, b"forged")
        async with asyncio.timeout(10):
            while mid not in client.published:
                await asyncio.sleep(0.005)
        failure = client.published.pop(mid)
        return failure is not None and failure.code == NOT_AUTHORIZED


async def test_a_gateway_that_subscribes_to_everything_reads_only_what_is_for_it(
    guarded: Guarded, until: Until
) -> None:
    curious, other = Client.at(gateway(guarded)), Client.at(gateway(guarded, "gateway-01"))
    operator, processor = Client.at(guarded.part(OPERATOR)), Client.at(guarded.part(PROCESSOR))
    async with connected(curious, other, operator, processor):
        for each in ("#", "itb/#", "pumpwatch/#", "itb/+/gateway-01/command", topics.confirmed_topic("gateway-01")):
            curious.link.subscribe(each)
        other.link.publish(topic_of("gateway-01", "telemetry"), b"private")
        operator.link.publish(topic_of("gateway-01", "command"), b"private")
        operator.link.publish(topics.COMMAND, b"private")
        processor.link.publish(topics.confirmed_topic("gateway-01"), b"private")
        await until(lambda: len(other.published) + len(operator.published) + len(processor.published) == 4)
        operator.link.publish(topic_of("gateway-00", "command"), b"yours")
        await until(lambda: curious.received)
        await asyncio.sleep(0)
    assert {message.payload for message in curious.received} == {b"yours"}


async def test_a_monitor_writes_nothing(guarded: Guarded) -> None:
    monitor = Client.at(guarded.part(MONITOR))
    for topic in (topics.COMMAND, topic_of("gateway-00", "telemetry"), topics.PART):
        assert await is_refused(monitor, topic)


@pytest.mark.parametrize("victim", [PROCESSOR_ID, "gateway-01"])
async def test_a_gateway_cannot_take_over_a_session(guarded: Guarded, until: Until, victim: str) -> None:
    """By its client id: neither is the victim thrown off, nor does it miss a sample."""
    processor = Client.at(guarded.part(PROCESSOR), PROCESSOR_ID, persistent=True)
    other, thief = Client.at(gateway(guarded, "gateway-01")), Client.at(gateway(guarded), victim)
    async with connected(processor, other):
        processor.link.subscribe(topics.ALL)
        async with connected(thief):
            other.link.publish(topic_of("gateway-01", "telemetry"), b"1")
            await until(lambda: len(processor.received) == 1)
            thief.link.publish(topic_of("gateway-00", "telemetry"), b"2")
            await until(lambda: len(processor.received) == 2)
            assert processor.link.alive
            assert other.link.alive
        assert [message.payload for message in processor.received] == [b"1", b"2"]


async def test_without_the_authority_the_broker_is_not_trusted_and_without_tls_nothing_answers(
    guarded: Guarded,
) -> None:
    address = gateway(guarded)
    with pytest.raises(LinkError, match="not trusted"):
        await Client.at(replace(address, files=replace(address.files, ca_file=""))).link.open()
    plain = replace(address, tls=False, files=replace(address.files, ca_file=""))
    with pytest.raises(LinkError):
        await Client.at(plain).link.open()


async def test_a_gateway_that_is_removed_is_disconnected_and_cannot_return(guarded: Guarded, until: Until) -> None:
    password = gateways.add_with_password(guarded.credentials, "ward-3", datetime.now(UTC))
    client = Client.at(guarded.gateways.for_user("ward-3", password))
    await opened(client)
    gateways.remove(guarded.credentials, "ward-3", datetime.now(UTC))
    await until(lambda: not client.link.alive)
    with pytest.raises(LinkError, match="Not authorized"):
        await client.link.open()


async def test_a_gateway_with_a_certificate_is_known_by_it_until_it_is_revoked(guarded: Guarded, until: Until) -> None:
    issued = gateways.add_with_certificate(guarded.credentials, "ward-4", datetime.now(UTC))
    pem = guarded.credentials.path / "ward-4.pem"
    pem.write_bytes(issued.certificate + issued.key)
    place = replace(guarded.gateways, port=guarded.gateways.port + 1)
    with pytest.raises(LinkError):
        await Client.at(place).link.open()
    client = Client.at(replace(place, files=replace(place.files, client_cert=str(pem))), PROCESSOR_ID)
    monitor = Client.at(guarded.part(MONITOR))
    async with connected(monitor):
        monitor.link.subscribe(topics.ALL)
        # The authority is enough to connect; rights come with the access file, which is read twice a second.
        async with asyncio.timeout(10):
            while await is_refused(client, topic_of("ward-4", "telemetry")):
                await asyncio.sleep(0.05)
        await until(lambda: monitor.received)
        assert await is_refused(client, topic_of("gateway-00", "telemetry"))
        assert monitor.topics() == [topic_of("ward-4", "telemetry")]
        await client.link.open()
        gateways.remove(guarded.credentials, "ward-4", datetime.now(UTC))

        await until(lambda: cut_off(client))
        await client.link.close()
        with pytest.raises(LinkError):
            await client.link.open()


def cut_off(client: Client) -> bool:
    """Publish something, and tell whether the broker has disconnected the client for an earlier message."""
    if client.link.alive:
        client.link.publish(topic_of("ward-4", "telemetry"), b"late")
    return not client.link.alive


async def opened(client: Client) -> None:
    """Connect as soon as the running broker knows the client: it reads its files twice a second."""
    async with asyncio.timeout(10):
        while True:
            try:
                await client.link.open()
            except LinkError:
                await asyncio.sleep(0.05)
            else:
                return
