"""Columns of an Arrow frame as those of samples: other number types, times with a unit, texts; bad cells by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from broker.contract.payload_limits import MAX_REASONS, PayloadError, SampleError
from broker.contract.ranges import MAX_COUNT, TIMES
from broker.contract.sample_values import COUNTS, MAX_TEXT, UNKNOWN_TEXTS, count_of, reading_of, time_of
from broker.contract.signals import SAMPLE_SCHEMA, SIGNAL_NAMES

TIME_NAMES: Final = ("time", "sent")
_MAX_PUMP_BYTES: Final = 256
"""Length above which a serial number is not even looked at; the check of its characters has the exact limit."""
_READ: Final[dict[str, Callable[[str, object], float]]] = {
    **dict.fromkeys(TIME_NAMES, time_of),
    **dict.fromkeys(COUNTS, count_of),
    **dict.fromkeys(SIGNAL_NAMES, reading_of),
}
_ALLOWED: Final = {**dict.fromkeys(TIME_NAMES, TIMES), **dict.fromkeys(COUNTS, f"whole numbers, 0 to {MAX_COUNT}")}


def conform(frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str], int]:
    """Return the frame with `SAMPLE_SCHEMA` without rows that cannot be read, reasons for those, and their number.

    Raises `PayloadError` if a column has a type that cannot be what its name says.
    """
    if frame.schema == SAMPLE_SCHEMA:
        return frame, [], 0
    pumps = _pumps(frame["pump"])
    columns, reasons, bad = [pumps], [], pl.repeat(value=False, n=frame.height, eager=True)
    for name, target in list(SAMPLE_SCHEMA.items())[1:]:
        if name not in frame.columns:
            columns.append(pl.Series(name, [None], dtype=target).new_from_index(0, frame.height))
            continue
        read, unread = _column(frame[name], target)
        columns.append(read)
        if unread.any():
            bad = bad | unread
            reasons += _reasons(name, pumps.filter(unread), frame[name].filter(unread))
    return pl.DataFrame(columns).filter(~bad), reasons, int(bad.sum())


def _pumps(series: pl.Series) -> pl.Series:
    """Return serial numbers as text; those that are far too long become null."""
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        return series.cast(pl.String)
    if series.dtype == pl.Binary:
        return _short(series, _MAX_PUMP_BYTES)
    if series.dtype not in {pl.String, pl.Null}:
        raise PayloadError(f"column pump is {series.dtype}; allowed is text")
    return series.cast(pl.String)


def _short(series: pl.Series, most: int) -> pl.Series:
    """Return texts; those that are longer become null before anything reads them, those that are not UTF-8 too."""
    size = series.bin.size() if series.dtype == pl.Binary else series.str.len_bytes()
    short = (size <= most).fill_null(value=False)
    # Only the short ones: a cast looks at every text, even where the row is null.
    texts = _decoded(series.filter(short))
    rows = short.cum_sum().cast(pl.Int64) - 1
    return texts.gather(rows.set(~short, None))


def _decoded(series: pl.Series) -> pl.Series:
    """Return bytes as texts; null for those that are not UTF-8."""
    try:
        return series.cast(pl.String)
    except pl.exceptions.ComputeError:
        return pl.Series(series.name, [_utf8(cell) for cell in series], dtype=pl.String)


def _utf8(cell: bytes) -> str | None:
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return None


def _column(series: pl.Series, target: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Return a column as `target`, and which of its cells hold something that cannot be read as that."""
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    given = series.is_not_null()
    if series.dtype in {pl.String, pl.Binary}:
        text = _short(series, MAX_TEXT).str.strip_chars()
        given &= ~text.str.to_lowercase().is_in(UNKNOWN_TEXTS).fill_null(value=False)
        series = _times_in(text) if text.name in TIME_NAMES else text.cast(pl.Float64, strict=False)
    if isinstance(series.dtype, pl.Decimal):
        series = series.cast(pl.Float64)
    if series.dtype.is_float():
        given &= ~series.is_nan().fill_null(value=False)
        series = series.fill_nan(None)
    read = _number_column(series, target)
    return read, given & read.is_null()


def _number_column(series: pl.Series, target: pl.DataType) -> pl.Series:
    name, dtype = series.name, series.dtype
    if dtype in {target, pl.Null}:
        return series.cast(target)
    if isinstance(dtype, pl.Datetime) and name in TIME_NAMES:
        return series.dt.epoch("ms").cast(target)
    if dtype in {pl.Float32, pl.Float16} and name in TIME_NAMES:
        raise PayloadError(f"column {name} is {dtype}, which is exact to minutes only; send Int64 or Float64")
    if dtype.is_float() and name in TIME_NAMES:
        return series.floor().cast(target, strict=False)
    if dtype.is_float() and name in COUNTS:
        whole = series.floor() == series
        return series.cast(target, strict=False).zip_with(whole.fill_null(value=True), pl.Series([None], dtype=target))
    if dtype.is_numeric():
        return series.cast(target, strict=False)
    times = "numbers, timestamps or text" if name in TIME_NAMES else "numbers or text"
    raise PayloadError(f"column {name} is {dtype}; allowed are {times}")


def _times_in(texts: pl.Series) -> pl.Series:
    """Return times in milliseconds; null for a text that is no time."""
    times: list[int | None] = []
    for text in texts:
        try:
            times.append(None if text is None else time_of(texts.name, text))
        except SampleError:
            times.append(None)
    return pl.Series(texts.name, times, dtype=pl.Int64)


def _reasons(name: str, pumps: pl.Series, values: pl.Series) -> list[str]:
    """Return the reason for each cell, not more than are kept."""
    shown = values.head(MAX_REASONS)
    if shown.dtype in {pl.String, pl.Binary}:
        shown = _short(shown, MAX_TEXT).fill_null(f"not UTF-8, or more than {MAX_TEXT} characters")
    reasons = []
    for pump, value in zip(pumps.head(MAX_REASONS).str.slice(0, 80), shown, strict=True):
        cause = f"{name} is {str(value)[:80]}; allowed are {_ALLOWED.get(name, 'numbers')}"
        if isinstance(value, str):
            try:
                _READ[name](name, value)
            except SampleError as error:
                cause = str(error)
        reasons.append(f"pump {pump!r}: {cause}")
    return reasons
