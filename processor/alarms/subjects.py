"""Subjects of alarms: a pump, a gateway with all its pumps, something else by its name, or the fleet.

An alarm names its subject by `pump` or `gateway`, which are the registry's numbers, or by `other`, which is a name,
with `other_kind`, "cohort" or "system"; one of the three at most is set, and with none it is the fleet's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from broker.contract.cohorts import FLEET, NAMED, cohort_name
from broker.contract.subjects import kind_by_name

SUBJECT: Final[dict[str, pl.DataType]] = {
    "pump": pl.UInt32(),
    "gateway": pl.UInt32(),
    "other": pl.String(),
    "other_kind": pl.String(),
}
"""The columns that say what an alarm is about."""
KEY: Final = (*SUBJECT, "rule")
"""What makes an alarm one and the same: its subject and its rule. Joins on it must take nulls for equal."""


ORDERS: Final[dict[str, pl.DataType]] = {
    **SUBJECT,
    "rule": pl.String(),
    "until": pl.Int64(),
    "out_wall": pl.Int64(),
    "out_by": pl.String(),
    "out_why": pl.String(),
    "out_order": pl.String(),
}
"""Subjects out of service by an order (`processor.alarms.out_of_service`), one row each: `rule` null means every rule,
`until` is therapy ms of the subject (null: until returned to service), `out_wall` wall, `out_order` the order's id."""


def kind_of() -> pl.Expr:
    """Return the expression of the kind (`broker.contract.subjects.SubjectKind`) of each row's subject (`SUBJECT`)."""
    return (
        pl.when(pl.col("pump").is_not_null())
        .then(pl.lit("pump"))
        .when(pl.col("gateway").is_not_null())
        .then(pl.lit("gateway"))
        .otherwise(pl.coalesce("other_kind", pl.lit("fleet")))
        .alias("subject_kind")
    )


def with_kinds(saved: pl.DataFrame) -> pl.DataFrame:
    """Return rows (`SUBJECT`) of a checkpoint with `other_kind`, which older versions derived from the name."""
    if "other_kind" in saved.columns:
        return saved
    kinds = [None if other is None else kind_by_name(other) for other in saved["other"]]
    return saved.with_columns(pl.Series("other_kind", kinds, dtype=pl.String))


_NO_ORDERS: Final = pl.DataFrame(schema=ORDERS)


def no_orders() -> pl.DataFrame:
    """Return the frame of no orders (`ORDERS`)."""
    return _NO_ORDERS


@dataclass(frozen=True)
class Subjects:
    """Every pump and gateway by number, with the present therapy time.

    `pumps` are serials and `owners` the number of each pump's gateway (UInt32); `gateways` are names and `clocks` their
    therapy time (Int64 ms). `wall` is the wall clock (ms), used until a gateway has been heard. `orders` (`ORDERS`) are
    the subjects out of service. `facts` has the columns `NAMED` by pump, if known. `speeds` are the therapy seconds per
    wall second of each gateway (Float64); without them all is in real time.
    """

    pumps: pl.Series
    owners: pl.Series
    gateways: pl.Series
    clocks: pl.Series
    wall: int = 0
    orders: pl.DataFrame = field(default_factory=no_orders)
    facts: pl.DataFrame = field(default_factory=pl.DataFrame)
    speeds: pl.Series | None = None

    @property
    def together(self) -> int:
        """Therapy time (ms) of the fleet and of subjects that are no pump or gateway: that of the fastest gateway."""
        latest = self.clocks.max()
        return (max(0, latest) if isinstance(latest, int) else 0) or self.wall

    def names(self, rows: pl.DataFrame) -> pl.Series:
        """Return the name of each row's subject (`SUBJECT`)."""
        pump, gateway = self.pumps.gather(rows["pump"]), self.gateways.gather(rows["gateway"])
        return pl.select(pl.coalesce(pump, gateway, rows["other"], pl.lit(FLEET)).alias("subject")).to_series()

    def called(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows (`SUBJECT`) with the name (`subject`) and the therapy time (`now`) of each."""
        return rows.with_columns(self.names(rows), self.now(rows))

    def homes(self, rows: pl.DataFrame) -> pl.Series:
        """Return the number of the gateway that each row's subject is or belongs to; null for all other subjects."""
        owner = self.owners.gather(rows["pump"]).cast(pl.UInt32)
        return pl.select(pl.coalesce(owner, rows["gateway"]).alias("home")).to_series()

    def now(self, rows: pl.DataFrame) -> pl.Series:
        """Return the therapy time (Int64 ms) of each row's subject."""
        return self.clocks.gather(self.homes(rows)).fill_null(self.together).cast(pl.Int64).alias("now")

    def speed(self, rows: pl.DataFrame) -> pl.Series:
        """Return the therapy seconds per wall second of each row's subject (Float32); shared: the fastest."""
        if self.speeds is None or self.speeds.is_empty():
            return pl.Series("speed", [1.0], pl.Float32).new_from_index(0, rows.height)
        shared = float(self.speeds.max())  # type: ignore[arg-type]
        return self.speeds.gather(self.homes(rows)).fill_null(shared).cast(pl.Float32).alias("speed")

    def members(self, pumps: pl.Series) -> Iterator[pl.Series]:
        """Yield, for each kind of cohort, the name of each pump's cohort; null for pumps in none."""
        for kind in NAMED:
            if kind in self.facts.columns:
                labels = self.facts[kind].gather(pumps).alias("other")
                yield pl.select(cohort_name(kind, pl.lit(labels))).to_series()
