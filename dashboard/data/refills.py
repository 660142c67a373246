"""Refills: what needs refilling or replacing, by when, and why a pump has no date. All pumps at once, as columns.

Dates are therapy dates. Where gateways play different times, all are moved to the clock of the fleet, so that "in three
days" is in three days for all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.datasheet import RESIDUAL_ML
from broker.store.pump_table import PumpTable, band
from broker.store.snapshot import Snapshot
from dashboard.data.fleet_clock import SAME_MS, fleet_clock
from dashboard.data.fleet_index import TableIndex, index_of
from dashboard.languages import tr_later

Made = TypeVar("Made")
DAY_MS: Final = 86_400_000
HORIZON_D: Final = 366.0
"""Later dates are not planned: forecasts are rough by then, and there will be other refills before."""
SOON_D: Final = 9.0
"""Holds the seven days of the overview, whose last one ends in the viewer's time zone."""
MIN_FLOW_SHARE: Final = 0.05
"""Share of the commanded flow below which a pump delivers next to nothing: its reservoir has no forecast."""
KINDS: Final = {"refill": tr_later("Refill"), "battery": tr_later("Replacement")}
NO_FLOW: Final = "no flow"
SILENT: Final = "silent"
UNKNOWN: Final = "unknown"

PLAN_SCHEMA: Final[dict[str, pl.DataType]] = {
    "row": pl.UInt32(),
    "kind": pl.String(),
    "reason": pl.String(),
    "by": pl.Int64(),
    "latest": pl.Int64(),
    "early": pl.Int64(),
    "middle": pl.Int64(),
    "late": pl.Int64(),
    "overdue": pl.Boolean(),
    "residual_ml": pl.Float64(),
    "ml_day": pl.Float64(),
}
"""One row per task. `row` is that of the pump in the table; `kind` one of `KINDS`.

`reason` says what decides: "reservoir" (low at the early end of its band), "drug" (its tested stability ends),
"unrecorded" (180 days from now, as no refill was recorded), "ERI" (the pump asks for replacement), "end of service"; or
why there is no date: `NO_FLOW`, `SILENT`, `UNKNOWN`. The rest is therapy ms on the fleet's clock, null without a date:
done `by`, `latest` safe, and the 80 % interval of the forecast.
`residual_ml` is expected in the reservoir at `by` and falls by `ml_day`; null for replacements.
"""
_READ: Final = (
    "time",
    "age_s",
    "silent",
    "flow_ul_h",
    "commanded_ul_h",
    "reservoir_ml",
    "refill_due",
    "drug_limit",
    *(edge for name in ("low_d", "empty_d", "eri_d", "eos_d") for edge in band(name)),
)


@dataclass(frozen=True)
class Due:
    """How many tasks are overdue, and by when (therapy ms, ascending) others are due within `SOON_D`, by kind."""

    overdue: int
    dates: dict[str, npt.NDArray[np.int64]]

    def until(self, kind: str, end: int) -> int:
        """Return how many tasks of a kind are due before a therapy time and not overdue."""
        return int(np.searchsorted(self.dates[kind], end))


class _Latest(Generic[Made]):
    """What was made of the latest table, once for all viewers as long as its parts are the same."""

    def __init__(self, make: Callable[[PumpTable, int], Made]) -> None:
        self._make, self._lock = make, threading.Lock()
        self._known: tuple[TableIndex, Made] | None = None

    def of(self, snapshot: Snapshot) -> Made:
        index = index_of(snapshot.table)
        with self._lock:
            if self._known is None or self._known[0] is not index:
                self._known = index, self._make(snapshot.table, fleet_clock(snapshot).therapy_ms)
            return self._known[1]


def plan(snapshot: Snapshot) -> pl.DataFrame:
    """Return what is due within `HORIZON_D` (`PLAN_SCHEMA`): overdue first, then by date, then what has no date."""
    return _PLANS.of(snapshot)


def due(snapshot: Snapshot) -> Due:
    """Return how much is overdue, and by when how much is due soon: a fraction of the work of the whole plan."""
    return _DUE.of(snapshot)


def make(table: PumpTable, now: int) -> pl.DataFrame:
    """Return the plan of a table of pumps; `now` is the therapy time of the fleet (ms)."""
    natural = index_of(table).facts.natural
    tasks = _tasks(table, now).collect(engine="in-memory")
    ordered = tasks.with_columns(natural.gather(tasks["row"]).alias("natural")).sort(
        pl.col("overdue").not_(), "by", "natural", "kind", nulls_last=True
    )
    return ordered.select(pl.col(name).cast(dtype) for name, dtype in PLAN_SCHEMA.items())


def count(table: PumpTable, now: int) -> Due:
    """Return how much of a table of pumps is due soon, without the plan itself; `now` as for `make`."""
    soon = pl.col("by") <= now + SOON_D * DAY_MS
    tasks = _tasks(table, now).select("kind", "by", "overdue").filter(soon).collect(engine="in-memory")
    waiting = tasks.filter(~pl.col("overdue"))
    return Due(
        int(tasks["overdue"].sum()),
        {kind: waiting.filter(pl.col("kind") == kind)["by"].sort().to_numpy() for kind in KINDS},
    )


def _tasks(table: PumpTable, now: int) -> pl.LazyFrame:
    """Return the tasks of a table in the order of its pumps."""
    frame = pl.DataFrame([table.column(name) for name in _READ]).lazy().with_row_index("row")
    own = pl.col("time") + (1000.0 * pl.col("age_s").fill_nan(None).fill_null(0.0).clip(0.0)).cast(pl.Int64)
    clocks = frame.with_columns(own.alias("now")).with_columns(
        pl.when((pl.col("now") - now).abs() > SAME_MS).then(now - pl.col("now")).otherwise(0).alias("shift")
    )
    return pl.concat([clocks.select(_refill()), clocks.select(_battery())]).filter(
        pl.col("by").is_null() & pl.col("reason").is_not_null() | (pl.col("by") <= now + HORIZON_D * DAY_MS)
    )


def _date(days: str) -> pl.Expr:
    """Return the therapy time of a forecast in days, on the fleet's clock; null if it is never or unknown."""
    known = pl.col(days).cast(pl.Float64)
    soon = pl.when(known.is_finite() & (known < 40 * HORIZON_D)).then(known)
    return pl.col("now") + pl.col("shift") + (soon * DAY_MS).cast(pl.Int64)


def _refill() -> list[pl.Expr]:
    """Return the columns of the refill of each pump."""
    dry = (pl.col("flow_ul_h") < MIN_FLOW_SHARE * pl.col("commanded_ul_h")) & (pl.col("commanded_ul_h") > 0)
    limit, due = pl.col("drug_limit") + pl.col("shift"), pl.col("refill_due") + pl.col("shift")
    here = pl.col("now") + pl.col("shift")
    stale = (limit <= here).fill_null(value=False)
    by = pl.when(stale).then(limit).when(dry.fill_null(value=False)).then(None).otherwise(due)
    # Without a recorded refill, 180 days from now are the limit.
    aged = by.is_not_null() & (by + SAME_MS < _date("low_d_low")).fill_null(value=True)
    why = pl.when(dry.fill_null(value=False)).then(pl.lit(NO_FLOW)).when("silent").then(pl.lit(SILENT))
    reason = pl.when(by.is_null()).then(why.otherwise(pl.lit(UNKNOWN)))
    drug = pl.when(limit.is_not_null()).then(pl.lit("drug")).otherwise(pl.lit("unrecorded"))
    decided = pl.when(aged).then(drug).otherwise(pl.lit("reservoir"))
    low, middle, _ = band("low_d")
    usable_ml = pl.col("reservoir_ml").clip(RESIDUAL_ML) - RESIDUAL_ML
    pace = pl.when(pl.col("empty_d_mid") > 0).then(usable_ml / pl.col("empty_d_mid")).cast(pl.Float64)
    until = (by - here) / DAY_MS
    left = (pl.col("reservoir_ml").cast(pl.Float64) - pace.fill_null(0.0) * until.clip(0.0)).clip(RESIDUAL_ML)
    return [
        pl.col("row"),
        pl.lit("refill").alias("kind"),
        reason.fill_null(decided).alias("reason"),
        by.alias("by"),
        pl.when(by.is_not_null()).then(pl.min_horizontal(_date("empty_d_low"), limit)).alias("latest"),
        *(
            pl.when(by.is_not_null() & ~aged).then(_date(days)).alias(name)
            for days, name in zip((low, middle, band("low_d")[2]), ("early", "middle", "late"), strict=True)
        ),
        (by <= here).fill_null(value=False).alias("overdue"),
        pl.when(by.is_not_null()).then(left).alias("residual_ml"),
        pl.when(by.is_not_null()).then(pace.fill_null(0.0)).alias("ml_day"),
    ]


def _battery() -> list[pl.Expr]:
    """Return the columns of the replacement of each pump; a silent pump without forecast has its refill's row alone."""
    low, middle, high = band("eri_d")
    ends = _date("eos_d_low")
    asked = pl.coalesce(_date(low), ends)
    here = pl.col("now") + pl.col("shift")
    doubted = pl.col(middle).is_null() & ~pl.col("silent").fill_null(value=True) & pl.col("low_d_mid").is_not_null()
    return [
        pl.col("row"),
        pl.lit("battery").alias("kind"),
        pl.when(_date(low).is_not_null())
        .then(pl.lit("ERI"))
        .when(ends.is_not_null())
        .then(pl.lit("end of service"))
        .when(doubted)
        .then(pl.lit(UNKNOWN))
        .alias("reason"),
        asked.alias("by"),
        ends.alias("latest"),
        *(_date(days).alias(name) for days, name in zip((low, middle, high), ("early", "middle", "late"), strict=True)),
        (asked <= here).fill_null(value=False).alias("overdue"),
        pl.lit(None, pl.Float64).alias("residual_ml"),
        pl.lit(None, pl.Float64).alias("ml_day"),
    ]


_PLANS: Final = _Latest(make)
_DUE: Final = _Latest(count)
