"""Followers of batches: they learn when each is received, decoded, judged, durable and shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.mqtt.link import Message
from processor.batch_result import BatchResult


class Follower(Protocol):
    """Follows batches through the processor; `judged` is called once a batch, and numbers it."""

    @property
    def batch(self) -> int:
        """Number of the latest batch that is judged."""

    def close(self) -> None:
        """Send what is not sent yet."""

    def received(self, count: int) -> None:
        """Messages were read from the connection."""

    def decoded(self) -> None:
        """The messages in hand are decoded."""

    def judged(self, messages: Sequence[Message], results: Sequence[BatchResult]) -> None:
        """These messages, the next of those received, are judged."""

    def durable(self, batch: int) -> None:
        """All batches up to this one are on disk and acknowledged."""

    def shown(self, batch: int, version: int) -> None:
        """All batches up to this one are in the snapshot of that version."""


@dataclass
class Followers:
    """Several followers as one; they number the batches alike."""

    followers: Sequence[Follower]

    def close(self) -> None:
        """Send what is not sent yet."""
        for one in self.followers:
            one.close()

    @property
    def batch(self) -> int:
        """Number of the latest batch that is judged."""
        return self.followers[0].batch

    def received(self, count: int) -> None:
        """Pass it on."""
        for one in self.followers:
            one.received(count)

    def decoded(self) -> None:
        """Pass it on."""
        for one in self.followers:
            one.decoded()

    def judged(self, messages: Sequence[Message], results: Sequence[BatchResult]) -> None:
        """Pass it on."""
        for one in self.followers:
            one.judged(messages, results)

    def durable(self, batch: int) -> None:
        """Pass it on."""
        for one in self.followers:
            one.durable(batch)

    def shown(self, batch: int, version: int) -> None:
        """Pass it on."""
        for one in self.followers:
            one.shown(batch, version)
