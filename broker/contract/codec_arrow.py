"""Arrow payloads: decodes one IPC stream into samples, whatever number types its columns have, within fixed limits."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import polars as pl

from broker.contract.arrow_columns import conform
from broker.contract.arrow_framing import BYTES_FOR, Framing, read_framing
from broker.contract.payload_limits import PayloadError, check_size, named
from broker.contract.sample_checks import Decoded, judge, reject, with_count
from broker.contract.sample_order import in_order
from broker.contract.signals import SAMPLE_SCHEMA

ARROW_STREAM_MARK: Final = b"\xff\xff"
"""First bytes of an Arrow IPC stream, whose continuation mark is FF FF FF FF; no text begins with them."""
_NOT_READ: Final = (pl.exceptions.PolarsError, OSError, ValueError, pl.exceptions.PanicException)
_END: Final = b"\xff\xff\xff\xff\0\0\0\0"
"""End of an Arrow stream."""
REQUIRED: Final = ("pump", "time")
"""Columns that a frame must have; any other one may be missing and is then unknown."""


def decode_arrow(payload: bytes) -> Decoded:
    """Decode an Arrow stream; a malformed sample among valid ones is rejected alone."""
    try:
        check_size(payload)
        frame = _read(payload, read_framing(payload))
        readable, reasons, unread = conform(frame)
        samples, implausible, rejected = judge(readable)
    except PayloadError as error:
        return reject(str(error))
    except _NOT_READ as error:
        return reject(f"not an Arrow frame of samples: {(str(error).splitlines() or [''])[0][:200]}")
    return Decoded(in_order(samples), with_count(reasons + implausible, unread + rejected))


def read_plain(payload: bytes) -> pl.DataFrame | None:
    """Return the unchecked samples of an Arrow stream whose columns are those of samples; None for any other."""
    try:
        check_size(payload)
        framing = read_framing(payload)
        if not _is_plain(payload[: framing.schema_end]):
            return None
        frame = _read(payload, framing)
    except (PayloadError, *_NOT_READ):
        return None
    # Texts that may not be UTF-8 are read as bytes.
    return frame if frame["pump"].dtype == pl.String else None


@lru_cache(maxsize=64)
def _is_plain(schema: bytes) -> bool:
    """Tell whether a stream that begins with this schema has exactly the columns of samples."""
    return pl.read_ipc_stream(schema + _END).schema == SAMPLE_SCHEMA


def checked(samples: pl.DataFrame) -> Decoded:
    """Return what `decode_arrow` does of the samples of `read_plain`."""
    plausible, reasons, rejected = judge(samples)
    return Decoded(in_order(plausible), with_count(reasons, rejected))


def _known(framing: Framing) -> list[str]:
    """Return the columns of samples that a stream has."""
    names = [column.name for column in framing.columns]
    missing = [name for name in REQUIRED if name not in names]
    if missing:
        raise PayloadError(f"the Arrow frame has no column {', '.join(missing)}; its columns are {named(names)}")
    if framing.rows == 0:
        raise PayloadError("an empty Arrow frame")
    return [name for name in SAMPLE_SCHEMA if name in names]


def _read(payload: bytes, framing: Framing) -> pl.DataFrame:
    """Return the columns of samples; those that nobody reads are not even decoded."""
    known = _known(framing)
    if not framing.scans:
        try:
            return pl.read_ipc_stream(payload, columns=known)
        except pl.exceptions.ComputeError as error:
            if "utf8" not in str(error).lower():
                raise
    return pl.read_ipc_stream(_texts_as_bytes(payload, framing), columns=known)


def _texts_as_bytes(payload: bytes, framing: Framing) -> bytes:
    """Return the stream with its texts declared as bytes, which are not checked for UTF-8.

    For texts that may be long: those of a view may all be the same one, which takes seconds to check for each row;
    `conform` measures them first. And for texts that are not all UTF-8: then only their own rows are rejected. The
    values of a dictionary were measured by its framing.
    """
    changed = bytearray(payload)
    for column in framing.columns:
        kind = BYTES_FOR.get(column.kind)
        if kind is not None and not column.dictionary and column.name in SAMPLE_SCHEMA:
            changed[framing.schema_at + column.kind_at] = kind
    return bytes(changed)
