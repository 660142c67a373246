"""One table of pumps made of those of several ranges: rows one after the other, numbers of rows moved accordingly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from broker.store.pump_table import (
    FACTS_SCHEMA,
    FORECASTS_SCHEMA,
    LABELS,
    MARKS_SCHEMA,
    VALUES_SCHEMA,
    Part,
    PumpTable,
    no_pumps,
)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where the rows of all ranges, numbered through in their order, are in the merged table.

    A pump that moved to a gateway of another range is in two of them; its row is the one with the latest sample.
    `kept` are the rows that the merged table has (None: all), `places` the merged row of every row.
    """

    kept: pl.Series | None = None
    places: pl.Series | None = None

    def same_as(self, other: Placement) -> bool:
        """Return whether both keep the same rows."""
        if self.kept is None or other.kept is None:
            return self.kept is other.kept
        return self.kept.equals(other.kept)


def place(tables: Sequence[PumpTable]) -> Placement:
    """Return where the rows of these tables are in the merged one."""
    serials = pl.concat([pl.Series("pump", [], pl.String), *(table.facts["pump"] for table in tables)])
    if serials.n_unique() == serials.len():
        return Placement()
    times = pl.concat([table.column("time") for table in tables])
    rows = pl.DataFrame([serials, times.alias("time")]).with_row_index("at")
    latest = rows.sort("time", "at", nulls_last=False).unique("pump", keep="last", maintain_order=True)
    kept = latest.select("pump", "at").sort("at").with_row_index("place")
    return Placement(kept["at"], rows.join(kept.select("pump", "place"), on="pump", maintain_order="left")["place"])


def facts(tables: Sequence[PumpTable], placement: Placement) -> pl.DataFrame:
    """Return the facts of all pumps."""
    labels = [pl.col(name).cast(pl.Categorical()) for name in LABELS]
    frames = [table.facts.select(*FACTS_SCHEMA) for table in [no_pumps(), *tables]]
    return _joined([frame.with_columns(labels) for frame in frames], placement)


def values(tables: Sequence[PumpTable], placement: Placement) -> pl.DataFrame:
    """Return the values of all pumps."""
    return _joined([_whole(table.values, VALUES_SCHEMA) for table in [no_pumps(), *tables]], placement)


def forecasts(tables: Sequence[PumpTable], placement: Placement) -> pl.DataFrame:
    """Return the forecasts of all pumps."""
    return _joined([_whole(table.forecasts, FORECASTS_SCHEMA) for table in [no_pumps(), *tables]], placement)


def marks(tables: Sequence[PumpTable], placement: Placement) -> pl.DataFrame:
    """Return what the alarms of all ranges make of their pumps; those of a pump in two ranges are added up."""
    offset, moved = 0, []
    for table in tables:
        moved.append(table.marks.select(pl.col("row") + pl.lit(offset, pl.UInt32), *list(MARKS_SCHEMA)[1:]))
        offset += table.height
    rows = pl.concat([pl.DataFrame(schema=MARKS_SCHEMA), *moved])
    if placement.places is not None:
        rows = (
            rows.with_columns(placement.places.gather(rows["row"]).alias("row"))
            .sort("row", "priority", maintain_order=True)
            .group_by("row", maintain_order=True)
            .agg(
                pl.col("priority").first(),
                pl.col("alarms", "unacknowledged").sum(),
                pl.col("worst").first(),
            )
        )
    return rows.sort("row").select(pl.col(name).cast(dtype) for name, dtype in MARKS_SCHEMA.items())


def _whole(part: Part, schema: dict[str, pl.DataType]) -> pl.DataFrame:
    if isinstance(part, pl.DataFrame):
        return part.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    return pl.DataFrame([part.column(name).alias(name) for name in schema])


def _joined(frames: list[pl.DataFrame], placement: Placement) -> pl.DataFrame:
    # In memory of its own: the files of a range are replaced while this is shown.
    whole = pl.concat(frames, rechunk=True)
    return whole if placement.kept is None else whole[placement.kept]
