"""Table of the alarms to be scored, one row each time an alarm is raised, and how it is read from the journal."""

from __future__ import annotations

from typing import Final

import polars as pl

RAISED: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    "pump": pl.String(),
    "rule": pl.String(),
    "priority": pl.Int8(),
    "raised": pl.Int64(),
    "shown": pl.Int64(),
    "returned": pl.Int64(),
}
"""Raised alarms, times in therapy ms.

`pump` is a serial number, or the name of the cohort, gateway or fleet that the alarm is about. `shown` is when the
alarm was first not suppressed by another one, null if it never was; `returned` is null while the alarm stands.
"""

ENDS: Final = ("returned", "cleared")
"""Event kinds of the journal with which a standing alarm ends; "cleared" may also follow "returned"."""


def raised_by(events: pl.DataFrame) -> pl.DataFrame:
    """Return the alarms (`RAISED`) in journal entries (`broker.store.journal.EVENTS_SCHEMA`), given in any order.

    An alarm that was suppressed when it was raised counts as shown from its release.
    """
    times = events.select("alarm", "kind", "time", "cause").drop_nulls(["alarm", "time"]).sort("time")
    ends = times.filter(pl.col("kind").is_in(ENDS)).select("alarm", pl.col("time").alias("returned"))
    releases = times.filter(pl.col("kind") == "released").select("alarm", pl.col("time").alias("released"))
    suppressed = pl.concat(
        [
            times.filter(pl.col("kind") == "held"),
            times.filter((pl.col("kind") == "raised") & pl.col("cause").is_not_null()),
        ]
    ).select("alarm", pl.col("time").alias("raised"), pl.lit(value=True).alias("suppressed"))
    rows = (
        events.filter(pl.col("kind") == "raised")
        .select(
            "alarm",
            pl.coalesce("pump", "subject").alias("pump"),
            "rule",
            "priority",
            pl.col("time").alias("raised"),
        )
        .drop_nulls(["alarm", "raised"])
        .sort("raised")
    )
    for column, later in (("returned", ends), ("released", releases)):
        rows = rows.join_asof(
            later, left_on="raised", right_on=column, by="alarm", strategy="forward", check_sortedness=False
        )
    return (
        rows.join(suppressed.unique(["alarm", "raised"]), on=["alarm", "raised"], how="left", maintain_order="left")
        .with_columns(pl.when("suppressed").then("released").otherwise("raised").alias("shown"))
        .select(pl.col(name).cast(dtype) for name, dtype in RAISED.items())
    )
