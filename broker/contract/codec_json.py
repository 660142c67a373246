"""JSON payloads: decodes one sample, an array, or one sample per line; rejects what is malformed, each by itself."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

import msgspec

from broker.contract.json_dialects import SeveralSamplesError, read_values
from broker.contract.json_elements import elements
from broker.contract.json_plain import NOT_DECODED, WITH_SIGNALS, JsonSample, check_name, plain_row
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
from broker.contract.sample_order import rows_in_order

_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_WHOLE: Final = msgspec.json.Decoder(msgspec.Raw)
_MAX_COMMAS: Final = 4 * MAX_ROWS
"""Commas in an array up to which all its elements are found at once; above it they are counted on the way."""


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


def _take_plain(payload: bytes, rows: list[JsonSample]) -> bool:
    """Take a payload that is one sample in plain form; return whether it is."""
    try:
        rows.append(plain_row(payload))
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
        return plain_row(part)
    except NOT_DECODED:
        row = WITH_SIGNALS(**read_values(part))
    check_name(row)
    return row


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
        with contextlib.suppress(*NOT_DECODED):
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
    except NOT_DECODED:
        return False
    return True
