"""Arrow payloads that are decoded together give exactly what each of them gives alone."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract import codec
from broker.contract.arrow_batch import ArrowBatches
from broker.contract.codec import encode_arrow
from broker.contract.signals import SAMPLE_SCHEMA

START_MS = 1_767_225_600_000


def frame(*pumps: str, **values: object) -> pl.DataFrame:
    known = {"pump": list(pumps), "time": [START_MS] * len(pumps), **values}
    return pl.DataFrame(
        {name: known.get(name, [None] * len(pumps)) for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA, strict=False
    )


GOOD = frame("A", "B", "C", flow_ul_h=[8.0, 8.1, 8.2])
PAYLOADS = {
    "good": encode_arrow(GOOD),
    "later": encode_arrow(GOOD.with_columns(pl.col("time") + 60_000)),
    "one value out of range": encode_arrow(frame("A", "B", "C", flow_ul_h=[8.0, 1e7, 8.2])),
    "one value not a number": encode_arrow(frame("A", "B", "C", flow_ul_h=[8.0, float("nan"), 8.2])),
    "a time missing": encode_arrow(frame("A", "B", "C", time=[START_MS, None, START_MS])),
    "a wrong name": encode_arrow(frame("A", "../B", "C")),
    "other pumps": encode_arrow(frame("D", "E")),
    "one pump twice, not in order": encode_arrow(frame("A", "B", "A", time=[START_MS + 5, START_MS, START_MS])),
    "columns in another order": encode_arrow(GOOD.select(reversed(GOOD.columns))),
    "one column more": encode_arrow(GOOD.with_columns(pl.lit(1).alias("x"))),
    "wide numbers": encode_arrow(GOOD.with_columns(pl.col("flow_ul_h").cast(pl.Float64))),
    "text that is not UTF-8": encode_arrow(frame("AAAAAAAAAAAAAAAA")).replace(b"AAAAAAAA", b"AAAA\xc3\x28AA"),
    "no rows": encode_arrow(GOOD.clear()),
    "truncated": encode_arrow(GOOD)[:300],
    "no Arrow": b"\xff\xff\xff\xff",
}


@pytest.mark.parametrize("name", PAYLOADS)
def test_a_payload_among_others_is_decoded_as_if_it_were_alone(name):
    batch = [("g1", PAYLOADS["good"]), ("g1", PAYLOADS[name]), ("g2", PAYLOADS[name]), ("g1", PAYLOADS["later"])]
    together = ArrowBatches()
    for _ in range(2):
        for (_, payload), decoded in zip(batch, together.decode(batch), strict=True):
            alone = codec.decode(payload)
            assert decoded.rejected == alone.rejected
            assert decoded.samples.equals(alone.samples)


@settings(max_examples=40, deadline=None)
@given(batches=st.lists(st.lists(st.tuples(st.sampled_from("gh"), st.sampled_from(sorted(PAYLOADS)))), max_size=4))
def test_what_came_before_changes_nothing(batches):
    together = ArrowBatches()
    for batch in batches:
        decoded = together.decode([(source, PAYLOADS[name]) for source, name in batch])
        for (_, name), found in zip(batch, decoded, strict=True):
            alone = codec.decode(PAYLOADS[name])
            assert found.rejected == alone.rejected
            assert found.samples.equals(alone.samples)
