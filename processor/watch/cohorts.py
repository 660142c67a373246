"""Scores of cohorts: every half hour of therapy they are compared with the rest of the fleet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.cohorts import NAMED
from processor.alarms.hold import LIMIT, no_scores, with_missing
from processor.alarms.subjects import KEY, SUBJECT, Subjects
from processor.engine.columns import MS_PER_S, select
from processor.rules import Rule
from processor.rules.cohorts import COHORT_RULES, ROWS, Row
from processor.watch import cohort_comparison
from processor.watch.cohort_comparison import COMPARED, F64

INTERVAL_S: Final = 1800.0
"""Therapy seconds between two comparisons; quantities are averages over 25 min and more."""
FRESH_S: Final = 2 * 3600.0
"""Pumps that were not heard for longer are left out (modeling choice)."""
_NAMES: Final = [rule.name for rule in COHORT_RULES]
OTHERS: Final[dict[str, pl.DataType]] = {
    "time": pl.Int64(),
    **dict.fromkeys(NAMED, pl.String()),
    **dict.fromkeys((row.rule.name for row in ROWS), pl.Float64()),
}
"""Quantities of pumps, by the rules that compare them, as of `time` (therapy ms); NaN if not known."""


class Exchange(Protocol):
    """What a processor with some pumps of a fleet knows of those that others have: their quantities (`OTHERS`)."""

    first: bool
    """Whether this processor reports cohorts with pumps of several; only one of them does."""

    def publish(self, quantities: pl.DataFrame) -> None:
        """Show the quantities of this processor's pumps to the others."""

    def others(self, now: int) -> pl.DataFrame:
        """Return the latest quantities of all others at `now` (therapy ms)."""


@dataclass
class CohortWatch:
    """Scores cohorts and keeps the rows of the last comparison for the evidence of their alarms.

    `compared` is when they were last compared (therapy ms). At that comparison, `most` is the number of cohorts of the
    kind that has most, and `left_out` how many were too many to be judged. With an `exchange`, they are compared in
    the whole fleet, of which other processors have the other pumps.
    """

    compared: int = 0
    most: int = 0
    left_out: int = 0
    exchange: Exchange | None = None
    _facts: pl.DataFrame | None = None
    _kinds: tuple[cohort_comparison.Kind, ...] = ()
    _hot: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"rule": pl.String}))

    def rows(self, timers: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, tuple[Rule, ...]]]:
        """Yield, for each rule, the cohorts that were at its limit, as `processor.alarms.evidence` reads them."""
        if self._hot.is_empty():
            return
        since = timers.filter(pl.col("rule").is_in(_NAMES)).select(*KEY, "since")
        hot = self._hot.join(since, on=KEY, how="left", maintain_order="left", nulls_equal=True)
        above_s = (pl.col("time") - pl.col("since")) / MS_PER_S
        hot = hot.with_columns(above_s.alias("above_s"), pl.col("time").alias("now"))
        for rule in COHORT_RULES:
            yield hot.filter(pl.col("rule") == rule.name).with_columns(pl.col("score").alias(rule.name)), (rule,)

    def scores(
        self, state: pl.DataFrame, timers: pl.DataFrame, subjects: Subjects, *, ages_s: pl.Series
    ) -> pl.DataFrame:
        """Return the scores (`processor.alarms.hold.SCORES`) of cohorts; none until the next comparison is due.

        `state` is the engine's; `ages_s` is the age of each pump's last sample, null if it is not monitored. A cohort
        whose timer runs and that cannot be judged any more scores 0.
        """
        interval_ms = round(INTERVAL_S * MS_PER_S)
        # Whole half hours, so that a cohort's alarm has the same id whenever in it the comparison is made.
        now = subjects.together // interval_ms * interval_ms
        if now == self.compared:
            return no_scores()
        self.compared = now
        fresh = (ages_s <= FRESH_S).fill_null(value=False).to_numpy()
        own = {row.rule.name: _quantity(row, state, fresh) for row in ROWS if _can_answer(row, state)}
        others = None if self.exchange is None else self._exchanged(self.exchange, own, subjects, now)
        kinds = self._cohorts(subjects, others)
        self.most = max(kind.subjects.height for kind in kinds)
        self.left_out = sum(kind.left_out for kind in kinds)
        scored = [_scored(row, own[row.rule.name], others, kinds) for row in ROWS if row.rule.name in own]
        if not scored:
            return no_scores()
        judged = pl.concat(scored)
        if self.exchange is not None and not self.exchange.first:
            judged = judged.filter(pl.col("gateway").is_not_null())
        judged = judged.with_columns(pl.lit(now).alias("time"), pl.lit(None, pl.Int64).alias("onset"))
        self._hot = judged.filter(pl.col("score") >= LIMIT)
        return with_missing(judged, timers, COHORT_RULES, now)

    @staticmethod
    def _exchanged(exchange: Exchange, own: dict[str, F64], subjects: Subjects, now: int) -> pl.DataFrame:
        """Show the quantities of our own pumps to other processors; return those of theirs."""
        labels = [pl.col(name).cast(pl.String) for name in NAMED]
        exchange.publish(subjects.facts.select(pl.lit(now).alias("time"), *labels).with_columns(**own))
        return exchange.others(now)

    def _cohorts(self, subjects: Subjects, others: pl.DataFrame | None) -> tuple[cohort_comparison.Kind, ...]:
        """Return the cohorts, which change only with a birth, or with what other processors have."""
        if others is not None:
            return cohort_comparison.kinds(subjects, others)
        if self._facts is not subjects.facts:
            self._facts, self._kinds = subjects.facts, cohort_comparison.kinds(subjects)
        return self._kinds


def _can_answer(row: Row, state: pl.DataFrame) -> bool:
    """Return whether the state has the columns of a quantity: a shorter alarm list may lack them."""
    return set(row.value().meta.root_names()) <= set(state.columns)


def _quantity(row: Row, state: pl.DataFrame, fresh: npt.NDArray[np.bool_]) -> F64:
    """Return one quantity of each pump, NaN if it is not known or old."""
    values = select(state, row.value().cast(pl.Float64)).to_series().to_numpy()
    return np.where(fresh, values, np.nan)


def _scored(
    row: Row, values: F64, others: pl.DataFrame | None, kinds: tuple[cohort_comparison.Kind, ...]
) -> pl.DataFrame:
    """Return every cohort that can be judged by one quantity, with its rule and score."""
    if others is not None:
        values = np.concatenate([values, others[row.rule.name].to_numpy()])
    judged = cohort_comparison.judge(values, kinds, row)
    return judged.select(*SUBJECT, pl.lit(row.rule.name).alias("rule"), *COMPARED, "score")
