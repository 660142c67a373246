"""Every payload of strangers is read or rejected as its row in the table says; arbitrary ones never raise."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract.codec import LATEST_MS, decode, plain_samples
from broker.contract.payload_limits import MAX_ROWS
from broker.contract.signals import SAMPLE_SCHEMA

from .payloads import PAYLOADS
from .rows import PUMP, Payload, T, of_text

SOME = settings(max_examples=200, deadline=None)


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda payload: payload.name)
def test_a_payload_of_a_stranger_is_read_or_rejected_in_words_that_name_the_cause(payload: Payload):
    decoded = decode(payload.data)
    assert decoded.samples.height == payload.accepted, decoded.rejected
    for name, values in payload.values.items():
        assert decoded.samples[name].to_list() == pytest.approx(values, nan_ok=False), name
    assert len(decoded.rejected) == len(payload.rejected), decoded.rejected
    for reason, words in zip(decoded.rejected, payload.rejected, strict=True):
        assert words in reason


def test_each_row_of_the_table_has_a_name_of_its_own():
    assert len({payload.name for payload in PAYLOADS}) == len(PAYLOADS)


def decoded_soundly(payload: bytes) -> None:
    decoded = decode(payload)
    assert dict(decoded.samples.schema) == SAMPLE_SCHEMA
    assert decoded.samples.height <= MAX_ROWS
    assert decoded.samples.height or decoded.rejected
    assert all(0 < len(reason) < 1000 for reason in decoded.rejected)
    for reason in decoded.rejected:
        reason.encode()


@SOME
@given(st.data())
def test_no_change_of_a_payload_raises_and_whatever_is_read_is_within_its_range(data):
    payload = bytearray(data.draw(st.sampled_from([row.data for row in PAYLOADS if len(row.data) < 20_000])))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload)))
        end = at + data.draw(st.integers(0, 12))
        payload[at:end] = data.draw(
            st.binary(max_size=12) | st.sampled_from([b"NaN", b"[", b"}", b'"', b",", b"\\", b"1e9"])
        )
    decoded_soundly(bytes(payload))


@SOME
@given(st.binary(max_size=400))
def test_no_bytes_raise(payload):
    for beginning in (b"", b"{", b"[", b'{"pump":"A","time":', b"\xff\xff\xff\xff\x10\0\0\0"):
        decoded_soundly(beginning + payload)


NAMES = st.sampled_from([*SAMPLE_SCHEMA, "x"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)


@SOME
@given(st.lists(st.dictionaries(NAMES, JSON, max_size=8), min_size=1, max_size=5))
def test_samples_with_any_values_are_judged_one_by_one(values):
    good = {"pump": PUMP, "time": T}
    decoded = decode(json.dumps([good, *values, good]).encode())
    assert decoded.samples.height >= 2
    assert decoded.samples.height + len(decoded.rejected) == len(values) + 2


@SOME
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=12),
    st.randoms(),
)
def test_the_order_within_a_payload_makes_no_difference_to_a_pump(keys, chance: random.Random):
    samples = [{"pump": pump, "boot": boot, "time": T + at, "seq": at} for pump, boot, at in set(keys)]
    shuffled = chance.sample(samples, len(samples))
    for one, other in ((samples, shuffled), (shuffled, samples)):
        frames = [decode(json.dumps(rows).encode()).samples for rows in (one, other)]
        for pump in "AB":
            first, second = (frame.filter(frame["pump"] == pump) for frame in frames)
            assert first.equals(second)
            assert first.equals(first.sort("boot", "time", "seq"))


def test_explicit_nulls_and_colons_in_values_are_no_duplicate_keys():
    decoded = decode(of_text('"seq":null,"boot":null,"x":"a:b:c","y":{"z":1,"w":{"z":2}}'))
    assert (decoded.samples.height, decoded.rejected) == (1, ())


def test_the_last_plausible_time_is_not_taken_for_another_unit():
    assert decode(f'{{"pump":"A","time":{LATEST_MS}}}'.encode()).samples.height == 1


@SOME
@given(st.data())
def test_payloads_of_one_sample_read_together_are_what_they_are_alone(data):
    payloads = data.draw(st.lists(st.sampled_from([row.data for row in PAYLOADS if len(row.data) < 20_000])))
    found = plain_samples(payloads)
    assert sorted(set(found.places)) == found.places
    for at, place in enumerate(found.places):
        alone = decode(payloads[place])
        assert alone.samples.equals(found.samples[at : at + 1])
        assert alone.rejected == ()
    assert found.samples.select("pump", "time", "sent").rows() == list(
        zip(found.pumps, found.times, found.sent, strict=True)
    )


def test_a_plain_sample_is_found_among_whatever_strangers_send():
    found = plain_samples([row.data for row in PAYLOADS])
    assert next(at for at, row in enumerate(PAYLOADS) if row.name == "a plain sample") in found.places
