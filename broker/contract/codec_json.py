"""JSON payloads: decodes one sample, an array, or one sample per line; rejects what is malformed, each by itself."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from operator import attrgetter
from typing import Annotated, Any, Final, cast

import msgspec
import polars as pl

from broker.contract.json_dialects import SeveralSamplesError, read_object, read_values
from broker.contract.json_elements import check_nesting, elements
from broker.contract.payload_form import text_of
from broker.contract.payload_limits import (
    MAX_ROWS,
    MAX_SAMPLE_BYTES,
    PayloadError,
    SampleError,
    check_rows,
    check_size,
    shorten,
)
from broker.contract.ranges import EARLIEST_MS, LATEST_MS, MAX_COUNT
from broker.contract.sample_order import rows_in_order
from broker.contract.sample_values import COUNTS, is_unknown, time_of
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES, SIGNALS, Signal
from broker.contract.topics import NAME, name_rule

Time = Annotated[int, msgspec.Meta(ge=EARLIEST_MS, le=LATEST_MS)] | str
Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)] | None


class JsonSample(msgspec.Struct):
    """One sample as JSON: `pump` and `time` are required, anything else may be missing and is then unknown.

    What `decode_rows` returns has a field for each row of `SIGNALS` as well, and times in milliseconds. The decoder
    checks the ranges.
    """

    pump: str
    time: Time
    sent: Time | None = None
    seq: Count = None
    boot: Count = None
    program: Count = None
    flags: Count = None


def _field(signal: Signal) -> tuple[str, Any, None]:
    return signal.name, Annotated[float, msgspec.Meta(ge=signal.low, le=signal.high)] | None, None


_WITH_SIGNALS: Final = cast(
    type[JsonSample], msgspec.defstruct("JsonSample", [_field(signal) for signal in SIGNALS], bases=(JsonSample,))
)
_SAMPLE: Final[msgspec.json.Decoder[JsonSample]] = msgspec.json.Decoder(_WITH_SIGNALS)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_WHOLE: Final = msgspec.json.Decoder(msgspec.Raw)
_NOT_DECODED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_KEY: Final = re.compile(rb'"(\w+)"\s*:')
_MAX_COMMAS: Final = 4 * MAX_ROWS
"""Commas in an array up to which all its elements are found at once; above it they are counted on the way."""

_OPTIONAL: Final = attrgetter("sent", *COUNTS, *SIGNAL_NAMES)
_FIELDS: Final = len(SAMPLE_SCHEMA)


def decode_rows(payload: bytes) -> tuple[list[JsonSample], tuple[str, ...]]:
    """Decode a JSON payload into valid samples and a reason for each rejected one; never raises.

    For a caller that collects the samples of many small payloads into one frame (`frame_of`).
    """
    rows: list[JsonSample] = []
    rejected: list[str] = []
    try:
        check_size(payload)
        if payload[:1] == b"{" and _take_plain(payload, rows):
            return rows, ()
        for position, part in _parts(text_of(payload)):
            try:
                rows.append(_row(part))
            except SeveralSamplesError:
                _take_each(part, position, rows, rejected)
            except SampleError as error:
                rejected.append(f"{position}{error}")
        check_rows(len(rows) + len(rejected))
    except PayloadError as error:
        return [], (str(error),)
    except SampleError as error:
        rejected.append(str(error))
    return rows_in_order(rows), shorten(rejected, "samples")


def frame_of(rows: list[JsonSample]) -> pl.DataFrame:
    """Return valid samples as a frame with `SAMPLE_SCHEMA`."""
    return pl.DataFrame({name: [getattr(row, name) for row in rows] for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)


def _take_plain(payload: bytes, rows: list[JsonSample]) -> bool:
    """Take a payload that is one sample in plain form; return whether it is."""
    try:
        rows.append(_plain_row(payload))
    except (ValueError, RecursionError):
        return False
    return True


def _take_each(part: bytes, position: str, rows: list[JsonSample], rejected: list[str]) -> None:
    """Take the samples that follow each other without a separator."""
    try:
        for number, element in enumerate(elements(part), start=1):
            try:
                rows.append(_row(element))
            except SampleError as error:
                rejected.append(f"{position}sample {number}: {error}")
    except SampleError as error:
        rejected.append(f"{position}{error}")


def _row(part: bytes) -> JsonSample:
    """Return one sample; raise `SampleError` with the reason if it is none."""
    try:
        return _plain_row(part)
    except _NOT_DECODED:
        row = _WITH_SIGNALS(**read_values(part))
    if not NAME.fullmatch(row.pump):
        raise _wrong_name(row.pump)
    return row


def _plain_row(part: bytes) -> JsonSample:
    """Return one sample in plain form: exact JSON types, within their ranges.

    A key that is there twice, or a field of another name, needs a colon more than there are values; only then keys and
    nesting are checked.
    """
    if len(part) > MAX_SAMPLE_BYTES:
        raise SampleError(f"{len(part):,} bytes in one sample; the limit is {MAX_SAMPLE_BYTES:,}")
    row = _SAMPLE.decode(part)
    if not NAME.fullmatch(row.pump):
        raise _wrong_name(row.pump)
    if type(row.time) is not int or type(row.sent) is str:
        _read_times(row)
    if part.count(b":") > _FIELDS - _OPTIONAL(row).count(None):
        check_nesting(part)
        if not _differ(part):
            read_object(part)
    return row


def _differ(part: bytes) -> bool:
    """Tell whether all keys are seen to differ: each colon follows a plain key, and no key is there twice."""
    keys = _KEY.findall(part)
    return len(set(keys)) == len(keys) == part.count(b":")


def _wrong_name(pump: str) -> SampleError:
    return SampleError(f"pump is {pump[:80]!r}; allowed is {name_rule()}")


def _read_times(row: JsonSample) -> None:
    """Convert the times that are texts to milliseconds."""
    try:
        row.time = time_of("time", row.time)
        row.sent = None if is_unknown(row.sent) else time_of("sent", row.sent)
    except SampleError as error:
        raise SampleError(f"pump {row.pump!r}: {error}") from None


def _parts(text: bytes) -> Iterable[tuple[str, bytes]]:
    """Split a payload into samples, each with its position; a payload that is not JSON stays whole."""
    if text[:1] == b"[":
        return _array(text)
    lines = text.count(b"\n") + 1
    if 1 < lines <= MAX_ROWS and not _is_one(text):
        parts = [(f"line {number}: ", line) for number, line in enumerate(text.split(b"\n"), start=1) if line.strip()]
        if any(line.strip()[:1] == b"{" and line.strip()[-1:] == b"}" for _, line in parts):
            return parts
    if len(text) > MAX_SAMPLE_BYTES and text[:1] == b"{":
        return ((f"sample {number}: ", element) for number, element in enumerate(elements(text), start=1))
    return [("", text)]


def _array(text: bytes) -> Iterable[tuple[str, bytes]]:
    """Return the elements of an array; if it is not JSON, those up to where that is."""
    if text.count(b",") < _MAX_COMMAS:
        with contextlib.suppress(*_NOT_DECODED):
            found = _ARRAY.decode(text)
            check_rows(len(found))
            if not found:
                raise PayloadError("an empty array")
            return [(f"sample {number}: ", bytes(raw)) for number, raw in enumerate(found, start=1)]
    return ((f"sample {number}: ", element) for number, element in enumerate(elements(text), start=1))


def _is_one(text: bytes) -> bool:
    """Tell whether a text of several lines is one JSON value."""
    try:
        _WHOLE.decode(text)
    except _NOT_DECODED:
        return False
    return True
