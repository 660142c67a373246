"""Payloads of one tick: the samples of all gateways, encoded together where that is cheaper."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.codec import encode_arrow, json_rows

CHUNK_ROWS: Final = 4096
"""Samples that are encoded as JSON together: enough to share the cost of a query, few enough for memory and delay."""
_STAMP: Final = pl.Series("sent", [0], pl.Int64)


@dataclass
class TickPayloads:
    """The samples of one tick, in the order of their pumps; those of gateway `n` are rows `starts[n]` to `ends[n]`.

    The columns are those of `SAMPLE_SCHEMA`, with `sent` null.
    """

    samples: pl.DataFrame
    starts: list[int]
    ends: list[int]
    _first: int = 0
    _rows: list[bytes] = field(default_factory=list)

    def count(self, number: int) -> int:
        """Return the number of samples of a gateway."""
        return self.ends[number] - self.starts[number]

    def json(self, number: int, stamp: int) -> bytes:
        """Return the samples of a gateway as JSON, one per line, with `sent` as `stamp`."""
        first, end = self.starts[number], self.ends[number]
        if not self._first <= first <= end <= self._first + len(self._rows):
            self._first = first
            self._rows = json_rows(self.samples[first : max(end, first + CHUNK_ROWS)])
        tail = b',"sent":%d}' % stamp
        return (tail + b"\n").join(self._rows[first - self._first : end - self._first]) + tail

    def arrow(self, number: int, stamp: int) -> bytes:
        """Return the samples of a gateway as an Arrow stream, with `sent` as `stamp`."""
        part = self.samples[self.starts[number] : self.ends[number]]
        sent = (_STAMP + stamp).new_from_index(0, part.height)
        return encode_arrow(part.replace_column(part.get_column_index("sent"), sent))
