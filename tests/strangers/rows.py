"""Rows of the table of strangers' payloads, and the notation they are written in."""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from broker.contract.codec import encode_arrow
from broker.contract.signals import SAMPLE_SCHEMA

T: Final = int(time.time()) // 3600 * 3_600_000
"""This hour, in milliseconds: the times of a device whose clock is right."""
MOMENT: Final = datetime.fromtimestamp(T // 1000, UTC)
ISO: Final = MOMENT.strftime("%Y-%m-%dT%H:%M:%SZ")
PUMP: Final = "MY-1"


@dataclass(frozen=True)
class Payload:
    """A row: `accepted` samples with these `values` of each, by column, and the `rejected` reasons' words.

    `of_now` is false if its times are far from now, so that a running system may judge them in another way.
    """

    name: str
    data: bytes
    accepted: int = 1
    values: dict[str, list[Any]] = field(default_factory=dict)
    rejected: tuple[str, ...] = ()
    of_now: bool = True


def sample(**values: Any) -> str:
    """Return one sample as JSON, of pump `PUMP` at `T` unless given."""
    return json.dumps({"pump": PUMP, "time": T, **values}, separators=(",", ":"))


def of_text(text: str) -> bytes:
    """Return one sample with this text after the time."""
    return sample().removesuffix("}").encode() + b"," + text.encode() + b"}"


def at(time_as_json: str) -> bytes:
    """Return one sample with this time."""
    return f'{{"pump":"{PUMP}","time":{time_as_json}}}'.encode()


def arrow(*without: str, **columns: list[Any] | pl.Series) -> bytes:
    """Return an Arrow stream of samples; a column that is given keeps its type."""
    rows = max(map(len, columns.values()), default=1)
    start: dict[str, Any] = {"pump": [PUMP] * rows, "time": [T + 1000 * row for row in range(rows)]}
    frame = pl.DataFrame({name: start.get(name, [None] * rows) for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)
    given = [pl.Series(name, values, strict=False) for name, values in columns.items()]
    return encode_arrow(frame.with_columns(given).drop(without))


def latin_1(**columns: list[Any]) -> bytes:
    """Return an uncompressed Arrow stream in which each question mark is a letter in Latin-1, which is not UTF-8."""
    buffer = io.BytesIO()
    pl.DataFrame({"pump": [PUMP, PUMP], "time": [T, T], **columns}).write_ipc_stream(buffer, compression="uncompressed")
    return buffer.getvalue().replace(b"?", b"\xfc")


def arrow_file() -> bytes:
    buffer = io.BytesIO()
    pl.DataFrame({"pump": [PUMP], "time": [T]}).write_ipc(buffer)
    return buffer.getvalue()


def series(values: list[Any], kind: Any) -> pl.Series:
    return pl.Series(values=values, dtype=kind)
