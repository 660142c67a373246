"""Payload codec: decodes JSON and Arrow payloads into samples, rejects what is malformed with a reason, and encodes."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, cast

import msgspec
import polars as pl

from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES, SIGNALS, Signal, empty_samples
from broker.contract.topics import NAME, name_rule

MAX_PAYLOAD_BYTES: Final = 4 * 1024 * 1024
"""About 60,000 pumps in one Arrow stream; a larger payload is rejected without being decoded."""

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01: no telemetry is older."""
LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01."""
_TIMES: Final = "2000-01-01 to 2100-01-01 in milliseconds since 1970"
MAX_COUNT: Final = 2**53
"""Largest whole number that JSON carries exactly."""

ARROW_STREAM_MARK: Final = b"\xff"
"""First byte of an Arrow IPC stream, whose continuation mark is FF FF FF FF; JSON never begins with it."""


@dataclass(frozen=True)
class Decoded:
    """Contents of a payload: the valid samples, and a reason for each rejected one."""

    samples: pl.DataFrame
    rejected: tuple[str, ...] = ()


class JsonSample(msgspec.Struct):
    """One sample as JSON: `pump` and `time` are required, anything else may be missing and is then unknown.

    What `decode_rows` returns has a field for each row of `SIGNALS` as well.
    """

    pump: str
    time: int | str
    sent: int | str | None = None
    seq: int | None = None
    boot: int | None = None
    program: int | None = None
    flags: int | None = None


_WITH_SIGNALS: Final = cast(
    type[JsonSample],
    msgspec.defstruct("JsonSample", [(name, float | None, None) for name in SIGNAL_NAMES], bases=(JsonSample,)),
)
_SAMPLE: Final[msgspec.json.Decoder[JsonSample]] = msgspec.json.Decoder(_WITH_SIGNALS)
_ARRAY: Final = msgspec.json.Decoder(list[msgspec.Raw])
_COUNTS: Final = ("seq", "boot", "program", "flags")


def decode(payload: bytes) -> Decoded:
    """Decode a payload: JSON (one sample, an array, or one per line) or one Arrow IPC stream; never raises.

    A payload that cannot be parsed gives no samples and one reason; a malformed sample among valid ones is rejected
    alone.
    """
    if is_arrow(payload):
        return _decode_arrow(payload)
    rows, rejected = decode_rows(payload)
    return Decoded(frame_of(rows), rejected)


def encode_json(samples: pl.DataFrame) -> bytes:
    """Encode samples as JSON, one object per line; unknown values are left out."""
    rows = (
        msgspec.json.encode({name: value for name, value in row.items() if value is not None})
        for row in samples.with_columns(pl.col(pl.Float32).cast(pl.Float64).round(4)).iter_rows(named=True)
    )
    return b"\n".join(rows)


def encode_arrow(samples: pl.DataFrame) -> bytes:
    """Encode samples as one Arrow IPC stream with lz4-compressed buffers."""
    buffer = io.BytesIO()
    samples.write_ipc_stream(buffer, compression="lz4")
    return buffer.getvalue()


def _too_large(payload: bytes) -> str:
    return f"{len(payload):,} bytes in one payload; the limit is {MAX_PAYLOAD_BYTES:,}"


def _reject(reason: str) -> Decoded:
    return Decoded(empty_samples(), (reason,))


def is_arrow(payload: bytes) -> bool:
    """Tell by the first byte whether a payload is an Arrow stream; anything else is decoded as JSON."""
    return payload[:1] == ARROW_STREAM_MARK


def decode_rows(payload: bytes) -> tuple[list[JsonSample], tuple[str, ...]]:
    """Decode a JSON payload into valid samples and a reason for each rejected one; never raises.

    For a caller that collects the samples of many small payloads into one frame (`frame_of`).
    """
    if len(payload) > MAX_PAYLOAD_BYTES:
        return [], (_too_large(payload),)
    parts = _parts(payload)
    if not parts:
        return [], ("an empty array",)
    rows: list[JsonSample] = []
    rejected: list[str] = []
    for position, part in parts:
        try:
            row = _SAMPLE.decode(part)
            _check(row)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            rejected.append(f"{position}not a JSON sample: {error}")
        except ValueError as error:
            rejected.append(f"{position}{error}")
        else:
            rows.append(row)
    return rows, shorten(rejected, "samples")


def frame_of(rows: list[JsonSample]) -> pl.DataFrame:
    """Return valid samples as a frame with `SAMPLE_SCHEMA`."""
    return pl.DataFrame({name: [getattr(row, name) for row in rows] for name in SAMPLE_SCHEMA}, SAMPLE_SCHEMA)


def _check(row: JsonSample) -> None:
    """Convert the times to milliseconds; raise `ValueError` with the first value that is out of range."""
    if not NAME.fullmatch(row.pump):
        raise ValueError(f"pump is {row.pump[:80]!r}; allowed is {name_rule()}")
    row.time = _milliseconds("time", row.time)
    if row.sent is not None:
        row.sent = _milliseconds("sent", row.sent)
    for name in _COUNTS:
        count = getattr(row, name)
        if count is not None and not 0 <= count <= MAX_COUNT:
            raise ValueError(f"pump {row.pump!r}: {name} is {count}; allowed is 0 to {MAX_COUNT}")
    for signal in SIGNALS:
        value = getattr(row, signal.name)
        if value is not None and not signal.low <= value <= signal.high:
            raise ValueError(f"pump {row.pump!r}: {signal.name} is {value:g}; allowed is {_range(signal)}")


def _parts(payload: bytes) -> list[tuple[str, bytes]]:
    """Split a payload into samples, each with its position; a payload that is not JSON stays whole."""
    if payload.lstrip()[:1] == b"[":
        with contextlib.suppress(msgspec.DecodeError, RecursionError):
            return [(f"sample {n}: ", bytes(raw)) for n, raw in enumerate(_ARRAY.decode(payload), start=1)]
    lines = [line for line in payload.split(b"\n") if line.strip()]
    if len(lines) > 1 and any(line.strip()[:1] == b"{" and line.strip()[-1:] == b"}" for line in lines):
        return [(f"line {n}: ", line) for n, line in enumerate(lines, start=1)]
    return [("", payload)]


def shorten(reasons: list[str], what: str) -> tuple[str, ...]:
    """Return the first `MAX_REASONS` reasons, and the number of further `what` in place of the others."""
    others = len(reasons) - MAX_REASONS
    return (*reasons[:MAX_REASONS], f"and {others} more {what}") if others > 0 else tuple(reasons)


def _milliseconds(name: str, value: int | str) -> int:
    if isinstance(value, int):
        if not EARLIEST_MS <= value <= LATEST_MS:
            raise ValueError(f"{name} is {value}; allowed is {_TIMES}")
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(
            f"{name} {value[:40]!r} is neither milliseconds since 1970 nor ISO 8601 such as 2026-01-01T00:00:00Z"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"{name} {value[:40]!r} has no time zone; write Z for UTC")
    return _milliseconds(name, round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000))


def _decode_arrow(payload: bytes) -> Decoded:
    if len(payload) > MAX_PAYLOAD_BYTES:
        return _reject(_too_large(payload))
    try:
        frame = pl.read_ipc_stream(payload)
        missing = [name for name in SAMPLE_SCHEMA if name not in frame.columns]
        if missing:
            return _reject(f"the Arrow frame has no column {', '.join(missing)}")
        if frame.height == 0:
            return _reject("an empty Arrow frame")
        samples, rejected = plausible(frame.select(pl.col(name).cast(t) for name, t in SAMPLE_SCHEMA.items()))
    except (pl.exceptions.PolarsError, OSError, ValueError, pl.exceptions.PanicException) as error:
        return _reject(f"not an Arrow frame of samples: {str(error).splitlines()[0][:200]}")
    return Decoded(samples, rejected)


def _range(signal: Signal) -> str:
    return f"{signal.low:g} to {signal.high:g} {signal.unit}"


def _outside(name: str, low: float, high: float) -> pl.Expr:
    """Tell whether a value is out of range: NaN always is, null never is."""
    return ~pl.col(name).is_between(low, high).fill_null(value=True)


_CHECKS: Final[tuple[tuple[str, pl.Expr, str], ...]] = (
    ("pump", ~pl.col("pump").str.contains(f"^{NAME.pattern}$").fill_null(value=False), name_rule()),
    ("time", ~pl.col("time").is_between(EARLIEST_MS, LATEST_MS).fill_null(value=False), _TIMES),
    ("sent", ~pl.col("sent").is_between(EARLIEST_MS, LATEST_MS).fill_null(value=True), _TIMES),
    *((name, ~pl.col(name).is_between(0, MAX_COUNT).fill_null(value=True), f"0 to {MAX_COUNT}") for name in _COUNTS),
    *((signal.name, _outside(signal.name, signal.low, signal.high), _range(signal)) for signal in SIGNALS),
)
_ANY_WRONG: Final = pl.any_horizontal(wrong for _, wrong, _ in _CHECKS)
MAX_REASONS: Final = 20
"""Number of reasons kept for one payload; further rejected samples are only counted."""


def plausible(frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Return the decoded samples that are within range, and a reason for each that is not."""
    wrong = frame.select(_ANY_WRONG).to_series()
    if not wrong.any():
        return frame, ()
    bad = frame.filter(wrong)
    reasons = []
    for name, check, allowed in _CHECKS:
        for pump, value in bad.filter(check).select("pump", pl.col(name).alias("value")).head(MAX_REASONS).iter_rows():
            reasons.append(f"pump {str(pump)[:80]!r}: {name} is {str(value)[:80]}; allowed is {allowed}")
    kept = tuple(reasons[:MAX_REASONS])
    others = bad.height - len(kept)
    return frame.filter(~wrong), (*kept, *([f"and {others} more samples"] if others > 0 else ()))
