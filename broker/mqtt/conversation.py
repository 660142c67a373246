"""Short MQTT session for one exchange: a person's command and its answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.connecting import CONNECT_TIMEOUT_S
from broker.mqtt.link import learn_protocol


@dataclass(frozen=True)
class Conversation:
    """An open session: `client` has the messages that arrive, `protocol` is the version of MQTT."""

    client: aiomqtt.Client
    protocol: int

    async def publish(self, topic: str, payload: bytes, expiry_s: int) -> None:
        """Publish with QoS 1; with MQTT 5, the broker discards it if nobody fetches it within `expiry_s`."""
        properties = None
        if self.protocol == aiomqtt.ProtocolVersion.V5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.MessageExpiryInterval = expiry_s
        await self.client.publish(topic, payload, qos=1, properties=properties)


@contextlib.asynccontextmanager
async def conversation(url: str, topics: Sequence[str] = ()) -> AsyncIterator[Conversation]:
    """Open a short session that is subscribed to `topics`; raises `LinkError` if it cannot be opened or breaks off."""
    address = parse_url(url)
    protocol = await learn_protocol(address)
    user, password = address.login()
    client = aiomqtt.Client(
        address.host,
        address.port,
        username=user,
        password=password,
        protocol=aiomqtt.ProtocolVersion(protocol),
        tls_context=address.tls_context(),
        timeout=CONNECT_TIMEOUT_S,
    )
    try:
        async with client:
            for topic in topics:
                await client.subscribe(topic, qos=1)
            yield Conversation(client, protocol)
    except aiomqtt.MqttError as error:
        raise LinkError(f"connection to {address.url} lost during the exchange: {error}") from error
