"""Arrow streams whose size or shape is out of bounds are refused before anything of them is decompressed."""

from __future__ import annotations

import contextlib
import io
import struct
import time
from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.contract import arrow_framing
from broker.contract.arrow_framing import UTF8_VIEW, read_framing
from broker.contract.codec import decode, encode_arrow
from broker.contract.payload_limits import MAX_COLUMNS, MAX_DECODED_BYTES, MAX_ROWS, PayloadError
from broker.contract.signals import SIGNAL_NAMES
from tests.broker.contract.elsewhere import decoded_elsewhere

START_MS = 1_767_225_600_000
COMPRESSIONS = pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])


def stream(frame: pl.DataFrame, compression: str = "zstd") -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compression=compression)
    return buffer.getvalue()


def equal_rows(rows: int) -> pl.DataFrame:
    return pl.select(
        pl.repeat("A", rows).alias("pump"), pl.repeat(START_MS, rows, dtype=pl.Int64).alias("time"),
        pl.repeat(8.1, rows, dtype=pl.Float32).alias("flow_ul_h"),
    )  # fmt: skip


def with_decoded_size(payload: bytes, size: int) -> Iterator[bytes]:
    """Yield a stream once for each compressed buffer of its first batch, which then claims another decoded size."""
    batch = list(arrow_framing._messages(payload))[1]
    header = batch.table.table(2)
    assert header is not None
    numbers = header.numbers(2, 2)
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        at = batch.body + offset
        if length:
            yield payload[:at] + struct.pack("<q", size) + payload[at + 8 :]


@COMPRESSIONS
def test_rows_columns_and_decoded_size_are_known_before_decoding(compression):
    frame = equal_rows(10_000)
    framing = read_framing(stream(frame, compression))
    assert [column.name for column in framing.columns] == frame.columns
    assert framing.columns[0].kind == UTF8_VIEW
    assert framing.rows == 10_000
    # A view takes 16 bytes a row, a time 8, a flow 4.
    assert 28 * 10_000 <= framing.decoded_bytes <= 29 * 10_000


@COMPRESSIONS
def test_as_many_rows_as_allowed_are_read_and_one_more_is_refused(compression):
    assert decode(stream(equal_rows(MAX_ROWS), compression)).samples.height == MAX_ROWS
    assert decode(stream(equal_rows(MAX_ROWS + 1), compression)).rejected == (
        "65,537 samples in one payload; the limit is 65,536: send several messages",
    )


def test_rows_of_several_batches_are_added_up():
    one = stream(equal_rows(30_000))
    schema, batch = list(arrow_framing._messages(one))
    assert decode(one[: batch.end] + one[schema.end :]).samples.height == 60_000
    assert "90,000 samples" in decode(one[: batch.end] + one[schema.end : batch.end] + one[schema.end :]).rejected[0]


def test_twenty_million_equal_rows_in_a_small_payload_take_no_memory():
    payload = stream(equal_rows(20_000_000))
    assert len(payload) < 400_000
    [(memory, result)] = decoded_elsewhere(payload)
    assert memory < 32
    assert "samples in one payload; the limit is 65,536" in result


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_forged_decoded_size_costs_no_memory_and_never_ends_the_process(compression):
    sizes = [0, 8, -1, -2, MAX_DECODED_BYTES - 10**6, MAX_DECODED_BYTES + 1, 2**40, 2**62]
    # Names of more than twelve characters have a buffer of their own, for which Polars allocates what it claims.
    payload = stream(equal_rows(2000).with_columns(pump=pl.lit("ITB-0000000000001")), compression)
    forged = [(size, data) for size in sizes for data in with_decoded_size(payload, size)]
    assert len(forged) == 4 * len(sizes)
    results = decoded_elsewhere(*(data for _, data in forged))
    assert max(memory for memory, _ in results) < 100
    for (size, _), (_, result) in zip(forged, results, strict=True):
        assert (size > MAX_DECODED_BYTES) == ("bytes after decompression; the limit is 67,108,864" in result), size


@COMPRESSIONS
def test_rows_that_all_point_to_one_long_text_are_refused_without_reading_it_for_each(compression):
    long = pl.DataFrame({"pump": ["é" * 500_000, "A"]})["pump"]
    frame = equal_rows(50_000).with_columns(pump=long.gather([0] * 49_999 + [1]))
    payload = stream(frame, compression)
    assert read_framing(payload).scans
    began = time.process_time()
    decode(payload)
    # Checking the text for each row would take three seconds and more.
    assert time.process_time() - began < 1
    [(memory, result)] = decoded_elsewhere(payload)
    assert memory < 50
    assert result.startswith("1 pump None: pump is None; allowed is 1 to 64")
    assert "and 49979 more samples" in result


def test_many_long_names_are_read_but_not_as_a_dictionary():
    frame = equal_rows(40_000).with_columns(pump=pl.Series([f"ITB-{number:060}" for number in range(40_000)]))
    assert read_framing(stream(frame)).scans
    assert decode(stream(frame)).samples["pump"].equals(frame["pump"])
    dictionary = frame.with_columns(pl.col("pump").cast(pl.Categorical))
    assert "a dictionary of 40,000 texts in 3,200,000 bytes; send plain text" in decode(stream(dictionary)).rejected
    assert decode(stream(dictionary.head(2000))).samples.height == 2000


def test_texts_in_other_columns_are_read_in_any_number():
    rows = 40_000
    numbers = pl.DataFrame({name: ["3"] * rows for name in ("seq", *SIGNAL_NAMES[:8])})
    frame = equal_rows(rows).drop("flow_ul_h").hstack(numbers).with_columns(pl.col("time").cast(pl.String))
    assert read_framing(stream(frame)).scans
    assert decode(stream(frame)).samples["seq"].sum() == 3 * rows
    one_long = frame.with_columns(seq=pl.Series(["3"] * (rows - 1) + ["4" * 65]))
    decoded = decode(stream(one_long))
    assert (decoded.samples.height, len(decoded.rejected)) == (rows - 1, 1)
    assert "seq is text ('not UTF-8, or more than 64 characters')" in decoded.rejected[0]


def test_long_texts_in_a_dictionary_are_bounded():
    frame = equal_rows(3).with_columns(pump=pl.Series(["A" * 70_000_000, "A", "B"], dtype=pl.Categorical))
    [(memory, result)] = decoded_elsewhere(stream(frame))
    assert memory < 32
    assert "bytes after decompression; the limit is 67,108,864" in result


def test_columns_that_nobody_reads_are_bounded_too():
    frame = equal_rows(10)
    most = frame.with_columns(pl.lit(1).alias(f"x{number}") for number in range(MAX_COLUMNS - 3))
    assert decode(stream(most)).samples.height == 10
    assert decode(stream(most.with_columns(y=1))).rejected == ("65 columns; the limit is 64",)
    long = frame.with_columns(pl.lit(1).alias("x" * 70_000))
    assert "bytes in the Arrow stream; the limit is 65,536" in decode(stream(long)).rejected[0]
    deep: object = 1
    for _ in range(9):
        deep = [deep]
    frame = frame.with_columns(pl.Series("x", [deep] * 10))
    assert "nested more than 8 deep" in decode(stream(frame)).rejected[0]


def test_a_stream_that_goes_on_after_its_end_is_refused_but_for_zeros():
    payload = stream(equal_rows(10))
    assert decode(payload + b"\0" * 8).samples.height == 10
    assert decode(payload + payload).rejected == (
        "more data follows the end of the Arrow stream; send one stream in each message",
    )


def test_a_stream_cut_off_anywhere_is_refused_or_read_in_full():
    payload = stream(equal_rows(10))
    batch = list(arrow_framing._messages(payload))[1]
    for length in range(1, len(payload)):
        decoded = decode(payload[:length])
        assert decoded.samples.height == (0 if decoded.rejected else 10)
        assert decoded.rejected or length >= batch.end, length


def test_a_stream_without_a_schema_or_batches_is_refused():
    payload = stream(equal_rows(10))
    schema, batch = list(arrow_framing._messages(payload))
    assert "does not begin with a schema" in decode(payload[schema.end :]).rejected[0]
    assert decode(payload[: schema.end]).rejected == ("an empty Arrow frame",)
    assert "message of kind 1" in decode(payload[: schema.end] * 2).rejected[0]
    many = payload[: schema.end] + payload[schema.end : batch.end] * 1025
    assert decode(many).rejected == ("more than 1,024 messages in one Arrow stream: send larger batches",)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_metadata_is_read_within_the_limits_or_refused(data):
    payload = bytearray(stream(equal_rows(3), data.draw(st.sampled_from(["uncompressed", "lz4", "zstd"]))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(payload) - 9))
        change = data.draw(
            st.binary(min_size=1, max_size=8) | st.integers(-(2**63), 2**63 - 1).map(struct.Struct("<q").pack)
        )
        payload[at : at + len(change)] = change
    with contextlib.suppress(PayloadError):
        framing = read_framing(bytes(payload))
        assert framing.rows <= MAX_ROWS
        assert framing.decoded_bytes <= MAX_DECODED_BYTES
        assert len(framing.columns) <= MAX_COLUMNS
    decode(bytes(payload))


def test_our_own_frames_are_far_below_the_limits(samples):
    framing = read_framing(encode_arrow(samples(seq=list(range(1000)))))
    assert framing.rows == 1000
    assert framing.decoded_bytes < MAX_DECODED_BYTES / 100
    assert not framing.scans
