"""Payload codec: decodes JSON and Arrow payloads into samples, rejects what is malformed with a reason, and encodes."""

from __future__ import annotations

import io
import re
from typing import Final

import polars as pl

from broker.contract.codec_arrow import ARROW_STREAM_MARK, decode_arrow
from broker.contract.codec_json import decode_rows
from broker.contract.json_plain import JsonSample, PlainSamples, frame_of, plain_samples
from broker.contract.payload_limits import MAX_PAYLOAD_BYTES, MAX_REASONS, shorten
from broker.contract.ranges import EARLIEST_MS, LATEST_MS, MAX_COUNT
from broker.contract.sample_checks import Decoded, plausible

__all__ = [
    "ARROW_STREAM_MARK",
    "EARLIEST_MS",
    "LATEST_MS",
    "MAX_COUNT",
    "MAX_PAYLOAD_BYTES",
    "MAX_REASONS",
    "Decoded",
    "JsonSample",
    "PlainSamples",
    "decode",
    "decode_rows",
    "encode_arrow",
    "encode_json",
    "frame_of",
    "is_arrow",
    "json_rows",
    "plain_samples",
    "plausible",
    "shorten",
]

_UNKNOWN: Final = re.compile(rb',"\w+":null(?=[,}])')
"""A field without a value; no string contains one, because quotes in strings are escaped. `pump` is always known."""


def decode(payload: bytes) -> Decoded:
    """Decode a payload: JSON (one sample, an array, or one per line) or one Arrow IPC stream; never raises.

    A payload that cannot be parsed gives no samples and one reason; a malformed sample among valid ones is rejected
    alone. Samples of one pump are in order of time, whatever their order in the payload.
    """
    if is_arrow(payload):
        return decode_arrow(payload)
    rows, rejected = decode_rows(payload)
    return Decoded(frame_of(rows), rejected)


def is_arrow(payload: bytes) -> bool:
    """Tell by the first bytes whether a payload is an Arrow stream; anything else is decoded as JSON."""
    return payload.startswith(ARROW_STREAM_MARK)


def encode_json(samples: pl.DataFrame) -> bytes:
    """Encode samples as JSON, one object per line; unknown values are left out."""
    return b"\n".join(row + b"}" for row in json_rows(samples))


def json_rows(samples: pl.DataFrame) -> list[bytes]:
    """Encode each sample as a JSON object without its closing brace; unknown values are left out."""
    known = [series for series in samples if series.null_count() < len(series)]
    plain = pl.DataFrame(known).with_columns(pl.col(pl.Float32).cast(pl.Float64).round(4).fill_nan(None))
    buffer = io.BytesIO()
    plain.write_ndjson(buffer)
    text = buffer.getvalue()
    if any(series.null_count() for series in plain):
        text = _UNKNOWN.sub(b"", text)
    return text.split(b"}\n")[:-1]


def encode_arrow(samples: pl.DataFrame) -> bytes:
    """Encode samples as one Arrow IPC stream with lz4-compressed buffers."""
    buffer = io.BytesIO()
    samples.write_ipc_stream(buffer, compression="lz4")
    return buffer.getvalue()
