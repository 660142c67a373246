"""Tracing for load tests: publishes when each message was received, decoded, judged, durable and shown."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from broker.contract.messages import encode
from broker.contract.topics import TRACE
from broker.contract.trace import MAX_MESSAGES, Durable, Shown, Taken
from broker.mqtt.link import Link, Message
from processor.batch_result import BatchResult
from processor.pipeline import Pipeline
from processor.service import spans
from processor.service.commit import Committer
from processor.service.following import Follower, Followers
from processor.service.settings import Settings
from processor.service.showing import Showing


@dataclass
class Tracing:
    """Follows messages through a processor, in the order in which its queue hands them on.

    `publish` gets each message of the trace; `now` is wall ms with fractions. The digests cost about as much as reading
    each payload once more, so it runs only when asked for.
    """

    publish: Callable[[bytes], None]
    now: Callable[[], float]
    _arrivals: deque[tuple[int, float]] = field(default_factory=deque)
    _decoded: float = 0.0
    _batch: int = 0

    def close(self) -> None:
        """Everything is published already."""

    def received(self, count: int) -> None:
        """Note that so many messages were read from the connection; the queue bounds how many may wait."""
        self._arrivals.append((count, self.now()))

    def decoded(self) -> None:
        """Note that the messages in hand are decoded."""
        self._decoded = self.now()

    def judged(self, messages: Sequence[Message], _results: Sequence[BatchResult] = ()) -> None:
        """Publish that these messages, the next of those received, are judged."""
        self._batch += 1
        arrived = self._times_of(len(messages))
        rows = [
            (name, zlib.crc32(message.payload), at)
            for message, at in zip(messages, arrived, strict=True)
            if (name := _sender(message.topic))
        ]
        at = self.now()
        for first in range(0, len(rows), MAX_MESSAGES):
            part = rows[first : first + MAX_MESSAGES]
            gateways, digests, received = zip(*part, strict=True)
            self._send(
                Taken(
                    batch=self._batch,
                    gateways=list(gateways),
                    digests=list(digests),
                    received=list(received),
                    decoded=self._decoded or at,
                    judged=at,
                )
            )
        self._decoded = 0.0

    @property
    def batch(self) -> int:
        """Number of the latest batch that is judged."""
        return self._batch

    def durable(self, batch: int) -> None:
        """Publish that all batches up to this one are on disk and acknowledged."""
        self._send(Durable(batch=batch, at=self.now()))

    def shown(self, batch: int, version: int) -> None:
        """Publish that all batches up to this one are in the snapshot of that version."""
        self._send(Shown(batch=batch, version=version, at=self.now()))

    def _send(self, message: msgspec.Struct) -> None:
        self.publish(encode(message))

    def _times_of(self, count: int) -> list[float]:
        times: list[float] = []
        while len(times) < count:
            arrived, at = self._arrivals.popleft()
            used = min(arrived, count - len(times))
            times += [at] * used
            if used < arrived:
                self._arrivals.appendleft((arrived - used, at))
        return times


def followers_of(
    settings: Settings, now: Callable[[], float], clock: Callable[[], float], link: Link
) -> Followers | None:
    """Return what follows batches as the settings say, None if nothing does: then following costs nothing.

    `now` is as in `Tracing`, `clock` monotonic in s. Raises `ProcessorError`.
    """

    def publish(payload: bytes) -> None:
        if link.alive:
            link.publish(TRACE, payload)

    followers: list[Follower] = [Tracing(publish, now)] if settings.trace else []
    followers += [spans.exported(settings.otlp_endpoint, now, clock)] if settings.otlp_endpoint else []
    return Followers(followers) if followers else None


def follow(followers: Followers, pipeline: Pipeline, committer: Committer, showing: Showing) -> None:
    """Have these parts report to the followers."""
    pipeline.on_decoded = followers.decoded
    committer.marked = showing.marked = lambda: followers.batch
    committer.on_durable, showing.on_shown = followers.durable, followers.shown


def _sender(topic: str) -> str:
    """Return the gateway whose telemetry this topic carries; empty for all other topics."""
    parts = topic.split("/")
    return parts[2] if len(parts) == 4 and parts[3] == "telemetry" else ""
