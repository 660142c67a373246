"""Short MQTT session for one exchange: a person's command and its answer."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import aiomqtt

from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.connecting import CONNECT_TIMEOUT_S
from broker.mqtt.link import learn_protocol


@contextlib.asynccontextmanager
async def conversation(url: str, topics: Sequence[str] = ()) -> AsyncIterator[aiomqtt.Client]:
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
            yield client
    except aiomqtt.MqttError as error:
        raise LinkError(f"connection to {address.url} lost during the exchange: {error}") from error
