"""Samples of a batch's JSON messages on their way into one frame: decoded together, numbered message by message."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Container, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import numpy as np
import polars as pl

from broker.contract import codec
from broker.contract.codec import JsonSample
from broker.contract.topics import TopicError, parse
from broker.mqtt.link import Message
from processor.engine.sequence import REDELIVERED
from processor.intake.gateway import Gateway
from processor.intake.registry import Registry

MIN_RUN: Final = 16
"""Messages in a row that are worth being taken together."""
MAX_RUN: Final = 4_096
"""Messages that are taken together at most: those with a new pump among them are all taken one by one."""
known_topic: Final = lru_cache(maxsize=100_000)(parse)
"""The parts of a topic that was parsed before; raises `TopicError` like `parse`."""


class JsonRows:
    """The samples of JSON telemetry: a row each, with the place of its message in the batch.

    Messages of one sample in plain form are decoded together at the start, any other one when its turn comes, as what
    is wrong with it has to be told. Pumps and gateways are looked up in the order of the messages, among which births
    may be.
    """

    def __init__(self, messages: Sequence[Message], apart: Container[int] = ()) -> None:
        """Decode the messages that are one sample in plain form each; never raises.

        Those at the places `apart` are no JSON.
        """
        self._batch = messages
        telemetry = {topic for topic in {message.topic for message in messages} if topic.endswith("/telemetry")}
        places = [at for at, each in enumerate(messages) if each.topic in telemetry and not each.retained]
        if apart:
            places = [at for at in places if at not in apart]
        plain = codec.plain_samples([messages[at].payload for at in places])
        self._plain = plain.samples
        self._messages = [places[at] for at in plain.places]
        self._serials, self._times, self._sent = plain.pumps, plain.times, plain.sent
        self._others: list[JsonSample] = []
        self._numbers: list[int | None] = [None] * len(self._messages)
        self._redelivered = [False] * len(self._messages)

    def others(self, registry: Registry, now: int) -> Iterator[int]:
        """Take runs of messages of one plain sample each; yield the places of all other messages, in order.

        Each is to be read before the next is asked for.
        """
        ends = [row for row in range(1, len(self._messages)) if self._messages[row] != self._messages[row - 1] + 1]
        place = 0
        for first, stop in itertools.pairwise([0, *ends, len(self._messages)]) if self._messages else ():
            yield from range(place, self._messages[first])
            place = self._messages[first]
            for part in range(first, stop, MAX_RUN):
                end = min(part + MAX_RUN, stop)
                if end - part < MIN_RUN or not self._take_run(part, end, registry, now):
                    yield from range(place, place + end - part)
                place += end - part
        yield from range(place, len(self._batch))

    def of(self, place: int, payload: bytes) -> tuple[range, tuple[str, ...]]:
        """Return the rows of the message at `place`, and a reason for each of its samples that is rejected."""
        row = bisect.bisect_left(self._messages, place, hi=self._plain.height)
        if row < self._plain.height and self._messages[row] == place:
            return range(row, row + 1), ()
        rows, refused = codec.decode_rows(payload)
        first = len(self._messages)
        self._others += rows
        self._serials += [row.pump for row in rows]
        self._times += [int(row.time) for row in rows]
        self._sent += [None if row.sent is None else int(row.sent) for row in rows]
        self._messages += [place] * len(rows)
        self._numbers += [None] * len(rows)
        self._redelivered += [False] * len(rows)
        return range(first, first + len(rows)), refused

    def take(self, rows: range, gateway: Gateway, registry: Registry, now: int) -> list[str]:
        """Take the rows of a message of a gateway at `now` (wall ms); return the pumps that it may not send."""
        redelivered = gateway.receive(self._sent[rows[-1]], now)
        unknown = []
        for row in rows:
            number = registry.number(gateway, self._serials[row], self._times[row])
            if number is None:
                unknown.append(self._serials[row])
            self._numbers[row] = number
            self._redelivered[row] = redelivered
        return unknown

    def _take_run(self, first: int, stop: int, registry: Registry, now: int) -> bool:
        """Take plain rows that follow each other, if each is of a known pump of a known gateway; return whether."""
        place = self._messages[first]
        topics = [message.topic for message in self._batch[place : place + stop - first]]
        gateways = _known_gateways(set(topics), registry)
        if gateways is None:
            return False
        senders = [gateways[topic] for topic in topics]
        numbers = registry.numbers_owned(self._serials[first:stop], [gateway.number for gateway in senders])
        if numbers is None:
            return False
        self._numbers[first:stop] = numbers
        self._redelivered[first:stop] = [
            gateway.receive(sent, now) for gateway, sent in zip(senders, self._sent[first:stop], strict=True)
        ]
        return True

    def frame(self) -> pl.DataFrame | None:
        """Return the samples that were taken, with the numbers of pumps and messages, None if there are none."""
        if not self._messages:
            return None
        rows = pl.concat([self._plain, codec.frame_of(self._others)]) if self._others else self._plain
        numbers = pl.Series("pump", self._numbers, dtype=pl.UInt32)
        samples = rows.with_columns(
            numbers,
            pl.Series(REDELIVERED, self._redelivered, dtype=pl.Boolean),
            pl.Series("message", np.array(self._messages, dtype=np.uint32)),
        )
        if numbers.has_nulls():
            samples = samples.drop_nulls("pump")
        return samples.sort("message", maintain_order=True) if self._others else samples


def _known_gateways(topics: Iterable[str], registry: Registry) -> dict[str, Gateway] | None:
    """Return the gateway of each topic; None if not all are valid topics of known gateways, one of each gateway."""
    found: dict[str, Gateway] = {}
    for text in topics:
        try:
            topic = known_topic(text)
        except TopicError:
            return None
        gateway = registry.gateways.find(topic.gateway)
        if gateway is None or gateway.shard != topic.shard:
            return None
        found[text] = gateway
    return found
