"""Whatever arrives is read or refused with a reason; nothing of it crashes anything."""

from __future__ import annotations

import polars as pl

from broker.contract.codec import MAX_COUNT, decode
from broker.contract.signals import SAMPLE_SCHEMA, SIGNALS

from .mutations import mutated

COUNT = 20_000


def test_twenty_thousand_harmed_payloads_are_read_or_refused_with_a_reason() -> None:
    read, refused = [], 0
    for payload in mutated(COUNT, seed=1):
        decoded = decode(payload)
        assert decoded.samples.height or decoded.rejected, payload
        assert all(decoded.rejected), payload
        refused += bool(decoded.rejected)
        if decoded.samples.height:
            read.append(decoded.samples)
    samples = pl.concat(read)
    assert min(len(read), refused) > COUNT / 20
    assert dict(samples.schema) == SAMPLE_SCHEMA
    for signal in SIGNALS:
        assert samples[signal.name].drop_nulls().is_between(signal.low, signal.high).all(), signal.name
    assert samples["seq"].drop_nulls().is_between(0, MAX_COUNT).all()
    assert samples.select("pump", "time").null_count().row(0) == (0, 0)
