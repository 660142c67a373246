"""Fleet view: what the table of pumps in a snapshot is made of, frozen, so that judging can go on meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import polars as pl

from broker.contract.signals import SIGNAL_NAMES
from broker.store.pump_table import FACTS_SCHEMA, FORECASTS_SCHEMA, VALUES_SCHEMA
from processor.engine import sequence
from processor.engine.columns import Rules, is_scored_by, score_name
from processor.rules import RULES
from processor.view import forecast

SLICE: Final = 131_072
"""Pumps whose forecasts are made at once: Polars does nothing else meanwhile, so the judging of samples waits."""
_SHOWN: Final = ("time", "seq", "boot", "program", "flags", *SIGNAL_NAMES, "samples")
_COUNTED: Final = tuple({name for count in sequence.counts() for name in count.meta.root_names()})


@dataclass(frozen=True, eq=False)
class TableRows:
    """Which pump is in which row of the table: `facts` of all pumps by number, and who is `retired` and in no row."""

    facts: pl.DataFrame
    retired: pl.Series

    @cached_property
    def has_retired(self) -> bool:
        """Whether any pump is retired."""
        return bool(self.retired.any())

    def of(self, pumps: pl.Series) -> pl.Series:
        """Return the rows of pumps by number (UInt32), null for those that have none."""
        known = pl.select(pl.when(pumps < self.retired.len()).then(pumps)).to_series().cast(pl.UInt32)
        if not self.has_retired:
            return known
        places = (~self.retired).cum_sum() - 1
        return pl.select(pl.when(~self.retired.gather(known)).then(places.gather(known))).to_series().cast(pl.UInt32)

    def kept(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return those rows of a frame of all pumps that are in the table."""
        return frame.filter(~self.retired) if self.has_retired else frame

    def same_as(self, other: TableRows) -> bool:
        """Return whether another table has the same pumps with the same facts in the same rows."""
        return self.facts is other.facts and self.retired.equals(other.retired)


@dataclass(frozen=True, eq=False)
class FleetView:
    """What the table of pumps shows: `state` by number, open alarms, each pump's own clock (ms) and age (s)."""

    rows: TableRows
    state: pl.DataFrame
    alarms: pl.DataFrame
    clocks: pl.Series
    age_s: pl.Series
    rules: Rules = RULES

    @classmethod
    def of(
        cls,
        rows: TableRows,
        state: pl.DataFrame,
        alarms: pl.DataFrame,
        clocks: pl.Series,
        *,
        age_s: pl.Series,
        rules: Rules,
    ) -> FleetView:
        """Return a view that keeps no more of the state in memory than it needs."""
        needed = dict.fromkeys((*_SHOWN, *_COUNTED, *forecast.columns(rules)))
        return cls(rows, state[[name for name in needed if name in state.columns]], alarms, clocks, age_s, rules)

    def facts(self) -> pl.DataFrame:
        """Return the facts of the pumps in the table (`FACTS_SCHEMA`)."""
        return self.rows.kept(self.rows.facts.select(*FACTS_SCHEMA))

    def values(self) -> pl.DataFrame:
        """Return the latest values of the pumps in the table (`VALUES_SCHEMA`)."""
        scores = [pl.col(score_name(rule)) >= 1.0 for rule in self.rules if is_scored_by(rule, "age")]
        silent = pl.any_horizontal(*scores, pl.col("time").is_null()).alias("silent")
        shown = self.state.select(*_SHOWN, *sequence.counts(), silent).with_columns(self.age_s.alias("age_s"))
        return self.rows.kept(shown.select(*VALUES_SCHEMA))

    def forecasts(self) -> pl.DataFrame:
        """Return the forecasts of the pumps in the table (`FORECASTS_SCHEMA`)."""
        parts = [self._forecasts(first) for first in range(0, self.state.height, SLICE)]
        return self.rows.kept(pl.concat(parts) if parts else pl.DataFrame(schema=FORECASTS_SCHEMA))

    def _forecasts(self, first: int) -> pl.DataFrame:
        alarms = self.alarms.filter(pl.col("pump").is_between(first, first + SLICE - 1))
        return forecast.forecasts(
            self.state.slice(first, SLICE),
            alarms.with_columns(pl.col("pump") - first),
            self.rows.facts.slice(first, SLICE),
            self.clocks.slice(first, SLICE),
            self.rules,
        )
