"""Table of the injected faults, and the refills at which some of them start or end."""

from __future__ import annotations

from typing import Final

import polars as pl

MS_PER_H: Final = 3_600_000
FAR_MS: Final = 2**53
"""A time later than any event; stands for the end of an injection that continues."""

INJECTIONS: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "fault": pl.String(),
    "severity": pl.Float32(),
    "onset": pl.Int64(),
    "end": pl.Int64(),
}
"""Injected faults, times in therapy ms; `severity` is that after the ramp, `end` is null while the fault continues."""


def start_at_refill(injections: pl.DataFrame, refills: pl.DataFrame) -> pl.DataFrame:
    """Return injections (`INJECTIONS`) that wait for a refill, each with the refill's time as its onset.

    `refills` has `pump` and `time` (ms). The first refill between injection and end counts. An injection without such
    a refill had no effect and is left out.
    """
    in_time = pl.col("refill") <= pl.col("end").fill_null(FAR_MS)
    return _next_refill(injections, "onset", refills).filter(in_time).with_columns(onset="refill").select(*INJECTIONS)


def extend_to_refill(injections: pl.DataFrame, refills: pl.DataFrame) -> pl.DataFrame:
    """Return injections (`INJECTIONS`) whose effects outlast them, extended to the first refill after their end."""
    after_end = injections.with_columns(pl.col("end").fill_null(FAR_MS) + 1)
    return _next_refill(after_end, "end", refills).with_columns(end="refill").select(*INJECTIONS)


def _next_refill(injections: pl.DataFrame, since: str, refills: pl.DataFrame) -> pl.DataFrame:
    times = refills.select("pump", pl.col("time").alias("refill")).sort("refill")
    return injections.sort(since).join_asof(
        times, left_on=since, right_on="refill", by="pump", strategy="forward", check_sortedness=False
    )
