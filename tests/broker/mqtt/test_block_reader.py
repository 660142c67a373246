"""Messages are cut out of any blocks that a network may deliver, and paho still sees every other packet."""

from __future__ import annotations

import asyncio
import itertools
import socket
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.mqtt import block_reader
from broker.mqtt.address import MQTT_3, MQTT_5, Address
from broker.mqtt.block_reader import Message, cut_messages, variable_length
from broker.mqtt.link import Link

PUBACK = b"\x40\x02\x00\x01"
USER_PROPERTIES = b"\x26\x00\x01a\x00\x01b" * 20


def length_of(count: int) -> bytes:
    low, rest = count % 128, count // 128
    return bytes([low | 128]) + length_of(rest) if rest else bytes([low])


def publication(message: Message, *, five: bool, dup: bool = False, properties: bytes = b"") -> bytes:
    topic = message.topic.encode()
    body = len(topic).to_bytes(2) + topic
    if message.qos:
        body += message.mid.to_bytes(2)
    if five:
        body += length_of(len(properties)) + properties
    body += message.payload
    first = 0x30 | dup << 3 | message.qos << 1 | message.retained
    return bytes([first]) + length_of(len(body)) + body


def cut_all(blocks: list[bytes], *, five: bool) -> tuple[list[Message], list[bytes]]:
    """Return the messages and the other packets in blocks, as a reader that keeps what is not complete finds them."""
    messages, others, rest = [], [], b""
    for block in blocks:
        data, at, stop = rest + block, 0, 0
        while stop <= len(data):
            found, at, stop = cut_messages(data, at, {}, five=five)
            messages += found
            rest = data[at:]
            if stop <= len(data):
                others.append(data[at:stop])
                at = stop
    assert rest == b""
    return messages, others


messages_of = st.builds(
    lambda topic, payload, mid, qos, retained: Message(topic, payload, mid if qos else 0, qos, retained),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=80),
    st.one_of(st.binary(max_size=200), st.sampled_from([b"", b"x" * 16_384])),
    st.integers(1, 65_535),
    st.integers(0, 1),
    st.booleans(),
)


@settings(deadline=None, max_examples=50)
@given(
    five=st.booleans(),
    messages=st.lists(messages_of, max_size=5),
    properties=st.sampled_from([b"", USER_PROPERTIES[:7], USER_PROPERTIES]),
    dup=st.booleans(),
    cuts=st.lists(st.integers(0, 4_000), max_size=6),
)
def test_messages_are_the_same_however_the_network_splits_them(five, messages, properties, dup, cuts) -> None:
    stream = PUBACK.join(publication(each, five=five, dup=dup, properties=properties) for each in messages)
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    blocks = [stream[first:stop] for first, stop in itertools.pairwise(ends)]
    found, others = cut_all(blocks, five=five)
    assert found == messages
    assert others == [PUBACK] * (len(messages) - 1 if messages else 0)


def test_a_message_of_megabytes_arrives_in_many_blocks() -> None:
    large = Message("a", bytes(range(256)) * 8_200, 1, 1, retained=False)
    stream = publication(large, five=True)
    found, _ = cut_all([stream[at : at + 200_000] for at in range(0, len(stream), 200_000)], five=True)
    assert found == [large]


@pytest.mark.parametrize("count", [0, 127, 128, 16_383, 16_384, 2_097_151, 268_435_455])
def test_lengths_have_one_to_four_bytes(count) -> None:
    assert variable_length(b"x" + length_of(count), 1) == (count, 1 + len(length_of(count)))


MALFORMED = {
    "a topic longer than its packet": b"\x32\x06\x00\x09ab\x00\x01",
    "no room for an id": b"\x32\x03\x00\x01a",
    "properties longer than their packet": b"\x32\x07\x00\x01a\x00\x01\x09b",
    "quality of service 3": b"\x36\x06\x00\x01a\x00\x01\x00",
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x01",
}


@pytest.mark.parametrize("packet", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_packet_is_left_to_paho(packet) -> None:
    good = Message("a", b"good", 1, 1, retained=False)
    messages, at, stop = cut_messages(publication(good, five=True) + packet, 0, {}, five=True)
    assert messages == [good]
    assert at == stop - len(packet)


@dataclass
class Peer:
    """A broker of a few lines: accepts one client, sends it what a test says, and keeps what the client sends."""

    accepts: bytes
    received: bytearray = field(default_factory=bytearray)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    writer: asyncio.StreamWriter | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.received += await reader.read(1_000)
        writer.write(self.accepts)
        while data := await reader.read(1_000):
            self.received += data
        writer.close()
        self.gone.set()


@pytest.fixture
async def linked():
    """Return a function that opens a link to a broker that accepts it; it returns both, and the blocks of messages."""
    servers, links, peers = [], [], []

    async def open_link(*, five: bool = True, manual: bool = True):
        peer = Peer(b"\x20\x03\x00\x00\x00" if five else b"\x20\x02\x00\x00")
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        address = Address("127.0.0.1", server.sockets[0].getsockname()[1], protocol=MQTT_5 if five else MQTT_3)
        blocks: list[list[Message]] = []
        link = Link(address, "reader", manual=manual, on_messages=blocks.append)
        servers.append(server)
        links.append(link)
        peers.append(peer)
        await link.open()
        return link, peer, blocks

    yield open_link
    for link, peer, server in zip(links, peers, servers, strict=True):
        await link.close()
        await peer.gone.wait()
        server.close()


def many(count: int) -> list[Message]:
    return [Message(f"t/{number % 3}", b"x" * number, number + 1, 1, retained=False) for number in range(count)]


@pytest.mark.parametrize("five", [False, True])
async def test_messages_of_one_block_arrive_together_and_are_acknowledged_in_order(linked, until, five) -> None:
    sent = many(100)
    link, peer, blocks = await linked(five=five)
    peer.writer.write(b"".join(publication(each, five=five) for each in sent))
    await until(lambda: sum(map(len, blocks)) == 100)
    assert [message for block in blocks for message in block] == sent
    link.acknowledge(message.mid for message in sent)
    expected = b"".join(b"\x40\x02" + each.mid.to_bytes(2) for each in sent)
    await until(lambda: peer.received.endswith(expected))


async def test_a_link_that_is_not_manual_acknowledges_by_itself(linked, until) -> None:
    _, peer, blocks = await linked(manual=False)
    peer.writer.write(publication(many(1)[0], five=True))
    await until(lambda: blocks)
    await until(lambda: peer.received.endswith(b"\x40\x02\x00\x01"))


async def test_a_message_of_quality_2_that_nobody_asked_for_is_confirmed_by_paho_and_not_lost(linked, until) -> None:
    _, peer, blocks = await linked()
    peer.writer.write(b"\x34\x09\x00\x01a\x00\x07\x00old")
    await until(lambda: peer.received[-4:].startswith(b"\x50\x02\x00\x07"))
    peer.writer.write(b"\x62\x02\x00\x07")
    await until(lambda: blocks)
    assert blocks == [[Message("a", b"old", 0, 2, retained=False)]]
    await until(lambda: peer.received.endswith(b"\x70\x02\x00\x07"))


async def test_messages_before_a_disconnect_of_the_broker_still_arrive(linked) -> None:
    link, peer, blocks = await linked()
    peer.writer.write(publication(many(1)[0], five=True) + b"\xe0\x02\x8e\x00")
    assert await link.ended() == "Session taken over"
    assert link.end_code == 0x8E
    assert sum(map(len, blocks)) == 1


async def test_a_malformed_packet_ends_the_connection(linked) -> None:
    link, peer, _ = await linked()
    peer.writer.write(MALFORMED["a topic longer than its packet"])
    async with asyncio.timeout(5):
        await link.ended()


async def test_while_reading_is_paused_messages_wait_in_the_network(linked, until) -> None:
    first, second = many(2)
    link, peer, blocks = await linked()
    peer.writer.write(publication(first, five=True))
    await until(lambda: blocks)
    link.pause_reading()
    peer.writer.write(publication(second, five=True))
    await asyncio.sleep(0.1)
    assert blocks == [[first]]
    link.resume_reading()
    await until(lambda: len(blocks) == 2)
    assert blocks[1] == [second]


async def test_messages_are_a_sign_of_life_while_the_answer_to_a_ping_waits_behind_them(linked, until, monkeypatch):
    fed = []
    feed = block_reader.BlockClient._feed
    monkeypatch.setattr(
        block_reader.BlockClient, "_feed", lambda client, packet: (fed.append(packet), feed(client, packet))
    )
    _, peer, blocks = await linked()
    peer.writer.write(b"".join(publication(each, five=True) for each in many(3)))
    await until(lambda: sum(map(len, blocks)) == 3)
    assert fed.count(b"\xd0\x00") == 1


async def test_a_lost_connection_is_reported_with_its_reason(linked) -> None:
    link, _, _ = await linked()
    link._client.socket().shutdown(socket.SHUT_RDWR)
    async with asyncio.timeout(5):
        assert await link.ended()
