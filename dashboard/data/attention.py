"""What browsers need for sounds and announcements: how many alarms wait, and which of them are new since when.

Browsers skip snapshots, so what is new is counted here: each alarm that begins to wait for its acknowledgement gets the
next number of its priority, and a browser compares the totals with those it knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import polars as pl

from broker.display.printable import printable
from broker.store.snapshot import PRIORITIES, WAITING

MAX_RECENT: Final = 6
"""Newest waiting alarms of each priority that browsers get by name; beyond it they get a number."""
SCHEMA: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    "priority": pl.Int8(),
    "subject": pl.String(),
    "title": pl.String(),
    "number": pl.Int64(),
}


@dataclass(frozen=True)
class Attention:
    """Alarms that wait for their acknowledgement (`SCHEMA`), numbered by priority in the order in which they came.

    `totals` are the alarms of each priority that began to wait since `epoch`, wall ms at which this count began.
    """

    epoch: int
    totals: tuple[int, ...] = (0,) * len(PRIORITIES)
    waiting: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))

    def after(self, alarms: pl.DataFrame) -> Attention:
        """Return what follows when these are the open alarms (`ALARMSSCHEMA`)."""
        now = alarms.filter(pl.col("state").is_in(WAITING))
        kept = self.waiting.join(now.select("alarm"), on="alarm", how="semi", maintain_order="left")
        new = now.join(self.waiting, on="alarm", how="anti").sort("raised_wall", "alarm", nulls_last=False)
        if new.is_empty() and kept.height == self.waiting.height:
            return self
        before = pl.lit(pl.Series([0, *self.totals], dtype=pl.Int64)).gather(pl.col("priority"))
        numbered = new.with_columns((pl.int_range(pl.len()).over("priority") + 1 + before).alias("number"))
        counted = dict(new["priority"].value_counts().iter_rows())
        totals = tuple(total + counted.get(code, 0) for code, total in enumerate(self.totals, 1))
        columns = [pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()]
        return Attention(self.epoch, totals, pl.concat([kept, numbered.select(columns)]))

    def payload(self) -> dict[str, Any]:
        """Return what browsers get: `waiting` and `totals` by priority, high first, and the newest that wait."""
        counted = dict(self.waiting["priority"].value_counts().iter_rows())
        newest = self.waiting.sort("number", descending=True).group_by("priority", maintain_order=True).head(MAX_RECENT)
        recent = [
            {**row, "subject": printable(row["subject"] or ""), "title": printable(row["title"] or "")}
            for row in newest.iter_rows(named=True)
        ]
        codes = range(1, len(PRIORITIES) + 1)
        return {
            "epoch": self.epoch,
            "waiting": [counted.get(code, 0) for code in codes],
            "totals": list(self.totals),
            "recent": recent,
        }
