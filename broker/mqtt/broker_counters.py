"""What Mosquitto counts about itself ($SYS), by the names of metrics."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from dataclasses import dataclass, field
from typing import Final

from broker.mqtt.address import Address
from broker.mqtt.link import Link, Message
from broker.mqtt.reconnection import keep_open

CLIENT_ID: Final = "pumpwatch-broker-metrics"
TOPICS: Final = {
    "$SYS/broker/clients/connected": "pumpwatch_broker_clients_connected",
    "$SYS/broker/store/messages/count": "pumpwatch_broker_messages_stored",
    "$SYS/broker/store/messages/bytes": "pumpwatch_broker_messages_stored_bytes",
    "$SYS/broker/publish/messages/dropped": "pumpwatch_broker_messages_dropped_total",
    "$SYS/broker/publish/messages/received": "pumpwatch_broker_messages_received_total",
    "$SYS/broker/publish/messages/sent": "pumpwatch_broker_messages_sent_total",
    "$SYS/broker/bytes/received": "pumpwatch_broker_received_bytes_total",
    "$SYS/broker/bytes/sent": "pumpwatch_broker_sent_bytes_total",
}
"""Topic of each counter, and the metric that it is."""

log = logging.getLogger("broker")


@dataclass
class BrokerCounters:
    """The latest value of each counter; `answering` says whether the broker answers this process."""

    values: dict[str, float] = field(default_factory=dict)
    answering: bool = False

    def receive(self, message: Message) -> None:
        """Take in a message of the broker; what is no number is left out."""
        name = TOPICS.get(message.topic)
        try:
            value = float(message.payload)
        except ValueError:
            return
        if name is not None and math.isfinite(value):
            self.values[name] = value

    async def follow(self, address: Address) -> None:
        """Follow the counters of the broker at `address` until cancelled, also after it was away."""

        async def session(link: Link) -> None:
            for topic in TOPICS:
                link.subscribe(topic)
            self.answering = True
            try:
                await asyncio.Event().wait()
            finally:
                self.answering = False

        link = Link(address, CLIENT_ID, on_message=self.receive)
        await keep_open(link, session, report=log.warning, chance=random.Random())
