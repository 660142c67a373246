"""Confirmations to gateways: up to which of their messages everything is durable, so that outboxes can drop them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.contract.gateway_messages import Confirmation
from broker.contract.messages import encode
from broker.contract.topics import confirmed_topic
from processor.intake.gateway import Gateway

Progress = dict[str, tuple[int, int, int, int]]
"""For each gateway, by name: the stamp of its last message, the highest of all, how many it has redelivered, and how
many were taken, each once."""


@dataclass
class Confirmations:
    """What is durable of each gateway, and what of that was published.

    A gateway that redelivers has missed its confirmation, which is published again even if it is the same. If its last
    message is not its newest, a broker has delivered an earlier one again, or the clock of the gateway was set back:
    then both stamps are confirmed, and a gateway ignores one that none of its parcels has. How many messages were taken
    is counted up to the newest; therefore it is named beside the last, and comes after it: a broker retains what came
    last.
    """

    _durable: Progress = field(default_factory=dict)
    _published: Progress = field(default_factory=dict)

    def progress(self, gateways: list[Gateway]) -> Progress:
        """Return how far each gateway with a birth has got; call `durable` with it once that is on disk."""
        return {
            gateway.name: (
                gateway.sent,
                gateway.sent if gateway.newest is None else gateway.newest,
                gateway.resent,
                gateway.taken,
            )
            for gateway in gateways
            if gateway.born and gateway.sent is not None
        }

    def durable(self, progress: Progress) -> None:
        """Record that everything up to there is durable."""
        self._durable.update(progress)

    def republish(self) -> None:
        """Make all confirmations due again: the last ones may have been lost with the connection."""
        self._published.clear()

    def due(self) -> Iterator[tuple[str, bytes]]:
        """Yield topic and payload of each confirmation that its gateway may not have received."""
        for name, progress in self._durable.items():
            if self._published.get(name) != progress:
                self._published[name] = progress
                last, newest, _, taken = progress
                if newest > last:
                    yield confirmed_topic(name), encode(Confirmation(sent=last, total=taken, newest=newest))
                yield confirmed_topic(name), encode(Confirmation(sent=newest, total=taken))
