"""One clock out of many: gateways play therapy at their own speeds and dates, and some pages show one for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.store.snapshot import Snapshot
from dashboard.clocks import TherapyClock

SAME_MS: Final = 3_600_000
"""Clocks that differ by less are one; delays in transit at a high speed make minutes."""


@dataclass(frozen=True)
class FleetClock:
    """Therapy time and speed of most pumps, and whether other gateways play another time or at another speed."""

    therapy_ms: int
    speed: float
    mixed: bool = False


def clocks(snapshot: Snapshot) -> pl.DataFrame:
    """Return `gateway`, `pumps`, `speed` and therapy time `now` (ms) of each online gateway whose clock is known."""
    ahead = (pl.lit(snapshot.health.written) - pl.col("heard_wall")).clip(0) * pl.col("speed")
    known = (pl.col("state") == "online") & (pl.col("therapy_ms") > 0)
    return snapshot.gateways.filter(known).select(
        "gateway", "pumps", "speed", (pl.col("therapy_ms") + ahead).cast(pl.Int64, strict=False).alias("now")
    )


def fleet_clock(snapshot: Snapshot) -> FleetClock:
    """Return the clock of the fleet: where gateways differ, that of the gateway with the middle one of all pumps.

    A mean would be a time and a speed that no pump has.
    """
    health, known = snapshot.health, clocks(snapshot).drop_nulls()
    mixed = known.height > 1 and (known["speed"].n_unique() > 1 or _spread(known) > SAME_MS)
    if not mixed:
        return FleetClock(health.therapy_ms, health.speed)
    ranked = known.sort("speed", "now").with_columns(pl.col("pumps").clip(1).cum_sum().alias("up_to"))
    middle = ranked.filter(2 * pl.col("up_to") >= ranked["up_to"].max()).row(0, named=True)
    return FleetClock(middle["now"], middle["speed"], mixed=True)


def therapy_clock(snapshot: Snapshot, gateway: str | None = None) -> TherapyClock:
    """Return how therapy time runs for the pumps of a gateway; of one that is not online, or None, for the fleet.

    Days of therapy are counted only if all gateways play the same time. A clock is the wall clock if it runs at its
    speed and shows its time.
    """
    fleet, written = fleet_clock(snapshot), snapshot.health.written
    of_gateway = clocks(snapshot).drop_nulls().filter(pl.col("gateway") == (gateway or ""))
    now, speed = of_gateway.select("now", "speed").row(0) if of_gateway.height else (fleet.therapy_ms, fleet.speed)
    real = speed == 1 and (not now or abs(now - written) < SAME_MS)
    return TherapyClock(speed, 0 if fleet.mixed else snapshot.health.therapy_start, real)


def on_fleet_clock(events: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Return events with their times moved from the clock of their pump or gateway to that of the fleet.

    So "an hour ago" is an hour ago for all. Events of subjects that follow the fleet's clock stay as they are.
    """
    fleet = fleet_clock(snapshot)
    if not fleet.mixed or events.is_empty():
        return events
    gateways = clocks(snapshot).select("gateway", (pl.lit(fleet.therapy_ms) - pl.col("now")).alias("of_gateway"))
    known = snapshot.table.facts.select("pump", "gateway").filter(
        pl.col("pump").is_in(events["pump"].unique().implode())
    )
    pumps = known.cast(pl.String).join(gateways, on="gateway").select("pump", of_pump="of_gateway")
    moved = events.join(pumps, on="pump", how="left", maintain_order="left").join(
        gateways, left_on="subject", right_on="gateway", how="left", maintain_order="left"
    )
    by = pl.coalesce("of_pump", pl.when(pl.col("subject_kind") == "gateway").then("of_gateway"), pl.lit(0))
    far = pl.when(by.abs() > SAME_MS).then(by).otherwise(0)
    return moved.with_columns(pl.col("time") + far).select(events.columns)


def _spread(known: pl.DataFrame) -> int:
    return int(known.select(pl.col("now").max() - pl.col("now").min()).item())
