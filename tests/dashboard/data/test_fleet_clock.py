"""Pumps that live at another speed or date than most: no page mixes their clocks into a time that nobody has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest

from broker.store.snapshot import GATEWAYS_SCHEMA, Snapshot
from dashboard.data import alarm_performance, queries
from dashboard.data.fleet_clock import FleetClock, fleet_clock, on_fleet_clock

REAL_MS = int(datetime(2026, 11, 20, 14, 2, tzinfo=UTC).timestamp() * 1000)
THERAPY_MS = 1_768_221_120_000
"""12 January 2026, 12:32 UTC: where the clock of the simulated fleet stands."""
HOUR_MS = 3_600_000


def of_gateways(fleet: Any, *rows: dict[str, Any]) -> Snapshot:
    """Return 40 pumps on gateway-00, MY-1 on "mine", and these gateways, each heard when the snapshot was written."""
    snapshot = fleet(41)
    mine = pl.col("pump") == "ITB-000041"
    pumps = snapshot.pumps.with_columns(
        pl.when(mine).then(pl.lit("MY-1")).otherwise("pump").alias("pump"),
        pl.when(mine).then(pl.lit("mine")).otherwise("gateway").alias("gateway"),
    )
    usual = {**dict.fromkeys(GATEWAYS_SCHEMA, 0), "state": "online", "heard_wall": snapshot.health.written}
    gateways = pl.DataFrame([{**usual, **row} for row in rows], GATEWAYS_SCHEMA)
    return Snapshot.of(pumps, snapshot.alarms, gateways, snapshot.health)


FAST = {"gateway": "gateway-00", "pumps": 40, "speed": 60.0, "therapy_ms": THERAPY_MS}
REAL = {"gateway": "mine", "pumps": 1, "speed": 1.0, "therapy_ms": REAL_MS}


@pytest.mark.parametrize("order", [(FAST, REAL), (REAL, FAST)])
def test_the_header_shows_the_clock_of_most_pumps_not_a_mean_that_nobody_has(order: Any, fleet: Any) -> None:
    summary = queries.summary(of_gateways(fleet, *order))
    assert (summary["therapy_ms"], summary["speed"], summary["mixed"]) == (THERAPY_MS, 60.0, True)


def test_many_gateways_of_one_pump_do_not_outvote_the_fleet(fleet: Any) -> None:
    others = [{**REAL, "gateway": f"mine-{number}"} for number in range(9)]
    assert fleet_clock(of_gateways(fleet, FAST, *others)) == FleetClock(THERAPY_MS, 60.0, mixed=True)


def test_clocks_at_one_speed_on_other_dates_are_told_apart(fleet: Any) -> None:
    assert fleet_clock(of_gateways(fleet, {**FAST, "speed": 1.0}, REAL)) == FleetClock(THERAPY_MS, 1.0, mixed=True)


def test_the_delays_of_one_fleet_are_no_second_clock(fleet: Any) -> None:
    late = {**FAST, "gateway": "gateway-01", "therapy_ms": THERAPY_MS - 5 * 60_000}
    assert fleet_clock(of_gateways(fleet, FAST, late)) == FleetClock(THERAPY_MS, 60.0)


def test_a_clock_goes_on_between_two_messages_and_an_offline_gateway_has_none(fleet: Any) -> None:
    earlier = {**FAST, "heard_wall": fleet(1).health.written - 60_000, "therapy_ms": THERAPY_MS - HOUR_MS}
    gone = {**REAL, "gateway": "gone", "state": "offline", "pumps": 1000}
    assert fleet_clock(of_gateways(fleet, earlier, REAL, gone)) == FleetClock(THERAPY_MS, 60.0, mixed=True)


def test_the_oldest_alarm_comes_first_whatever_the_date_of_its_gateway(fleet: Any) -> None:
    alarms = (
        fleet(40)
        .alarms.head(2)
        .with_columns(
            pl.lit("unacknowledged").alias("state"),
            pl.lit(1, pl.Int8).alias("priority"),
            pl.Series("alarm", ["raised a minute ago", "raised an hour ago"]),
            pl.Series("raised_wall", [HOUR_MS - 60_000, 0]),
            pl.Series("onset", [THERAPY_MS, REAL_MS]),
        )
    )
    assert queries.ordered(alarms)["alarm"].to_list() == ["raised an hour ago", "raised a minute ago"]


def test_an_alarm_an_hour_ago_is_an_hour_ago_on_every_clock(fleet: Any) -> None:
    snapshot = of_gateways(fleet, FAST, REAL)
    rows = [
        {"subject": "ITB-000001", "subject_kind": "pump", "pump": "ITB-000001", "time": THERAPY_MS - HOUR_MS},
        {"subject": "MY-1", "subject_kind": "pump", "pump": "MY-1", "time": REAL_MS - HOUR_MS},
        {"subject": "mine", "subject_kind": "gateway", "pump": None, "time": REAL_MS - HOUR_MS},
        {"subject": "fleet", "subject_kind": "fleet", "pump": None, "time": THERAPY_MS - HOUR_MS},
    ]
    events = pl.DataFrame(rows).with_columns(kind=pl.lit("raised"))
    moved = on_fleet_clock(events, snapshot)
    assert moved.columns == events.columns
    assert moved["time"].to_list() == [THERAPY_MS - HOUR_MS] * 4
    load = alarm_performance.load(moved, THERAPY_MS - 2 * HOUR_MS, THERAPY_MS)
    assert load["alarms"].sum() == 4
