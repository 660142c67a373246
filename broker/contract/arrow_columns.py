"""Columns of an Arrow frame as those of samples: other number types, times with a unit, texts; bad cells by row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from broker.contract.payload_limits import MAX_REASONS, PayloadError
from broker.contract.sample_values import COUNTS, MAX_COUNT, MAX_TEXT, TIMES, count_of, is_unknown, reading_of, time_of
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
    """Return serial numbers as text; those that are far too long or not UTF-8 become null."""
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        return series.cast(pl.String)
    if series.dtype == pl.Binary:
        return _short(series, _MAX_PUMP_BYTES)
    if series.dtype not in {pl.String, pl.Null}:
        raise PayloadError(f"column pump is {series.dtype}; allowed is text")
    return series.cast(pl.String)


def _short(series: pl.Series, most: int) -> pl.Series:
    """Return bytes as text; those longer than that become null before anything reads them."""
    frame = pl.DataFrame({series.name: series})
    short = pl.when(pl.col(series.name).bin.size() <= most).then(pl.col(series.name))
    return frame.select(short.alias(series.name)).to_series().cast(pl.String, strict=False)


def _column(series: pl.Series, target: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Return a column as `target`, and which of its cells hold something that cannot be read as that."""
    if isinstance(series.dtype, pl.Categorical | pl.Enum):
        series = series.cast(pl.String)
    if series.dtype == pl.Binary:
        text = _short(series, MAX_TEXT)
        read, unread = _texts(text, target)
        return read, unread | (text.is_null() & series.is_not_null())
    if series.dtype == pl.String:
        return _texts(series, target)
    if isinstance(series.dtype, pl.Decimal):
        series = series.cast(pl.Float64)
    if series.dtype.is_float():
        series = series.fill_nan(None)
    read = _number_column(series, target)
    return read, series.is_not_null() & read.is_null()


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


def _texts(series: pl.Series, target: pl.DataType) -> tuple[pl.Series, pl.Series]:
    """Read texts one by one; what is too long is not even taken out of the column."""
    short = series.str.len_bytes() <= MAX_TEXT
    values: list[float | None] = []
    wrong: list[bool] = []
    for text in series.zip_with(short.fill_null(value=True), pl.Series([None], dtype=pl.String)):
        value = None if is_unknown(text) else _read(series.name, text)
        values.append(value)
        wrong.append(value is None and not is_unknown(text))
    return pl.Series(series.name, values, dtype=target), pl.Series(wrong, dtype=pl.Boolean) | ~short.fill_null(
        value=True
    )


def _read(name: str, text: str) -> float | None:
    try:
        return _READ[name](name, text)
    except ValueError:
        return None


def _reasons(name: str, pumps: pl.Series, values: pl.Series) -> list[str]:
    """Return the reason for each cell, not more than are kept."""
    shown = values.head(MAX_REASONS)
    if shown.dtype in {pl.String, pl.Binary}:
        shown = (shown.str if shown.dtype == pl.String else shown.bin).slice(0, MAX_TEXT)
    reasons = []
    for pump, value in zip(pumps.head(MAX_REASONS).str.slice(0, 80), shown, strict=True):
        cause = f"{name} is {str(value)[:80]}; allowed are {_ALLOWED.get(name, 'numbers')}"
        if isinstance(value, str):
            try:
                _READ[name](name, value)
            except ValueError as error:
                cause = str(error)
        reasons.append(f"pump {pump!r}: {cause}")
    return reasons
