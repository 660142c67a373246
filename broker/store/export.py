"""Export of the history as CSV or Parquet, streamed, so that its size is not limited by memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final, Literal

import polars as pl
from polars.io.plugins import register_io_source

from broker.contract.signals import SAMPLE_SCHEMA, empty_samples
from broker.store import durable_write
from broker.store.segments import Block

Format = Literal["csv", "parquet"]
TIMES: Final = ("time", "sent")


def write_csv(blocks: Iterable[Block], file: IO[bytes], *, iso: bool = True) -> int:
    """Write samples as CSV with a header, to four decimals as on the wire; return how many. Unknown is empty.

    Times are ISO 8601 in UTC with milliseconds, or without `iso` milliseconds since 1970. A text that a spreadsheet
    would run as a formula gets a single quote in front of it.
    """
    empty_samples().write_csv(file)
    count = 0
    for block in blocks:
        rounded = block.samples.with_columns(
            pl.col(pl.Float32).cast(pl.Float64).round(4), no_formula(pl.col(pl.String))
        )
        if iso:
            times = pl.col(TIMES).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            rounded = rounded.with_columns(times)
        rounded.write_csv(file, include_header=False)
        count += block.samples.height
    return count


def write_parquet(blocks: Iterable[Block], path: Path) -> int:
    """Write samples as one Parquet file; return how many."""
    count = 0

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch: int | None
    ) -> Iterator[pl.DataFrame]:
        nonlocal count
        assert columns is None and predicate is None and rows is None  # noqa: S101, PT018 - a sink always asks for everything
        for block in blocks:
            count += block.samples.height
            yield block.samples

    frame = register_io_source(source, schema=SAMPLE_SCHEMA)
    durable_write.replace(path, lambda fresh: frame.sink_parquet(fresh, maintain_order=True))
    return count


def no_formula(text: pl.Expr) -> pl.Expr:
    """Return text for CSV cells: with a single quote in front if a spreadsheet would take it for a formula."""
    return pl.when(text.str.contains(r"^[=+\-@\t\r]")).then(pl.lit("'") + text).otherwise(text).name.keep()


def watched(blocks: Iterable[Block], report: Callable[[float], None]) -> Iterator[Block]:
    """Yield blocks and report after each the fraction done (0 to 1)."""
    for block in blocks:
        yield block
        report(block.done)
