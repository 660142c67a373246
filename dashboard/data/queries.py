"""This file turns a snapshot into the small frames and numbers that pages show; all counting is done here."""

from __future__ import annotations

import zlib
from typing import Any, Final

import polars as pl

from broker.store.snapshot import WAITING, Snapshot

CROWD: Final = 4
"""Fewer alarms than this are told one by one, whatever their gateway; more may well be the gateway's own fault."""
MAX_CELLS: Final = 4000
"""The map draws a cell a pump up to here, and tiles of several pumps above."""
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
    """Return what every page's head shows: counts of pumps and alarms, clocks, and whether the pipeline is well.

    `high`, `medium`, `low` count pumps by their worst open alarm, and alarms of whole gateways; `silent` pumps are
    counted apart from them. `waiting` alarms are those that somebody has to acknowledge.
    """
    pumps, alarms, health = snapshot.pumps, snapshot.alarms, snapshot.health
    larger = alarms.filter(pl.col("pump").is_null() & (pl.col("state") != "out_of_service"))
    every = pl.concat([pumps["priority"], larger["priority"]])
    by_priority = dict(every.value_counts().iter_rows())
    waiting = alarms.filter(pl.col("state").is_in(WAITING))
    normal = pumps.filter((pl.col("priority").fill_null(0) == 0) & ~pl.col("silent").fill_null(value=True)).height
    return {
        "version": health.version,
        "written": health.written,
        "therapy_ms": health.therapy_ms,
        "therapy_start": health.therapy_start,
        "speed": health.speed,
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
    """Return alarms as they are to be worked off: unseen, gone unseen, latched, seen, put aside; priority; oldest."""
    return alarms.sort(_URGENCY, "priority", "onset", "alarm", nulls_last=True)


def worst(alarms: pl.DataFrame, pumps: pl.DataFrame, limit: int = 40) -> pl.DataFrame:
    """Return the lines of the worst-first list: `ALARMS_SCHEMA` plus `many`, the alarms behind a line.

    Alarms of one rule and state on half of a gateway's pumps or more become one line with their oldest onset. What is
    shelved or out of service is put aside and not among them.
    """
    alarms = alarms.filter(~pl.col("state").is_in(["shelved", "out_of_service"]))
    group = ("gateway", "rule", "state")
    spoken_for = pumps.group_by("gateway").agg(pl.len().alias("behind"))
    counted = alarms.join(spoken_for, on="gateway", how="left").with_columns(many=pl.len().over(group))
    crowd = ((pl.col("many") >= CROWD) & (2 * pl.col("many") >= pl.col("behind"))).fill_null(value=False)
    crowds = counted.filter(crowd).sort("onset").unique(group, keep="first", maintain_order=True)
    singles = counted.filter(~crowd).with_columns(pl.lit(1).cast(counted["many"].dtype).alias("many"))
    return ordered(pl.concat([crowds, singles])).drop("behind").head(limit)


def waiting_ids(alarms: pl.DataFrame, chosen: dict[str, Any], limit: int = 5000) -> list[str]:
    """Return the ids of open alarms that wait for an acknowledgement, of those that a browser named.

    `chosen` is {"alarms": [ids]}, or {"gateway": …, "rule": …} for a whole line of the list.
    """
    waiting = alarms.filter(pl.col("state").is_in(WAITING))
    if "gateway" in chosen:
        same = (pl.col("gateway") == str(chosen["gateway"])) & (pl.col("rule") == str(chosen.get("rule")))
        return waiting.filter(same)["alarm"].head(limit).to_list()
    named = [str(name) for name in chosen.get("alarms") or []][:limit]
    return waiting.filter(pl.col("alarm").is_in(named))["alarm"].to_list()


def cells(pumps: pl.DataFrame, alarms: pl.DataFrame) -> dict[str, Any]:
    """Return the fleet map: sites in order, each as name, cells (one hexadecimal digit each), pumps, abnormal pumps.

    A digit is the priority (0 to 3), plus 4 if all is acknowledged, plus 8 if silent. Above `MAX_CELLS` pumps a
    cell stands for `per` pumps and shows the worst of them. `marked` names what is not normal, by cell; `names` is
    the first pump of each cell, and `key` changes when they do.
    """
    per = max(1, -(-pumps.height // MAX_CELLS))
    silent = pl.col("silent").fill_null(value=True)
    seen = (pl.col("priority") > 0) & (pl.col("unacknowledged").fill_null(0) == 0)
    priority = pl.col("priority").fill_null(0).cast(pl.Int16)
    titles = dict(alarms.unique("rule").select("rule", "title").iter_rows())
    tiled = (
        pumps.select(
            "pump",
            "worst",
            pl.col("site").fill_null("").replace("", NO_SITE),
            (priority + 4 * seen.cast(pl.Int16) + 8 * silent.cast(pl.Int16)).alias("code"),
            pl.when(priority > 0)
            .then(priority + 4 * seen)
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
    """Return the pipeline's health in a few numbers."""
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
    """Return one pump's row of the snapshot, or None where nobody has heard of it."""
    found = snapshot.pumps.filter(pl.col("pump") == serial)
    return found.row(0, named=True) if found.height else None


def alarms_of(snapshot: Snapshot, serial: str) -> pl.DataFrame:
    """Return one pump's open alarms, in working order."""
    return ordered(snapshot.alarms.filter(pl.col("pump") == serial))


def orders_of(snapshot: Snapshot, row: dict[str, Any]) -> pl.DataFrame:
    """Return what of a pump is out of service by an order."""
    return snapshot.orders.filter(pl.col("pump") == row["pump"])


def dose_ug_day(flow_ul_h: float | None, concentration_ug_ml: float | None) -> float | None:
    """Return micrograms per day of a flow: µL/h × 24 h × µg/mL ÷ 1000 µL/mL; noise below no flow is no dose."""
    if flow_ul_h is None or concentration_ug_ml is None:
        return None
    return max(0.0, flow_ul_h) * 24 * concentration_ug_ml / 1000
