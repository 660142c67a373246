"""Queries on a snapshot: counts, alarm lists and single pumps as pages show them."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import polars as pl

from broker.store.segments import END_MS
from broker.store.snapshot import COUNTED, WAITING, Health, Snapshot
from dashboard import formatting
from dashboard.data.fleet_clock import fleet_clock, therapy_clock
from dashboard.data.fleet_index import index_of
from dashboard.data.memo import remembered

MIN_GROUP: Final = 4
"""Minimum number of alarms of one rule behind one gateway that become one line; a common cause is then likely."""

RECENT_MS: Final = 3_600_000
"""A count of trouble that has not grown for this long is history: it is shown, not highlighted."""
NOTICED_MS: Final = 1000
"""Pages say that values are older than the alarms if they are older by at least this much."""

URGENCY: Final = (
    pl.col("state")
    .replace_strict(
        {"unacknowledged": 0, "returned": 1, "latched": 2, "acknowledged": 3, "shelved": 4, "out_of_service": 5},
        default=0,
    )
    .cast(pl.Int8)
)


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """Return what the header of every page shows: counts of pumps and alarms, clocks, connection.

    `high`, `medium`, `low`, `silent` and `normal` add up to all pumps: each counts once, by its worst open alarm, as
    silent only without one. `others` are the open alarms of gateways, cohorts and the system. `worst` is the highest
    priority of all open alarms, 0 if there are none. `waiting` alarms are unacknowledged; the oldest was raised
    `oldest_s` wall seconds ago.
    """
    table, alarms, health = snapshot.table, snapshot.alarms, snapshot.health
    clock, silent = fleet_clock(snapshot), index_of(table).silent
    others = alarms.filter(pl.col("pump").is_null() & (pl.col("state") != "out_of_service"))
    by_priority = dict(table.marks["priority"].value_counts().iter_rows())
    waiting = alarms.filter(pl.col("state").is_in(WAITING))
    first_wall = waiting["raised_wall"].min()
    oldest_s = max(0, health.written - first_wall) / 1000 if isinstance(first_wall, int) else None
    silenced = int(silent.sum()) - int(silent[table.marks["row"].to_numpy()].sum())
    return {
        "version": health.version,
        "written": health.written,
        "therapy_ms": clock.therapy_ms,
        "therapy_start": health.therapy_start,
        "speed": clock.speed,
        "mixed": clock.mixed,
        "real": therapy_clock(snapshot).real,
        "pumps": table.height,
        "high": by_priority.get(1, 0),
        "medium": by_priority.get(2, 0),
        "low": by_priority.get(3, 0),
        "silent": silenced,
        "normal": table.height - silenced - table.marks.height,
        "others": others.height,
        "worst": min([*by_priority, *others["priority"]], default=0),
        "alarms": alarms.height,
        "waiting": waiting.height,
        "shelved": alarms.filter(pl.col("state").is_in(["shelved", "out_of_service"])).height,
        "oldest_s": oldest_s,
        "connected": health.connected,
    }


@remembered
def ordered(alarms: pl.DataFrame) -> pl.DataFrame:
    """Return alarms sorted by urgency.

    Unacknowledged first, then returned, latched, acknowledged, shelved and out of service; then priority; then oldest,
    by wall-clock time, since therapy times of different gateways do not compare.
    """
    return _by_urgency(alarms)


def _by_urgency(alarms: pl.DataFrame) -> pl.DataFrame:
    return alarms.sort(URGENCY, "priority", "raised_wall", "onset", "alarm", nulls_last=True)


def worst(alarms: pl.DataFrame, gateways: pl.DataFrame, limit: int = 40) -> pl.DataFrame:
    """Return the lines of the worst-first list: `ALARMS_SCHEMA` plus `many`, the alarms behind a line.

    Alarms of one rule and state on half of a gateway's pumps or more become one line with the oldest onset. Alarms that
    are shelved or out of service are left out. `gateways` has the number of pumps `behind` each `gateway`.
    """
    alarms = alarms.filter(~pl.col("state").is_in(["shelved", "out_of_service"]))
    group = ("gateway", "rule", "state")
    counted = alarms.join(gateways, on="gateway", how="left").with_columns(many=pl.len().over(group))
    in_group = ((pl.col("many") >= MIN_GROUP) & (2 * pl.col("many") >= pl.col("behind"))).fill_null(value=False)
    grouped = counted.filter(in_group).sort("onset").unique(group, keep="first", maintain_order=True)
    singles = counted.filter(~in_group).with_columns(pl.lit(1).cast(counted["many"].dtype).alias("many"))
    return _by_urgency(pl.concat([grouped, singles])).drop("behind").head(limit)


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


def values_lag_ms(snapshot: Snapshot) -> int:
    """Return by how much the pump values are older than the alarms; 0 unless the fleet is large."""
    return max(0, snapshot.health.written - (snapshot.table.values_at or snapshot.health.written))


def lag_note(snapshot: Snapshot) -> str:
    """Return how much older than the alarms the pump values are, "" if people would not notice."""
    lag_ms = values_lag_ms(snapshot)
    return f"values {formatting.span(lag_ms / 1000)} older than alarms" if lag_ms >= NOTICED_MS else ""


def grows(health: Health, name: str) -> bool:
    """Return whether one of the counts `COUNTED` grew within the last hour."""
    return health.written - health.grown.get(name, -RECENT_MS) < RECENT_MS


def health_strip(snapshot: Snapshot) -> dict[str, Any]:
    """Return the key figures of the pipeline's health, and which of its counts of trouble are `growing`."""
    health, gateways = snapshot.health, snapshot.gateways
    full = [bound for bound in health.bounds if bound.near]
    return {
        "samples_per_s": health.samples_per_s,
        "p95": health.latency_ms.get("p95"),
        "lost": health.lost,
        "refused": health.refused,
        "growing": [name for name in COUNTED if grows(health, name)],
        "gateways": gateways.height,
        "online": gateways.filter(pl.col("state") == "online").height,
        "full": [bound.name for bound in full],
        "limited": bool(health.bounds),
    }


def pump_row(snapshot: Snapshot, serial: str) -> dict[str, Any] | None:
    """Return one pump's row of the snapshot with the `speed` of its gateway's clock, or None if it is unknown."""
    row = snapshot.table.row(serial)
    if row is None:
        return None
    found = snapshot.table.take(np.array([row])).row(0, named=True)
    return {**found, "speed": therapy_clock(snapshot, found["gateway"]).speed}


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
    """Return one pump's open alarms, sorted by urgency; without a speed of its own, an alarm has that of the fleet."""
    found = snapshot.alarms.filter(pl.col("pump") == serial)
    return ordered(found.with_columns(pl.col("speed").fill_null(snapshot.health.speed)))


def orders_of(snapshot: Snapshot, row: dict[str, Any]) -> pl.DataFrame:
    """Return the out-of-service orders of a pump."""
    return snapshot.orders.filter(pl.col("pump") == row["pump"])


def dose_ug_day(flow_ul_h: float | None, concentration_ug_ml: float | None) -> float | None:
    """Return micrograms per day of a flow: µL/h × 24 h × µg/mL ÷ 1000 µL/mL; negative flow (noise) is no dose."""
    if flow_ul_h is None or concentration_ug_ml is None:
        return None
    return max(0.0, flow_ul_h) * 24 * concentration_ug_ml / 1000
