"""This file tells gateways up to which of their messages all is durable, so that they can let go of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from broker.gateways import Confirmation
from broker.messages import encode
from broker.topics import confirmed_topic
from processor.registry import Gateway


@dataclass
class Receipts:
    """What is durable of each gateway, by the stamp of its last message, and what of it was told."""

    _durable: dict[str, int] = field(default_factory=dict)
    _told: dict[str, int] = field(default_factory=dict)

    def standing(self, gateways: list[Gateway]) -> dict[str, int]:
        """Return where each gateway that introduced itself stands now; `durable` follows once that is on disk."""
        return {gateway.name: gateway.sent for gateway in gateways if gateway.born and gateway.sent is not None}

    def durable(self, standing: dict[str, int]) -> None:
        """Note that all of that is durable."""
        self._durable.update(standing)

    def news(self) -> Iterator[tuple[str, bytes]]:
        """Yield topic and payload of each confirmation that differs from the last one told."""
        for name, sent in self._durable.items():
            if self._told.get(name) != sent:
                self._told[name] = sent
                yield confirmed_topic(name), encode(Confirmation(sent=sent))
