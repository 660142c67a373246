"""Scores of cohorts: every half hour of therapy they are compared with the rest of the fleet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from processor.alarms.hold import LIMIT, no_scores, with_missing
from processor.alarms.subjects import KEY, SUBJECT, Subjects
from processor.engine.columns import MS_PER_S, select
from processor.rules import Rule
from processor.rules.cohorts import COHORT_RULES, ROWS, Row
from processor.watch import cohort_comparison
from processor.watch.cohort_comparison import COMPARED

INTERVAL_S: Final = 1800.0
"""Therapy seconds between two comparisons; quantities are averages over 25 min and more."""
FRESH_S: Final = 2 * 3600.0
"""Pumps that were not heard for longer are left out (modeling choice)."""
_NAMES: Final = [rule.name for rule in COHORT_RULES]


@dataclass
class CohortWatch:
    """Scores cohorts and keeps the rows of the last comparison for the evidence of their alarms.

    `compared` is when they were last compared (therapy ms). At that comparison, `most` is the number of cohorts of the
    kind that has most, and `left_out` how many were too many to be judged.
    """

    compared: int = 0
    most: int = 0
    left_out: int = 0
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
        kinds = self._cohorts(subjects)
        self.most = max(kind.subjects.height for kind in kinds)
        self.left_out = sum(kind.left_out for kind in kinds)
        fresh = (ages_s <= FRESH_S).fill_null(value=False).to_numpy()
        scored = [_scored(row, state, fresh, kinds) for row in ROWS if _can_answer(row, state)]
        if not scored:
            return no_scores()
        judged = pl.concat(scored).with_columns(pl.lit(now).alias("time"), pl.lit(None, pl.Int64).alias("onset"))
        self._hot = judged.filter(pl.col("score") >= LIMIT)
        return with_missing(judged, timers, COHORT_RULES, now)

    def _cohorts(self, subjects: Subjects) -> tuple[cohort_comparison.Kind, ...]:
        """Return the cohorts, which change only with a birth."""
        if self._facts is not subjects.facts:
            self._facts, self._kinds = subjects.facts, cohort_comparison.kinds(subjects)
        return self._kinds


def _can_answer(row: Row, state: pl.DataFrame) -> bool:
    """Return whether the state has the columns of a quantity: a shorter alarm list may lack them."""
    return set(row.value().meta.root_names()) <= set(state.columns)


def _scored(
    row: Row, state: pl.DataFrame, fresh: npt.NDArray[np.bool_], kinds: tuple[cohort_comparison.Kind, ...]
) -> pl.DataFrame:
    """Return every cohort that can be judged by one quantity, with its rule and score."""
    values = select(state, row.value().cast(pl.Float64)).to_series().to_numpy()
    judged = cohort_comparison.judge(np.where(fresh, values, np.nan), kinds, row)
    return judged.select(*SUBJECT, pl.lit(row.rule.name).alias("rule"), *COMPARED, "score")
