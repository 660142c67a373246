"""This file tells gateways up to which of their messages all is durable, so that they can let go of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.contract.gateway_messages import Confirmation
from broker.contract.messages import encode
from broker.contract.topics import confirmed_topic
from processor.intake.registry import Gateway

Standing = dict[str, tuple[int, int]]
"""Of each gateway, by name, the stamp of its last message, and how many messages it has sent again of itself."""


@dataclass
class Confirmations:
    """What is durable of each gateway, and what of it was told.

    Who sends again has not heard what was told, and is told again, though it be the same.
    """

    _durable: Standing = field(default_factory=dict)
    _told: Standing = field(default_factory=dict)

    def standing(self, gateways: list[Gateway]) -> Standing:
        """Return where each gateway that introduced itself stands now; `durable` follows once that is on disk."""
        return {
            gateway.name: (gateway.sent, gateway.resent)
            for gateway in gateways
            if gateway.born and gateway.sent is not None
        }

    def durable(self, standing: Standing) -> None:
        """Note that all of that is durable."""
        self._durable.update(standing)

    def forget_told(self) -> None:
        """Tell everything again: what was told last may have been lost with the connection."""
        self._told.clear()

    def news(self) -> Iterator[tuple[str, bytes]]:
        """Yield topic and payload of each confirmation that may not have been heard."""
        for name, stands in self._durable.items():
            if self._told.get(name) != stands:
                self._told[name] = stands
                yield confirmed_topic(name), encode(Confirmation(sent=stands[0]))
