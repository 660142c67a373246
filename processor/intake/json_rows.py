"""Samples of a batch's JSON messages on their way into one frame: decoded together, numbered message by message."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from broker.contract import codec
from broker.contract.codec import JsonSample
from broker.mqtt.link import Message
from processor.engine.sequence import REDELIVERED
from processor.intake.gateway import Gateway
from processor.intake.registry import Registry

_NONE = range(0)


class JsonRows:
    """The samples of JSON telemetry: a row each, with the place of its message in the batch.

    Messages of one sample in plain form are decoded together at the start, any other one when its turn comes, as what
    is wrong with it has to be told. Pumps and gateways are looked up in the order of the messages, among which births
    may be.
    """

    def __init__(self, messages: Sequence[Message]) -> None:
        """Decode the messages that are one sample in plain form each; never raises."""
        places = [at for at, each in enumerate(messages) if each.payload[:1] == b"{" and is_telemetry(each)]
        plain = codec.plain_samples([messages[at].payload for at in places])
        self._plain = plain.samples
        self._messages = [places[at] for at in plain.places]
        self._row_of = {place: row for row, place in enumerate(self._messages)}
        self._serials: list[str] = plain.samples["pump"].to_list()
        self._times: list[int] = plain.samples["time"].to_list()
        self._sent: list[int | None] = plain.samples["sent"].to_list()
        self._numbers: list[int | None] = [None] * len(self._messages)
        self._redelivered = [False] * len(self._messages)
        self._others: list[JsonSample] = []

    def of(self, place: int, payload: bytes) -> tuple[range, tuple[str, ...]]:
        """Return the rows of the message at `place`, and a reason for each of its samples that is rejected."""
        row = self._row_of.get(place)
        if row is not None:
            return range(row, row + 1), ()
        rows, refused = codec.decode_rows(payload)
        if not rows:
            return _NONE, refused
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


def is_telemetry(message: Message) -> bool:
    """Tell whether a message is telemetry that is no retained copy."""
    return message.topic.endswith("/telemetry") and not message.retained
