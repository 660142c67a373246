"""Table of pumps in a snapshot: facts, latest values, forecasts, and what alarms make of each pump.

Facts and values of a large fleet are renewed more seldom than alarms, so each has an age of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import polars as pl

from broker.contract.signals import SIGNAL_NAMES
from broker.store.column_file import ColumnFile, Rows

BANDS: Final = ("under_dosed_h", "over_dosed_h", "low_d", "empty_d", "eri_d", "eos_d")
"""Forecasts of each pump, from now on, each as the three columns of `band`: hours until it is under-dosed or
over-dosed, days until the reservoir is low and empty, days until replacement is due (ERI) and service ends (EOS)."""
DOSE_BANDS: Final = ("under_dosed_h", "over_dosed_h")
"""Those of `BANDS` that are about the dose."""
FORECASTS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "effect": pl.Float32(),
    **{f"{name}_{edge}": pl.Float32() for name in BANDS for edge in ("low", "mid", "high")},
    "refill_due": pl.Int64(),
    "drug_limit": pl.Int64(),
}
"""`effect` is the effect of the drug on board, as a share of that of the full program; `refill_due` is therapy ms, and
so is `drug_limit`, until which the drug in the reservoir is within its tested stability (null: no refill recorded). Low
to high is the 80 % interval. Infinite means "not if nothing changes", null means unknown."""


def band(name: str) -> tuple[str, str, str]:
    """Return the columns of one of `BANDS`: low, mid, high."""
    return f"{name}_low", f"{name}_mid", f"{name}_high"


LABELS: Final = ("gateway", "site", "model", "lot", "group", "prescription")
"""Facts that many pumps share; they are Categorical in files."""
FACTS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    **dict.fromkeys(LABELS[:-1], pl.String()),
    "reservoir_capacity_ml": pl.Float32(),
    "concentration_ug_ml": pl.Float32(),
    "prescription": pl.String(),
}
VALUES_SCHEMA: Final[dict[str, pl.DataType]] = {
    "time": pl.Int64(),
    "age_s": pl.Float32(),
    "silent": pl.Boolean(),
    "seq": pl.Int64(),
    "boot": pl.Int64(),
    "program": pl.Int64(),
    "flags": pl.Int64(),
    **{name: pl.Float32() for name in SIGNAL_NAMES},
    "samples": pl.Int64(),
    "lost": pl.Int64(),
    "late": pl.Int64(),
    "repeated": pl.Int64(),
}
OF_ALARMS: Final[dict[str, pl.DataType]] = {
    "priority": pl.Int8(),
    "alarms": pl.Int16(),
    "unacknowledged": pl.Int16(),
    "worst": pl.String(),
}
MARKS_SCHEMA: Final[dict[str, pl.DataType]] = {"row": pl.UInt32(), **OF_ALARMS}
"""One row per pump with open alarms, in the order of `row`, its number in the table of pumps."""
PUMPS_SCHEMA: Final[dict[str, pl.DataType]] = {**FACTS_SCHEMA, **VALUES_SCHEMA, **OF_ALARMS, **FORECASTS_SCHEMA}
"""One row per pump; null in any column is unknown.

`age_s` is therapy seconds since its last sample and `silent` says that this is too long. `lost` samples were skipped
by `seq` and never arrived, `late` ones arrived after newer ones, `repeated` ones are duplicates. `priority` is that of
the worst open alarm (1 high, 2 medium, 3 low, 0 none) and `worst` the rule of that alarm.
"""
Part = pl.DataFrame | ColumnFile


@dataclass(frozen=True, eq=False)
class PumpTable:
    """The pumps of one snapshot: `facts`, `values` and `forecasts` row by row, `marks` of those with alarms.

    `values` are as of `values_at`, `forecasts` as of `forecasts_at` (wall ms; 0: unknown).
    """

    facts: pl.DataFrame
    values: Part
    forecasts: Part
    marks: pl.DataFrame
    values_at: int = 0
    forecasts_at: int = 0

    @classmethod
    def of(cls, pumps: pl.DataFrame) -> PumpTable:
        """Return the table of pumps given whole (`PUMPS_SCHEMA`)."""
        marks = pumps.select(*OF_ALARMS).with_row_index("row").filter(pl.col("priority") > 0)
        return cls(
            pumps.select(*FACTS_SCHEMA),
            pumps.select(*VALUES_SCHEMA),
            pumps.select(*FORECASTS_SCHEMA),
            marks.select(pl.col(name).cast(dtype) for name, dtype in MARKS_SCHEMA.items()),
        )

    @property
    def height(self) -> int:
        """Number of pumps."""
        return self.facts.height

    @cached_property
    def frame(self) -> pl.DataFrame:
        """All pumps with all columns (`PUMPS_SCHEMA`); of a large fleet better ask for rows or columns."""
        return pl.DataFrame([self.column(name) for name in PUMPS_SCHEMA])

    def column(self, name: str) -> pl.Series:
        """Return one column of all pumps."""
        if name in FACTS_SCHEMA:
            return self.facts[name].cast(FACTS_SCHEMA[name])
        if name in OF_ALARMS:
            return self._of_alarms(np.arange(self.height))[name]
        part = self.values if name in VALUES_SCHEMA else self.forecasts
        return part[name] if isinstance(part, pl.DataFrame) else part.column(name)

    def take(self, rows: Rows) -> pl.DataFrame:
        """Return the pumps of these rows with all columns (`PUMPS_SCHEMA`)."""
        facts = self.facts[rows].cast({name: pl.String() for name in LABELS})
        parts = [part[rows] if isinstance(part, pl.DataFrame) else part.take(rows) for part in self._parts]
        return pl.concat([facts, *parts, self._of_alarms(rows)], how="horizontal").select(*PUMPS_SCHEMA)

    def row(self, serial: str) -> int | None:
        """Return the row of a pump, None if it is not in the table."""
        found = (self.facts["pump"] == serial).arg_true()
        return int(found[0]) if found.len() else None

    @property
    def _parts(self) -> tuple[Part, Part]:
        return self.values, self.forecasts

    def _of_alarms(self, rows: Rows) -> pl.DataFrame:
        """Return what alarms make of the pumps of these rows (`OF_ALARMS`)."""
        marked = self.marks["row"].to_numpy()
        at = np.searchsorted(marked, rows)
        known = np.flatnonzero(marked[np.minimum(at, len(marked) - 1)] == rows) if len(marked) else np.empty(0, int)
        whole = {name: np.zeros(len(rows), "i1" if name == "priority" else "i2") for name in list(OF_ALARMS)[:-1]}
        for name, counted in whole.items():
            counted[known] = self.marks[name].to_numpy()[at[known]]
        place = np.full(len(rows), -1)
        place[known] = at[known]
        places = pl.Series(place)
        worst = self.marks["worst"].gather(places.set(places < 0, None)).alias("worst")
        return pl.DataFrame([*(pl.Series(name, counted) for name, counted in whole.items()), worst])


_NO_MARKS: Final = pl.DataFrame(schema=MARKS_SCHEMA)


def no_marks() -> pl.DataFrame:
    """Return the frame of no pump with alarms (`MARKS_SCHEMA`)."""
    return _NO_MARKS


def no_pumps() -> PumpTable:
    """Return the table of no pumps."""
    return PumpTable.of(pl.DataFrame(schema=PUMPS_SCHEMA))
