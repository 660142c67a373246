"""This file is whom alarms are about: a pump, a gateway with all its pumps, or the whole fleet.

An alarm names its subject by two numbers, `pump` and `gateway`, of which one at most is set; with neither it is the
fleet's. Numbers are the registry's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

KEY: Final = ("pump", "gateway", "rule")
"""What makes an alarm one and the same: its subject and its rule. Joins on it must take nulls for equal."""
FLEET: Final = "fleet"


@dataclass(frozen=True)
class Subjects:
    """Every pump and gateway by number, and where the therapy clocks stand.

    `pumps` are serials and `owners` the number of each pump's gateway (UInt32); `gateways` are names and `clocks`
    their therapy now (Int64 ms).
    """

    pumps: pl.Series
    owners: pl.Series
    gateways: pl.Series
    clocks: pl.Series

    def names(self, rows: pl.DataFrame) -> pl.Series:
        """Return what the subject of each row (`pump`, `gateway`) is called."""
        pump, gateway = self.pumps.gather(rows["pump"]), self.gateways.gather(rows["gateway"])
        return pl.select(pl.coalesce(pump, gateway, pl.lit(FLEET)).alias("subject")).to_series()

    def homes(self, rows: pl.DataFrame) -> pl.Series:
        """Return the number of the gateway that each row's subject belongs to, or is; null for the fleet."""
        owner = self.owners.gather(rows["pump"]).cast(pl.UInt32)
        return pl.select(pl.coalesce(owner, rows["gateway"]).alias("home")).to_series()

    def now(self, rows: pl.DataFrame) -> pl.Series:
        """Return the therapy now (Int64 ms) of each row's subject; the fleet's is that of its fastest gateway."""
        fleet = self.clocks.max() if self.clocks.len() else 0
        return self.clocks.gather(self.homes(rows)).fill_null(fleet).cast(pl.Int64).alias("now")
