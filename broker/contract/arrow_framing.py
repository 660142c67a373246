"""Framing of an Arrow stream: columns, rows and decoded size, read from its metadata before anything is decompressed.

A hundred kilobytes of compressed Arrow can be gigabytes when decoded. Each message of the stream says how many rows it
has and how large its buffers are, and each compressed buffer begins with its decoded size. The reader of the buffers
allocates by the same numbers; so what passes here stays within the limits.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from broker.contract.flatbuffer import Table, root
from broker.contract.payload_limits import MAX_COLUMNS, MAX_DECODED_BYTES, PayloadError, check_rows

CONTINUATION: Final = b"\xff\xff\xff\xff"
"""Begins each message of an Arrow stream."""
MAX_MESSAGES: Final = 1024
"""Messages in one stream: schema, dictionaries, record batches."""
MAX_SCHEMA_BYTES: Final = 64 * 1024
"""Size of the schema; the names of its columns may be long."""
MAX_DEPTH: Final = 8
"""Nesting of columns that nobody reads; those of a sample are not nested."""
MAX_FIELDS: Final = 4 * MAX_COLUMNS
"""Columns together with those nested in them."""
MAX_BUFFERS: Final = 4096
"""Buffers of one record batch."""
MAX_SCAN_BYTES: Final = 2**30
"""Text that is checked for UTF-8 in one batch: rows of a view may all point to the same long text."""
MAX_PLAIN_BYTES: Final = 64 * 1024
"""Size of a batch, apart from its rows, up to which it has no long texts."""
MAX_PLAIN_ROW_BYTES: Final = 4096
"""Size of a row up to which it has no long text."""

UTF8_VIEW: Final = 24
BYTES_FOR: Final = {UTF8_VIEW: 23, 5: 4, 20: 19}
"""Kinds of columns of text (views, plain, large), and of the same as bytes, which are laid out alike."""
_MAX_NAME: Final = 80
"""Bytes of a name that are looked at; those of samples are shorter."""
_SCHEMA, _DICTIONARY, _BATCH = 1, 2, 3
_BYTE: Final = struct.Struct("<B")
_SHORT: Final = struct.Struct("<h")
_LONG: Final = struct.Struct("<q")
_LENGTH: Final = struct.Struct("<i")


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its `kind` by the numbers of Arrow, where in the schema that is, and whether it is a dictionary."""

    name: str
    kind: int
    kind_at: int
    dictionary: bool


@dataclass(frozen=True, slots=True)
class Schema:
    """Columns of a stream; `shares_texts` if the values of a dictionary may all point to the same long text."""

    columns: tuple[Column, ...]
    shares_texts: bool


@dataclass(frozen=True)
class Framing:
    """Columns, rows and decoded size of a stream; `scans` if its texts may be long and are to be measured first.

    The schema begins at the byte `schema_at` of the payload, and its message ends at `schema_end`.
    """

    columns: tuple[Column, ...]
    schema_at: int
    schema_end: int
    rows: int
    decoded_bytes: int
    scans: bool


@dataclass(frozen=True, slots=True)
class _Message:
    """One message of the stream: its metadata, where that begins, and where its body begins and ends."""

    metadata: bytes
    table: Table
    kind: int
    at: int
    body: int
    end: int


def read_framing(payload: bytes) -> Framing:
    """Return what a stream contains; raise `PayloadError` if it exceeds a limit or is not an Arrow stream."""
    rows, decoded, scans = 0, 0, False
    try:
        messages = _messages(payload)
        first = next(messages, None)
        schema = _schema(first)
        for message in messages:
            batch_rows, size = _measure(payload, message)
            decoded += size
            if decoded > MAX_DECODED_BYTES:
                raise PayloadError(f"{decoded:,} bytes after decompression; the limit is {MAX_DECODED_BYTES:,}")
            if batch_rows * size > MAX_SCAN_BYTES:
                _check_dictionary(schema, message, batch_rows, size)
                scans = True
            scans = scans or size > MAX_PLAIN_BYTES + batch_rows * MAX_PLAIN_ROW_BYTES
            rows += batch_rows if message.kind == _BATCH else 0
            check_rows(rows)
    except (struct.error, OverflowError):
        raise PayloadError("not an Arrow stream: its metadata is damaged or truncated") from None
    at, end = (first.at, first.end) if first else (0, 0)
    return Framing(schema.columns, at, end, rows, decoded, scans)


def _schema(message: _Message | None) -> Schema:
    """Return the schema of a stream, which is its first message."""
    if message is None or message.kind != _SCHEMA:
        raise PayloadError("not an Arrow stream: it does not begin with a schema")
    size = len(message.metadata)
    if size > MAX_SCHEMA_BYTES:
        raise PayloadError(f"a schema of {size:,} bytes in the Arrow stream; the limit is {MAX_SCHEMA_BYTES:,}")
    return _read_schema(message.metadata)


def _check_dictionary(schema: Schema, message: _Message, rows: int, size: int) -> None:
    """Raise `PayloadError` if checking the texts of a dictionary may take long."""
    if message.kind == _DICTIONARY and schema.shares_texts:
        raise PayloadError(f"a dictionary of {rows:,} texts in {size:,} bytes; send plain text")


def _messages(payload: bytes) -> Iterator[_Message]:
    """Yield the messages up to the end of the stream, which is marked or simply there."""
    at = number = 0
    while at < len(payload):
        number += 1
        if number > MAX_MESSAGES:
            raise PayloadError(f"more than {MAX_MESSAGES:,} messages in one Arrow stream: send larger batches")
        if payload[at : at + 4] != CONTINUATION:
            raise PayloadError(f"not an Arrow stream: no message begins at byte {at:,}")
        size = _LENGTH.unpack_from(payload, at + 4)[0]
        at += 8
        if size == 0:
            if payload[at:].strip(b"\0"):
                raise PayloadError("more data follows the end of the Arrow stream; send one stream in each message")
            return
        body = at + size
        if size < 0 or body > len(payload):
            raise PayloadError("the Arrow stream is truncated")
        metadata = payload[at:body]
        table = root(metadata)
        length = table.number(3, _LONG)
        if length < 0 or body + length > len(payload):
            raise PayloadError("the Arrow stream is truncated")
        yield _Message(metadata, table, table.number(1, _BYTE), at, body, body + length)
        at = body + length


@lru_cache(maxsize=64)
def _read_schema(metadata: bytes) -> Schema:
    """Return the schema in the metadata of a message. A gateway sends the same with each payload."""
    schema = root(metadata).table(2)
    if schema is None:
        raise PayloadError("not an Arrow stream: it has no schema")
    if schema.number(0, _SHORT):
        raise PayloadError("the Arrow stream is big-endian; send little-endian")
    count = schema.vector(1, 4)[1]
    if count > MAX_COLUMNS:
        raise PayloadError(f"{count:,} columns; the limit is {MAX_COLUMNS}")
    fields = schema.tables(1)
    columns = tuple(
        Column(
            name=field.text(0, _MAX_NAME),
            kind=field.number(2, _BYTE),
            kind_at=field.where(2) or 0,
            dictionary=field.where(4) is not None,
        )
        for field in fields
    )
    names = [column.name for column in columns if len(column.name) < _MAX_NAME]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise PayloadError(f"the Arrow stream has the column {twice!r} twice")
    nested = _with_nested(fields)
    shares = any(field.where(4) is not None and field.number(2, _BYTE) == UTF8_VIEW for field in nested)
    return Schema(columns, shares)


def _with_nested(fields: list[Table]) -> list[Table]:
    """Return columns and those nested in them; raise `PayloadError` if they are nested too deeply or too widely."""
    found, level = list(fields), fields
    for _ in range(MAX_DEPTH):
        total = len(found) + sum(field.vector(5, 4)[1] for field in level)
        if total > MAX_FIELDS:
            raise PayloadError(f"{total:,} columns with those nested in them; the limit is {MAX_FIELDS}")
        level = [child for field in level for child in field.tables(5)]
        if not level:
            return found
        found += level
    raise PayloadError(f"columns nested more than {MAX_DEPTH} deep; send plain columns")


def _measure(payload: bytes, message: _Message) -> tuple[int, int]:
    """Return rows and decoded size of a record batch or of the values of a dictionary."""
    if message.kind not in {_DICTIONARY, _BATCH}:
        raise PayloadError(f"the Arrow stream has a message of kind {message.kind}; allowed are record batches")
    header = message.table.table(2)
    batch = header.table(1) if header is not None and message.kind == _DICTIONARY else header
    if batch is None:
        raise PayloadError("not an Arrow stream: a message without content")
    return _batch(payload, message, batch)


def _batch(payload: bytes, message: _Message, batch: Table) -> tuple[int, int]:
    """Return rows and decoded size of a batch; each column must have as many rows as the batch says, or fewer."""
    rows = batch.number(0, _LONG)
    if rows < 0:
        raise PayloadError(f"not an Arrow stream: a batch of {rows} rows")
    check_rows(rows)
    nodes = batch.numbers(1, 2)
    check_rows(max(nodes[::2], default=0))
    if min(nodes, default=0) < 0 or len(nodes) > 2 * MAX_FIELDS:
        raise PayloadError("not an Arrow stream: the number of values of a column is impossible")
    buffers = batch.numbers(2, 2)
    if len(buffers) > 2 * MAX_BUFFERS:
        raise PayloadError(f"{len(buffers) // 2:,} buffers in one batch; the limit is {MAX_BUFFERS:,}")
    compressed = batch.where(3) is not None
    return rows, sum(
        _decoded(payload, message, offset, length, compressed)
        for offset, length in zip(buffers[::2], buffers[1::2], strict=True)
        if length
    )


def _decoded(payload: bytes, message: _Message, offset: int, length: int, compressed: bool) -> int:
    """Return the decoded size of a buffer, which a compressed one begins with; -1 says that it is not compressed."""
    start = message.body + offset
    if offset < 0 or length < 0 or start + length > message.end or (compressed and length < 8):
        raise PayloadError("the Arrow stream is truncated or damaged: a buffer lies outside of its message")
    if not compressed:
        return length
    size = int(_LONG.unpack_from(payload, start)[0])
    if size < -1:
        raise PayloadError(f"the Arrow stream is damaged: a buffer of {size} bytes")
    return length - 8 if size == -1 else size
