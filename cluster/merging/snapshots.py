"""One snapshot made of those of all ranges, in the form in which a single processor writes it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from broker.store.pump_table import PumpTable
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA, ORDERS_SCHEMA, RETIRED_SCHEMA, Health, Snapshot
from cluster.merging import stale
from cluster.merging.stale import StaleRange


def ages(ranges: Sequence[Snapshot]) -> tuple[int, int]:
    """Return as of when the oldest values and forecasts are (wall ms); where a range does not say, as its snapshot."""
    return (
        min((one.table.values_at or one.health.written for one in ranges), default=0),
        min((one.table.forecasts_at or one.health.written for one in ranges), default=0),
    )


def merged(
    ranges: Sequence[Snapshot], table: PumpTable, health: Health, not_judged: Sequence[StaleRange] = ()
) -> Snapshot:
    """Return the snapshot of all ranges with a table of pumps that was made of theirs.

    The id of an alarm is made of subject, rule and onset, so what two ranges find alike about a cohort or a part of
    Pumpwatch is one alarm. A range without an owner that writes has an alarm of its own.
    """
    found = pl.concat([stale.alarms(not_judged), *(one.alarms for one in ranges)])
    return Snapshot(
        table,
        _with_extent(found, ranges).unique("alarm", keep="first", maintain_order=True).select(*ALARMS_SCHEMA),
        pl.concat([pl.DataFrame(schema=GATEWAYS_SCHEMA), *(one.gateways for one in ranges)]),
        health,
        orders=pl.concat([pl.DataFrame(schema=ORDERS_SCHEMA), *(one.orders for one in ranges)]).unique(
            maintain_order=True
        ),
        retired=pl.concat([pl.DataFrame(schema=RETIRED_SCHEMA), *(one.retired for one in ranges)]),
        rules=pl.concat([stale.rule(), *(one.rules for one in ranges)]).unique(
            "rule", keep="first", maintain_order=True
        ),
    )


def _with_extent(alarms: pl.DataFrame, ranges: Sequence[Snapshot]) -> pl.DataFrame:
    """Return alarms whose meaning says in how many ranges they are, if they are about the fleet and not in all.

    Each range knows its own pumps only, so what it finds about the fleet may be about a part of it.
    """
    of_fleet = [one.alarms.filter(pl.col("subject_kind") == "fleet")["rule"].unique() for one in ranges]
    if all(rules.is_empty() for rules in of_fleet):
        return alarms
    whole = sum(one.table.height > 0 for one in ranges)
    counts = pl.concat(of_fleet).value_counts(name="ranges")
    extent = pl.format("In {} of {} ranges with pumps. {}", "ranges", pl.lit(whole), "meaning")
    partial = (pl.col("subject_kind") == "fleet") & (pl.col("ranges") < whole)
    return (
        alarms.join(counts, on="rule", how="left", maintain_order="left")
        .with_columns(pl.when(partial).then(extent).otherwise("meaning").alias("meaning"))
        .drop("ranges")
    )
