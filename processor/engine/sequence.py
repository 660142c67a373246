"""Sequence gaps: which sample numbers a pump skipped, and which stale samples arrived late to fill one.

The engine counts the numbers that a pump skips (`missed`) and the samples that it ignores because a newer one came
first (`stale`). Every gap is remembered by its numbers, which tells a late sample from a duplicate: a stale sample that
fills a gap is late, any other one is a duplicate. So `missed - late` samples are permanently lost as far as is known,
and `stale - late` are duplicates. Gaps are rare; without any, this costs one comparison per wave.

A gateway redelivers what was not confirmed when its connection broke. That is no fault of its pumps: stale samples of
redelivered messages are counted once more (`resent`), and rules about a pump's own link leave them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl

LATE: Final = "late"
"""Column of the state: how many stale samples filled a gap."""
REDELIVERED: Final = "resent"
"""Column of the state: how many stale samples came in redelivered messages. Of a sample in a wave: whether it did."""
MAX_GAPS: Final = 200_000
"""Number of gaps remembered; late samples of older gaps count as duplicates, and their numbers as lost."""
SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.UInt32(),
    "boot": pl.Int64(),
    "first": pl.Int64(),
    "last": pl.Int64(),
}
"""A gap: the numbers (`seq`, both ends included) of one boot of a pump that have not arrived."""


@dataclass(frozen=True)
class Gaps:
    """Gaps that are `open` (`SCHEMA`, oldest first), and how many were `forgotten` to keep no more than `max_gaps`."""

    open: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    forgotten: int = 0
    max_gaps: int = MAX_GAPS

    def opened(self, skipped: pl.DataFrame) -> Gaps:
        """Return the gaps with new ones (`SCHEMA`); beyond `max_gaps` the oldest are forgotten."""
        if skipped.is_empty():
            return self
        gaps = pl.concat([self.open, skipped])
        forgotten = max(0, gaps.height - self.max_gaps)
        return Gaps(gaps.tail(self.max_gaps), self.forgotten + forgotten, self.max_gaps)

    def filled(self, stale: pl.DataFrame, boot: pl.Series) -> tuple[Gaps, pl.DataFrame]:
        """Return the gaps without the numbers of these stale samples, and the samples that filled one: the late ones.

        `boot` is the last known boot of each sample's pump.
        """
        if self.open.is_empty() or stale.is_empty():
            return self, stale.clear()
        # A pump that does not report its boot is still in the last known one.
        arrived = stale.select("pump", pl.coalesce("boot", boot).alias("boot"), pl.col("seq").alias("arrived"))
        numbered = self.open.with_row_index("gap")
        inside = pl.col("arrived").is_between(pl.col("first"), pl.col("last"))
        hits = numbered.join(arrived, on=["pump", "boot"]).filter(inside)
        if hits.is_empty():
            return self, stale.clear()
        late = stale.filter(stale["pump"].is_in(hits["pump"].implode()))
        return Gaps(_split(numbered, hits), self.forgotten, self.max_gaps), late


NO_GAPS: Final = Gaps()
NONE_SKIPPED: Final = NO_GAPS.open


def skipped(before: pl.DataFrame, after: pl.DataFrame, pumps: pl.Series) -> pl.DataFrame:
    """Return the gaps (`SCHEMA`) that a wave opened; `before` and `after` are the rows of its `pumps` in the state."""
    # Counters only grow. NumPy compares a million of them in a millisecond; they are never null.
    if np.array_equal(after["missed"].to_numpy(), before["missed"].to_numpy()):
        return NONE_SKIPPED
    count = after["missed"] - before["missed"]
    gone = count > 0
    seq, boot = after["seq"].filter(gone), after["boot"].filter(gone)
    return pl.DataFrame(
        {"pump": pumps.filter(gone), "boot": boot, "first": seq - count.filter(gone), "last": seq - 1}, SCHEMA
    )


def _split(numbered: pl.DataFrame, hits: pl.DataFrame) -> pl.DataFrame:
    """Return the gaps with those that a sample `arrived` in closed, shortened or split in two; their order stays."""
    parts = pl.concat(
        [
            numbered.join(hits, on="gap", how="anti"),
            hits.select("gap", "pump", "boot", "first", (pl.col("arrived") - 1).alias("last")),
            hits.select("gap", "pump", "boot", (pl.col("arrived") + 1).alias("first"), "last"),
        ]
    )
    return parts.filter(pl.col("first") <= pl.col("last")).sort("gap", maintain_order=True).select(*SCHEMA)


def counts() -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return the expressions of how many samples are `lost` as far as is known, arrived `late`, are `repeated`."""
    return (
        (pl.col("missed") - pl.col(LATE)).alias("lost"),
        pl.col(LATE).alias("late"),
        (pl.col("stale") - pl.col(LATE)).alias("repeated"),
    )


@dataclass(frozen=True)
class Totals:
    """Samples of the whole fleet: received, lost as far as is known, late, repeated, and redelivered."""

    received: int
    lost: int
    late: int
    repeated: int
    redelivered: int


def totals(state: pl.DataFrame) -> Totals:
    """Return the counts of all pumps together."""
    names = ("samples", "missed", "stale", LATE, REDELIVERED)
    samples, missed, stale, late, redelivered = (int(state[name].sum()) for name in names)
    return Totals(
        received=samples + stale, lost=missed - late, late=late, repeated=stale - late, redelivered=redelivered
    )
