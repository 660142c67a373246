"""Export of one pump's trends as they are seen: samples of a time range as CSV or Parquet, with a bound on rows."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from broker.contract.signals import SIGNAL_NAMES
from broker.display.instants import instant
from broker.store import rollup
from dashboard.languages import decimal, in_english, tr_later

MAX_ROWS: Final = 50_000
"""Rows of an export; a range with more samples is exported as hours."""
FORMATS: Final = {"csv": ("CSV", "text/csv"), "parquet": ("Parquet", "application/vnd.apache.parquet")}
IMAGE: Final = "png"
WORDS: Final = (
    tr_later("as {format}, rows: {rows}, every sample, therapy time {since} to {until}"),
    tr_later(
        "as {format}, rows: {rows}, minimum, maximum, mean and last value of each hour, therapy time {since} to {until}"
    ),
)
"""What an export holds: every sample, or hours."""


@dataclass(frozen=True)
class Export:
    """A file for the browser (`file` for `dcc.Download`), and a sentence on what is in it."""

    file: dict[str, Any]
    words: str


def export(samples: pl.DataFrame, serial: str, since: int, until: int, kind: str) -> Export:
    """Return the samples of a pump between two therapy times as one of `FORMATS`: each, or the hours if too many.

    `samples` are sorted by time, and may be a roll-up already; times in CSV are ISO 8601 in UTC.
    """
    hours = "samples" in samples.columns
    reduced = hours or samples.height > MAX_ROWS
    table = samples if hours or not reduced else rollup.roll_up(samples, rollup.HOUR)
    table = table.tail(MAX_ROWS).drop("pump") if reduced else table.select("time", "seq", "flags", *SIGNAL_NAMES)
    label, mime = FORMATS[kind]
    with in_english():  # for the audit trail
        rows = decimal(table.height)
    words = WORDS[reduced].format(rows=rows, format=label, since=_iso(since), until=_iso(until))
    return Export({**_content(table, kind), "filename": name(serial, since, kind), "type": mime}, words)


def name(serial: str, since: int, ending: str) -> str:
    """Return the name of a file with the trends of a pump from a therapy time on."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "-", serial).strip("-")[:60] or "pump"
    return f"{plain}-{re.sub('[^0-9TZ]', '', _iso(since))}.{ending}"


def _content(table: pl.DataFrame, kind: str) -> dict[str, Any]:
    if kind == "parquet":
        file = io.BytesIO()
        table.with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC"))).write_parquet(file)
        return {"content": base64.b64encode(file.getvalue()).decode(), "base64": True}
    at = pl.col("time").cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
    return {"content": table.with_columns(at, pl.col(pl.Float32).cast(pl.Float64).round(4)).write_csv()}


def _iso(ms: int) -> str:
    at = instant(ms) or datetime(1970, 1, 1, tzinfo=UTC)
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"
