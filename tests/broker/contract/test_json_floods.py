"""JSON payloads made to cost memory or time are refused, or read, within bounds."""

from __future__ import annotations

import time

import pytest

from broker.contract.codec import decode
from broker.contract.payload_limits import MAX_PAYLOAD_BYTES, MAX_ROWS
from tests.broker.contract.elsewhere import decoded_elsewhere

START_MS = 1_767_225_600_000
SAMPLE = b'{"pump":"A","time":%d}' % START_MS
ROOM = MAX_PAYLOAD_BYTES - 100
TOO_MANY = "samples in one payload; the limit is 65,536: send several messages"
WIDE = SAMPLE[:-1] + b',"seq":NaN,"x":[' + b",".join([b"{}"] * 20_000) + b"]}"
KEYS = b",".join(b'"x%d":1' % number for number in range(5000))
FLOODS = {
    "empty objects in an array": (b"[" + b"{}," * (ROOM // 3) + b"{}]", TOO_MANY),
    "numbers in an array": (b"[" + b"1," * (ROOM // 2) + b"1]", TOO_MANY),
    "empty objects in lines": (b"{}\n" * (ROOM // 3), TOO_MANY),
    "empty objects after each other": (b"{}" * (ROOM // 2), TOO_MANY),
    "commas": (b"[" + b"," * ROOM + b"]", TOO_MANY),
    "samples in an array": (b"[" + b",".join([SAMPLE] * (MAX_ROWS + 1)) + b"]", TOO_MANY),
    "samples in lines": (b"\n".join([SAMPLE] * (MAX_ROWS + 1)), TOO_MANY),
    "samples after each other in lines": (b"\n".join([SAMPLE * 1000] * 66), TOO_MANY),
    "opening brackets": (b"[" * ROOM, "nested more than 64 deep"),
    "objects in objects": (b'{"a":' * (ROOM // 5), "nested more than 64 deep"),
    "arrays in a field": (SAMPLE[:-1] + b',"x":' + b"[" * 9000 + b"]" * 9000 + b"}", "nested more than 64 deep"),
    "quotes": (b'"' * ROOM, "bytes in one sample; the limit is 65,536"),
    "escaped quotes": (b'["' + b'\\"' * (ROOM // 2), "a text is not closed"),
    "texts that begin and never end": (b'["a' + b'\\\\"' * (ROOM // 3), "a text is not closed"),
    "digits": (b'{"pump":"A","time":' + b"1" * ROOM + b"}", "bytes in one sample; the limit is 65,536"),
    "a sample of 64 KiB and more": (SAMPLE[:-1] + b" " * 65_536 + b"}", "bytes in one sample; the limit is 65,536"),
    "line breaks": (b"\n" * ROOM, "only white space or NUL bytes"),
    "one of many keys twice": (b"[" + b",".join([b"{%s,%s}" % (KEYS, b'"x4999":1')] * 60) + b"]", "is there twice"),
}


def test_no_flood_takes_much_memory_or_time():
    began = time.perf_counter()
    results = decoded_elsewhere(*(payload for payload, _ in FLOODS.values()))
    took_s = time.perf_counter() - began
    for (name, (_, reason)), (memory, result) in zip(FLOODS.items(), results, strict=True):
        assert memory < 64, name
        assert reason in result, name
    assert took_s < 3 * len(FLOODS)


def test_wide_fields_that_nobody_reads_cost_their_time_only():
    payload = b"[" + b",".join([WIDE] * 60) + b"]"
    [(memory, result)] = decoded_elsewhere(payload)
    assert memory < 64
    assert result == "60"


@pytest.mark.parametrize("field", ["x", "pump", "time", "seq"])
def test_nesting_is_refused_at_the_same_depth_by_every_python(field):
    def with_brackets(count):
        return decode(SAMPLE[:-1] + b',"note":"[[[[ \\"[[[[","%s":%s}' % (field.encode(), b"[" * count + b"]" * count))

    assert "nested" not in str(with_brackets(63).rejected)
    assert with_brackets(64).rejected == ("not a JSON sample: nested more than 64 deep",)


@pytest.mark.parametrize("separator", [b",", b"\n", b""])
def test_as_many_samples_as_allowed_are_read(separator):
    samples = separator.join([SAMPLE] * MAX_ROWS)
    assert decode(b"[" + samples + b"]" if separator == b"," else samples).samples.height == MAX_ROWS
