"""This file watches cohorts: twice an hour of therapy they are compared with the fleet; what lasts becomes an alarm."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from processor.alarms.subjects import KEY, SUBJECT, Subjects, with_kinds
from processor.alarms.violations import DEADBAND, OBSERVED, Violations, nothing_seen
from processor.engine.columns import MS_PER_S
from processor.rules import Rule
from processor.rules.cohorts import COHORT_RULES, ROWS, Row
from processor.watch import cohort_comparison
from processor.watch.cohort_comparison import COMPARED

EVERY_S: Final = 1800.0
"""Therapy seconds between two comparisons; quantities are averages over 25 min and more."""
FRESH_S: Final = 2 * 3600.0
"""Of a pump that was not heard for longer nothing is known (modelling choice)."""
SINCE: Final[dict[str, pl.DataType]] = {**SUBJECT, "rule": pl.String(), "above": pl.Boolean(), "since": pl.Int64()}
"""Since when (therapy ms) a cohort has been beyond its limit, or, in alarm, below it."""

_SAVED: Final = {name: dtype for name, dtype in SINCE.items() if name != "other_kind"}


class Standing(msgspec.Struct, kw_only=True, frozen=True):
    """What of a `CohortWatch` goes into the checkpoint; `since` has the columns of `SINCE` but the kind."""

    compared: int = 0
    since: tuple[tuple[int | None, int | None, str | None, str, bool, int], ...] = ()


BEGUN: Final = Standing()


@dataclass
class CohortWatch:
    """Remembers when cohorts were last compared (therapy ms), and since when which of them has been how (`SINCE`).

    Of the kind of which there are `most`, that many were judged the last time; `left_out` of all kinds were not,
    because there are too many.
    """

    since: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SINCE))
    compared: int = 0
    most: int = 0
    left_out: int = 0
    _of: pl.DataFrame | None = None
    _kinds: tuple[cohort_comparison.Kind, ...] = ()
    _looked: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={"rule": pl.String}))

    @classmethod
    def restored(cls, standing: Standing) -> CohortWatch:
        """Return the watch that was saved so."""
        since = pl.DataFrame(standing.since, _SAVED, orient="row")
        return cls(with_kinds(since).select(*SINCE), standing.compared)

    def saved(self) -> Standing:
        """Return what must outlast a restart, so that the same samples make the same alarms."""
        return Standing(compared=self.compared, since=tuple(self.since.select(*_SAVED).rows()))

    def looked(self) -> Iterator[tuple[pl.DataFrame, tuple[Rule, ...]]]:
        """Give what was beyond its limit the last time, as `processor.alarms.evidence` wants it, rule by rule."""
        for rule in COHORT_RULES:
            yield self._looked.filter(pl.col("rule") == rule.name), (rule,)

    def look(self, state: pl.DataFrame, alarms: pl.DataFrame, subjects: Subjects, *, ages_s: pl.Series) -> Violations:
        """Return what is seen of cohorts, which is nothing where it is not yet time to look again.

        `state` is the engine's; `ages_s` says when each pump was last heard, null for those that are not watched.
        """
        every = round(EVERY_S * MS_PER_S)
        # Whole half hours, so that a cohort's alarm has the same id whenever in it the comparison is made.
        now = subjects.together // every * every
        if now == self.compared:
            return nothing_seen()
        self.compared = now
        told = self._cohorts(subjects)
        self.most = max(kind.subjects.height for kind in told)
        self.left_out = sum(kind.left_out for kind in told)
        fresh = (ages_s <= FRESH_S).fill_null(value=False).to_numpy()
        scored = [_scored(row, state, fresh, told) for row in ROWS if _answers(row, state)]
        if not scored:
            return nothing_seen()
        return self._observe(pl.concat(scored), alarms, now)

    def _cohorts(self, subjects: Subjects) -> tuple[cohort_comparison.Kind, ...]:
        """Return the cohorts, anew where another birth may have changed them."""
        if self._of is not subjects.facts:
            self._of, self._kinds = subjects.facts, cohort_comparison.kinds(subjects)
        return self._kinds

    def _observe(self, scored: pl.DataFrame, alarms: pl.DataFrame, now: int) -> Violations:
        """Return what has lasted; a cohort in alarm that cannot be judged any more is well again."""
        ours = pl.col("rule").is_in([rule.name for rule in COHORT_RULES])
        in_alarm = alarms.filter(ours & pl.col("returned").is_null()).select(*KEY)
        hot = scored.filter(pl.col("score") >= 1.0)
        hovering = scored.filter(pl.col("score").is_between(DEADBAND, 1.0, closed="left"))
        calm = in_alarm.join(hot, on=KEY, how="anti", nulls_equal=True)
        calm = calm.join(hovering, on=KEY, how="anti", nulls_equal=True)
        seen = pl.concat(
            [
                hot.select(*KEY, "score", pl.lit(value=True).alias("above")),
                calm.select(*KEY, pl.lit(0.0, pl.Float32).alias("score"), pl.lit(value=False).alias("above")),
            ]
        )
        known = seen.join(self.since, on=(*KEY, "above"), how="left", maintain_order="left", nulls_equal=True)
        known = known.with_columns(pl.col("since").fill_null(now), pl.lit(now).alias("time"))
        self.since = known.select(*SINCE)
        self._looked = hot.join(known.drop("score"), on=KEY, how="left", maintain_order="left", nulls_equal=True)
        self._looked = _as_evidence(self._looked)
        on = {rule.name: rule.on_delay_s for rule in COHORT_RULES}
        off = {rule.name: rule.off_delay_s for rule in COHORT_RULES}
        return Violations(_lasted(known.filter("above"), on), _lasted(known.filter(~pl.col("above")), off))


def _lasted(known: pl.DataFrame, delays_s: dict[str, float]) -> pl.DataFrame:
    """Return what has been as it is for its rule's delay (`OBSERVED`)."""
    waits_ms = pl.col("rule").replace_strict(delays_s, return_dtype=pl.Float64) * MS_PER_S
    lasted = known.filter(pl.col("time") - pl.col("since") >= waits_ms).with_columns(pl.col("since").alias("onset"))
    return lasted.select(pl.col(name).cast(dtype) for name, dtype in OBSERVED.items())


def _answers(row: Row, state: pl.DataFrame) -> bool:
    """Tell whether the state has what the quantity is read from: an alarm list may be shorter than ours."""
    return set(row.value().meta.root_names()) <= set(state.columns)


def _scored(
    row: Row, state: pl.DataFrame, fresh: npt.NDArray[np.bool_], told: tuple[cohort_comparison.Kind, ...]
) -> pl.DataFrame:
    """Return every cohort that can be judged by one row, with its rule."""
    values = state.select(row.value().cast(pl.Float64)).to_series().to_numpy()
    judged = cohort_comparison.judge(np.where(fresh, values, np.nan), told, row)
    return judged.select(*SUBJECT, pl.lit(row.rule.name).alias("rule"), *COMPARED, "score")


def _as_evidence(looked: pl.DataFrame) -> pl.DataFrame:
    """Return one row a cohort and rule with the score under the rule's name and how long it has been there."""
    scores = [pl.when(pl.col("rule") == rule.name).then("score").alias(rule.name) for rule in COHORT_RULES]
    above_s = (pl.col("time") - pl.col("since")) / MS_PER_S
    return looked.with_columns(*scores, above_s.alias("above_s"), pl.col("time").alias("now"))
