"""Queries on a snapshot: counts, alarm lists and the fleet map as pages show them."""

from __future__ import annotations

import math
import zlib
from typing import Any, Final

import polars as pl

from broker.store.segments import END_MS
from broker.store.snapshot import WAITING, Snapshot
from dashboard.data.fleet_clock import fleet_clock

MIN_GROUP: Final = 4
"""Minimum number of alarms of one rule behind one gateway that become one line; a common cause is then likely."""
MAX_CELLS: Final = 4000
"""The map has one cell per pump up to this number, and cells of several pumps above it."""
MAX_NAMED: Final = 1000
NO_SITE: Final = "No site given"

_URGENCY: Final = (
    pl.col("state")
    .replace_strict(
        {"unacknowledged": 0, "returned": 1, "latched": 2, "acknowledged": 3, "shelved": 4, "out_of_service": 5},
        default=0,
    )
    .cast(pl.Int8)
)


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the header of every page shows: counts of pumps and alarms, clocks, connection.

    `high`, `medium`, `low` count pumps by their worst open alarm, and alarms of whole gateways; `silent` pumps are
    counted separately. `waiting` alarms are unacknowledged.
    """
    pumps, alarms, health = snapshot.pumps, snapshot.alarms, snapshot.health
    clock = fleet_clock(snapshot)
    larger = alarms.filter(pl.col("pump").is_null() & (pl.col("state") != "out_of_service"))
    every = pl.concat([pumps["priority"], larger["priority"]])
    by_priority = dict(every.value_counts().iter_rows())
    waiting = alarms.filter(pl.col("state").is_in(WAITING))
    normal = pumps.filter((pl.col("priority").fill_null(0) == 0) & ~pl.col("silent").fill_null(value=True)).height
    return {
        "version": health.version,
        "written": health.written,
        "therapy_ms": clock.therapy_ms,
        "therapy_start": health.therapy_start,
        "speed": clock.speed,
        "mixed": clock.mixed,
        "pumps": pumps.height,
        "high": by_priority.get(1, 0),
        "medium": by_priority.get(2, 0),
        "low": by_priority.get(3, 0),
        "silent": pumps.filter(pl.col("silent").fill_null(value=True)).height,
        "normal": normal,
        "alarms": alarms.height,
        "waiting": waiting.height,
        "shelved": alarms.filter(pl.col("state").is_in(["shelved", "out_of_service"])).height,
        "oldest_s": waiting["age_s"].max(),
        "connected": health.connected,
    }


def ordered(alarms: pl.DataFrame) -> pl.DataFrame:
    """Return alarms sorted by urgency.

    Unacknowledged first, then returned, latched, acknowledged, shelved and out of service; then priority; then oldest,
    by wall-clock time, since therapy times of different gateways do not compare.
    """
    return alarms.sort(_URGENCY, "priority", "raised_wall", "onset", "alarm", nulls_last=True)


def worst(alarms: pl.DataFrame, pumps: pl.DataFrame, limit: int = 40) -> pl.DataFrame:
    """Return the lines of the worst-first list: `ALARMS_SCHEMA` plus `many`, the alarms behind a line.

    Alarms of one rule and state on half of a gateway's pumps or more become one line with the oldest onset. Alarms that
    are shelved or out of service are left out.
    """
    alarms = alarms.filter(~pl.col("state").is_in(["shelved", "out_of_service"]))
    group = ("gateway", "rule", "state")
    behind_gateway = pumps.group_by("gateway").agg(pl.len().alias("behind"))
    counted = alarms.join(behind_gateway, on="gateway", how="left").with_columns(many=pl.len().over(group))
    in_group = ((pl.col("many") >= MIN_GROUP) & (2 * pl.col("many") >= pl.col("behind"))).fill_null(value=False)
    grouped = counted.filter(in_group).sort("onset").unique(group, keep="first", maintain_order=True)
    singles = counted.filter(~in_group).with_columns(pl.lit(1).cast(counted["many"].dtype).alias("many"))
    return ordered(pl.concat([grouped, singles])).drop("behind").head(limit)


def waiting_ids(alarms: pl.DataFrame, chosen: dict[str, Any], limit: int = 5000) -> list[str]:
    """Return the ids of those alarms named by a browser that are unacknowledged.

    `chosen` is {"alarms": [ids]}, or {"gateway": …, "rule": …} for a whole line of the list.
    """
    waiting = alarms.filter(pl.col("state").is_in(WAITING))
    if "gateway" in chosen:
        same = (pl.col("gateway") == str(chosen["gateway"])) & (pl.col("rule") == str(chosen.get("rule")))
        return waiting.filter(same)["alarm"].head(limit).to_list()
    named = [str(name) for name in chosen.get("alarms") or []][:limit]
    return waiting.filter(pl.col("alarm").is_in(named))["alarm"].to_list()


def cells(pumps: pl.DataFrame, alarms: pl.DataFrame) -> dict[str, Any]:
    """Return the fleet map: for each site its name, cells (one hexadecimal digit each), pumps and abnormal pumps.

    A digit is the priority (0 to 3), plus 4 if all is acknowledged, plus 8 if silent. Above `MAX_CELLS` pumps a
    cell represents `per` pumps and shows the worst of them. `marked` has pump and alarm title of each abnormal cell,
    `names` the first pump of each cell; `key` changes when the names do.
    """
    per = max(1, -(-pumps.height // MAX_CELLS))
    silent = pl.col("silent").fill_null(value=True)
    acknowledged = (pl.col("priority") > 0) & (pl.col("unacknowledged").fill_null(0) == 0)
    priority = pl.col("priority").fill_null(0).cast(pl.Int16)
    titles = dict(alarms.unique("rule").select("rule", "title").iter_rows())
    tiled = (
        pumps.select(
            "pump",
            "worst",
            pl.col("site").fill_null("").replace("", NO_SITE),
            (priority + 4 * acknowledged.cast(pl.Int16) + 8 * silent.cast(pl.Int16)).alias("code"),
            pl.when(priority > 0)
            .then(priority + 4 * acknowledged)
            .otherwise(pl.when(silent).then(8).otherwise(9))
            .alias("rank"),
        )
        .sort("site", "pump")
        .with_columns((pl.int_range(pl.len()).over("site") // per).alias("tile"))
        .group_by("site", "tile", maintain_order=True)
        .agg(
            pl.col("code").sort_by("rank").first(),
            pl.col("pump").first().alias("first"),
            pl.len().alias("size"),
            (pl.col("code") > 0).sum().alias("abnormal"),
            pl.col("pump", "worst").sort_by("rank").first(),
        )
    )
    digit = pl.col("code").replace_strict(range(16), list("0123456789abcdef"), return_dtype=pl.String)
    sites = tiled.group_by("site", maintain_order=True).agg(digit.str.join(""), pl.col("size", "abnormal").sum())
    names = tiled["first"].to_list()
    marked = tiled.with_row_index("cell").filter(pl.col("code") > 0).head(MAX_NAMED)
    return {
        "per": per,
        "sites": [list(row) for row in sites.iter_rows()],
        "marked": {
            str(cell): [pump, titles.get(rule, "")]
            for cell, pump, rule in marked.select("cell", "pump", "worst").iter_rows()
        },
        "names": names,
        "key": f"{zlib.crc32(chr(10).join(names).encode()):x}",
    }


def health_strip(snapshot: Snapshot) -> dict[str, Any]:
    """Return the key figures of the pipeline's health."""
    health, gateways = snapshot.health, snapshot.gateways
    full = [bound for bound in health.bounds if bound.near]
    return {
        "samples_per_s": health.samples_per_s,
        "p95": health.latency_ms.get("p95"),
        "lost": health.lost,
        "refused": health.refused,
        "gateways": gateways.height,
        "online": gateways.filter(pl.col("state") == "online").height,
        "full": [bound.name for bound in full],
    }


def pump_row(snapshot: Snapshot, serial: str) -> dict[str, Any] | None:
    """Return one pump's row of the snapshot, or None if it is unknown."""
    found = snapshot.pumps.filter(pl.col("pump") == serial)
    return found.row(0, named=True) if found.height else None


def therapy_now(snapshot: Snapshot, row: dict[str, Any] | None) -> int:
    """Return a pump's therapy time now: its newest sample plus its age, which its own gateway's clock measures.

    Gateways run at their own speeds and dates. The fleet's clock is only for a pump that has sent nothing.
    """
    if row is None or row["time"] is None:
        return fleet_clock(snapshot).therapy_ms
    age_s = row["age_s"]
    known = age_s is not None and math.isfinite(age_s)
    return int(min(row["time"] + (max(0.0, 1000 * age_s) if known else 0), END_MS))


def alarms_of(snapshot: Snapshot, serial: str) -> pl.DataFrame:
    """Return one pump's open alarms, sorted by urgency."""
    return ordered(snapshot.alarms.filter(pl.col("pump") == serial))


def orders_of(snapshot: Snapshot, row: dict[str, Any]) -> pl.DataFrame:
    """Return the out-of-service orders of a pump."""
    return snapshot.orders.filter(pl.col("pump") == row["pump"])


def dose_ug_day(flow_ul_h: float | None, concentration_ug_ml: float | None) -> float | None:
    """Return micrograms per day of a flow: µL/h × 24 h × µg/mL ÷ 1000 µL/mL; negative flow (noise) is no dose."""
    if flow_ul_h is None or concentration_ug_ml is None:
        return None
    return max(0.0, flow_ul_h) * 24 * concentration_ug_ml / 1000
