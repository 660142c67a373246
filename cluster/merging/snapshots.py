"""One snapshot made of those of all ranges, in the form in which a single processor writes it."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from broker.store.pump_table import PumpTable
from broker.store.snapshot import ALARMS_SCHEMA, GATEWAYS_SCHEMA, ORDERS_SCHEMA, RETIRED_SCHEMA, Health, Snapshot
from cluster.merging import fleet, own_alarms


def ages(ranges: Sequence[Snapshot]) -> tuple[int, int]:
    """Return as of when the oldest values and forecasts are (wall ms); where a range does not say, as its snapshot."""
    return (
        min((one.table.values_at or one.health.written for one in ranges), default=0),
        min((one.table.forecasts_at or one.health.written for one in ranges), default=0),
    )


def merged(
    ranges: Sequence[Snapshot],
    table: PumpTable,
    health: Health,
    own: pl.DataFrame | None = None,
    *,
    speaker: int = 0,
) -> Snapshot:
    """Return the snapshot of all ranges with a table of pumps that was made of theirs.

    The id of an alarm is made of subject, rule and onset, so what two ranges find alike about a cohort or a part of
    Pumpwatch is one alarm. Alarms about the fleet are shown as the range at `speaker` has them. `own` are the
    alarms of the merger itself.
    """
    mine = pl.DataFrame(schema=ALARMS_SCHEMA) if own is None else own
    found = pl.concat([mine, *fleet.alarms_once(ranges, speaker)])
    return Snapshot(
        table,
        found.unique("alarm", keep="first", maintain_order=True).select(*ALARMS_SCHEMA),
        pl.concat([pl.DataFrame(schema=GATEWAYS_SCHEMA), *(one.gateways for one in ranges)]),
        health,
        orders=pl.concat([pl.DataFrame(schema=ORDERS_SCHEMA), *(one.orders for one in ranges)]).unique(
            maintain_order=True
        ),
        retired=pl.concat([pl.DataFrame(schema=RETIRED_SCHEMA), *(one.retired for one in ranges)]),
        rules=pl.concat([own_alarms.rules(), *(one.rules for one in ranges)]).unique(
            "rule", keep="first", maintain_order=True
        ),
    )
