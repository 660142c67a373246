"""This file keeps the books of what is missing: which numbers a pump skipped, and which of them came late after all.

The engine counts what it skips (`missed`) and what it ignores because something newer was there (`stale`). Here each
gap is remembered by its numbers, so that a late sample is told from a repeat: what fills a gap came late, everything
else that is ignored came before. So `missed - late` is what is lost as far as is known, and `stale - late` what came
twice. Gaps are few in good times; where there are none this costs two comparisons a wave.

A gateway sends again of itself what was not confirmed when its line broke. That is no fault of its pumps, so that what
is ignored of it is counted once more (`resent`), and rules about a pump's own line leave it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from processor.engine.engine import LATE, RESENT

MAX_GAPS: Final = 200_000
"""So many gaps are remembered; of older ones what comes late counts as a repeat, and stays missing."""
SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.UInt32(),
    "boot": pl.Int64(),
    "first": pl.Int64(),
    "last": pl.Int64(),
}
"""Numbers (`seq`, both ends among them) of one life (`boot`) of a pump that have not come; the oldest gap first."""


@dataclass(frozen=True)
class Gaps:
    """What is missing now, and how many gaps had to be `forgotten` to stay within `MAX_GAPS`."""

    open: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))
    forgotten: int = 0


def counts() -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Return the expressions of what is `lost` as far as is known, came `late` and came twice (`repeated`)."""
    return (
        (pl.col("missed") - pl.col(LATE)).alias("lost"),
        pl.col(LATE).alias("late"),
        (pl.col("stale") - pl.col(LATE)).alias("repeated"),
    )


@dataclass(frozen=True)
class Totals:
    """Samples of the whole fleet: all that came, those `lost` as far as is known, those that came `resent`."""

    came: int
    lost: int
    resent: int


def totals(state: pl.DataFrame) -> Totals:
    """Return the counts of all pumps together."""
    came = pl.col("samples") + pl.col("stale")
    return Totals(*state.select(came.sum().alias("came"), counts()[0].sum(), pl.col(RESENT).sum()).row(0))


def follow(
    gaps: Gaps, before: pl.DataFrame, after: pl.DataFrame, wave: pl.DataFrame, most: int = MAX_GAPS
) -> tuple[Gaps, pl.DataFrame]:
    """Take into the books what one step of the engine did with a wave; return them and the state with `late` counted.

    `before` and `after` are the state around `engine.step` with `wave`. Pure: the same waves lead to the same books.
    """
    pumps = wave["pump"]
    skipped = after["missed"].gather(pumps) - before["missed"].gather(pumps)
    ignored = after["stale"].gather(pumps) > before["stale"].gather(pumps)
    if ignored.any():
        after = _count_resent(after, wave.filter(ignored))
        if gaps.open.height:
            gaps, after = _fill(gaps, after, wave.filter(ignored))
    if (skipped > 0).any():
        gaps = _open(gaps, after, pumps, skipped, most)
    return gaps, after


def _count_resent(after: pl.DataFrame, ignored: pl.DataFrame) -> pl.DataFrame:
    rows = ignored.filter(RESENT)["pump"]
    if rows.is_empty():
        return after
    return after.with_columns(after[RESENT].clone().scatter(rows, after[RESENT].gather(rows) + 1))


def _open(gaps: Gaps, after: pl.DataFrame, pumps: pl.Series, skipped: pl.Series, most: int) -> Gaps:
    gone = skipped > 0
    rows = pumps.filter(gone)
    seq = after["seq"].gather(rows)
    fresh = pl.DataFrame(
        {"pump": rows, "boot": after["boot"].gather(rows), "first": seq - skipped.filter(gone), "last": seq - 1}, SCHEMA
    )
    every = pl.concat([gaps.open, fresh])
    return Gaps(every.tail(most), gaps.forgotten + max(0, every.height - most))


def _fill(gaps: Gaps, after: pl.DataFrame, ignored: pl.DataFrame) -> tuple[Gaps, pl.DataFrame]:
    """Count what fills a gap as late, and close or part the gap."""
    # A pump may leave its boot unsaid, and is then in the same life.
    boot = pl.coalesce("boot", after["boot"].gather(ignored["pump"]))
    came = ignored.select("pump", boot.alias("boot"), pl.col("seq").alias("came"))
    numbered = gaps.open.with_row_index("gap")
    inside = pl.col("came").is_between(pl.col("first"), pl.col("last"))
    hit = numbered.join(came, on=["pump", "boot"]).filter(inside)
    if hit.is_empty():
        return gaps, after
    rows = hit["pump"]
    late = after[LATE].clone().scatter(rows, after[LATE].gather(rows) + 1)
    left = pl.concat(
        [
            numbered.join(hit, on="gap", how="anti"),
            hit.select("gap", "pump", "boot", "first", (pl.col("came") - 1).alias("last")),
            hit.select("gap", "pump", "boot", (pl.col("came") + 1).alias("first"), "last"),
        ]
    )
    still = left.filter(pl.col("first") <= pl.col("last")).sort("gap", maintain_order=True).select(*SCHEMA)
    return Gaps(still, gaps.forgotten), after.with_columns(late.alias(LATE))
