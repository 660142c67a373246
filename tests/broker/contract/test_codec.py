"""Payload codec: every form decodes to what was encoded, and no payload raises."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.codec import (
    EARLIEST_MS,
    LATEST_MS,
    MAX_COUNT,
    decode,
    decode_rows,
    encode_arrow,
    encode_json,
    frame_of,
    is_arrow,
)
from broker.contract.signals import SAMPLE_SCHEMA, SIGNALS
from broker.contract.topics import NAME

START_MS = 1_767_225_600_000
TIMES = st.integers(EARLIEST_MS, LATEST_MS)
COUNTS = st.none() | st.integers(0, MAX_COUNT)


def readings(low: float, high: float):
    return st.none() | st.floats(low, high, width=32)


ROW = st.fixed_dictionaries(
    {
        "pump": st.from_regex(NAME, fullmatch=True).filter(str.isascii),
        "time": TIMES,
        "sent": st.none() | TIMES,
        **dict.fromkeys(("seq", "boot", "program", "flags"), COUNTS),
        **{signal.name: readings(signal.low, signal.high) for signal in SIGNALS},
    }
)
FRAMES = st.lists(ROW, min_size=1, max_size=5, unique_by=lambda row: row["pump"]).map(
    lambda rows: pl.DataFrame(rows, SAMPLE_SCHEMA)
)
FEW = settings(max_examples=60, deadline=None)


@FEW
@given(FRAMES)
def test_arrow_decodes_to_exactly_what_was_encoded(frame):
    decoded = decode(encode_arrow(frame))
    assert decoded.rejected == ()
    assert decoded.samples.equals(frame)
    assert decoded.samples.schema == frame.schema


@FEW
@given(FRAMES)
def test_json_decodes_to_what_was_encoded_to_four_decimals(frame):
    decoded = decode(encode_json(frame))
    assert decoded.rejected == ()
    whole = [name for name, dtype in SAMPLE_SCHEMA.items() if dtype != pl.Float32]
    assert decoded.samples.select(whole).equals(frame.select(whole))
    for name in (signal.name for signal in SIGNALS):
        assert decoded.samples[name].is_null().equals(frame[name].is_null())
        np.testing.assert_allclose(decoded.samples[name].drop_nulls(), frame[name].drop_nulls(), rtol=1e-6, atol=6e-5)


@FEW
@given(st.binary(max_size=300))
def test_no_payload_raises(payload):
    for beginning in (b"", b"{", b"[", b"\xff\xff\xff\xff"):
        decoded = decode(beginning + payload)
        assert dict(decoded.samples.schema) == SAMPLE_SCHEMA


def test_single_samples_an_array_and_lines_decode_to_the_same_samples():
    one = '{"pump":"A","time":1767225600000,"flow_ul_h":8.5}'
    two = '{"pump":"B","time":1767225600000}'
    forms = (f"{one}\n{two}", f"{one}\r\n{two}\r\n", f"[{one},{two}]", f" [ {one} , {two} ] ", f"\n{one}\n\n{two}\n")
    frames = [decode(form.encode()) for form in forms]
    assert all(frame.rejected == () for frame in frames)
    assert all(frame.samples.equals(frames[0].samples) for frame in frames)
    assert frames[0].samples["flow_ul_h"].to_list() == [8.5, None]


def test_one_sample_is_one_json_object_without_unknown_values(samples):
    assert json.loads(encode_json(samples(flow_ul_h=[8.1]))) == {"pump": "A", "time": START_MS, "flow_ul_h": 8.1}
    assert len(encode_json(samples(flow_ul_h=[8.1, 8.2])).splitlines()) == 2


@pytest.mark.parametrize(
    "time",
    ['"2026-01-01T00:00:00Z"', '"2026-01-01T01:00:00+01:00"', '"2026-01-01 00:00:00.000+00:00"', "1767225600000"],
)
def test_times_are_milliseconds_or_iso_8601(time):
    assert decode(f'{{"pump":"A","time":{time},"sent":{time}}}'.encode()).samples["time"].to_list() == [START_MS]


def test_unknown_fields_are_ignored():
    assert decode(b'{"pump":"A","time":1767225600000,"mood":{"good":[1,2]},"time2":1}').rejected == ()


def test_an_arrow_frame_may_have_more_columns_in_any_order_and_other_number_types(samples):
    frame = samples(flow_ul_h=[8.5], seq=[3]).with_columns(
        pl.col("flow_ul_h").cast(pl.Float64), pl.col("seq").cast(pl.UInt16), pl.lit("x").alias("mood")
    )
    decoded = decode(encode_arrow(frame.select(sorted(frame.columns))))
    assert decoded.rejected == ()
    assert decoded.samples.equals(samples(flow_ul_h=[8.5], seq=[3]))


def test_the_first_bytes_tell_arrow_from_json(samples):
    assert is_arrow(encode_arrow(samples()))
    assert not is_arrow(encode_json(samples()))
    assert not is_arrow(b"")


def test_rows_gathered_from_many_payloads_make_one_frame():
    rows = [row for name in "AB" for row in decode_rows(b'{"pump":"%c","time":"2026-01-01T00:00:00Z"}' % ord(name))[0]]
    assert frame_of(rows)["pump"].to_list() == ["A", "B"]
    assert frame_of(rows)["time"].to_list() == [START_MS] * 2
    assert dict(frame_of([]).schema) == SAMPLE_SCHEMA


def test_limits_are_inclusive():
    for signal in SIGNALS:
        for value in (signal.low, signal.high):
            assert decode(f'{{"pump":"A","time":{START_MS},"{signal.name}":{value}}}'.encode()).rejected == ()
        for value in (signal.low - 0.1, signal.high + 0.1):
            [reason] = decode(f'{{"pump":"A","time":{START_MS},"{signal.name}":{value}}}'.encode()).rejected
            assert f"{signal.name} is {value:g}; allowed is {signal.low:g} to {signal.high:g} {signal.unit}" in reason
    for time, good in ((EARLIEST_MS, True), (EARLIEST_MS - 1, False), (LATEST_MS, True), (LATEST_MS + 1, False)):
        assert (decode(f'{{"pump":"A","time":{time}}}'.encode()).rejected == ()) == good
