"""Tables of a snapshot: what the dashboards show of the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.store.pump_table import FORECASTS_SCHEMA
from broker.store.snapshot import RETIRED_SCHEMA
from processor.fleet.state import FleetState
from processor.view import forecast, snapshot_tables
from processor.view.fleet_view import FleetView, TableRows
from processor.view.rule_table import rule_table

FORECAST_INTERVAL_MS: Final = 2000
"""Forecasts of pumps with alarms, of hours and days, are renewed at most this often (wall clock)."""


def fleet_view(fleet: FleetState, now: int) -> FleetView:
    """Return what the table of pumps is made of as of `now`; it can be made while the pipeline goes on."""
    clocks = fleet.clocks(now)
    rows = TableRows(fleet.registry.facts(), fleet.registry.retired())
    return FleetView.of(rows, fleet.state, fleet.alarms, clocks, age_s=fleet.ages(clocks), rules=fleet.rules)


_NO_FORECASTS: Final = pl.DataFrame(schema={**FORECASTS_SCHEMA, "pump": pl.UInt32()})
_NO_RETIRED: Final = pl.DataFrame(schema=RETIRED_SCHEMA)


@dataclass
class AlarmTables:
    """Makes the parts of a snapshot besides the table of pumps; keeps the latest forecasts, and when they were made."""

    _forecasts: tuple[int, pl.DataFrame] = (0, _NO_FORECASTS)

    def make(self, fleet: FleetState, now: int, rows: TableRows) -> dict[str, pl.DataFrame]:
        """Return the parts as of `now`; `rows` are those of the table of pumps, which may be older."""
        facts, subjects, retired = fleet.registry.facts(), fleet.subjects(now), fleet.registry.retired()
        clocks, open_alarms = fleet.clocks(now), fleet.alarms
        expected = self._forecast(fleet, facts, clocks, now)
        alarms = snapshot_tables.visible_alarms(
            open_alarms, subjects, facts, clocks, state=fleet.state, forecasts=expected, rules=fleet.listed
        )
        pumps = alarms.select("alarm").join(open_alarms, on="alarm", how="left", maintain_order="left")["pump"]
        kept = ~retired.gather(pumps).fill_null(value=False)
        alarms, pumps = alarms.filter(kept), pumps.filter(kept)
        return {
            "marks": snapshot_tables.marks_frame(alarms, rows.of(pumps)),
            "alarms": alarms,
            "gateways": fleet.registry.gateways_frame(),
            "orders": snapshot_tables.orders_frame(fleet.orders, subjects, fleet.listed),
            "retired": _retired(fleet, facts, retired),
            "rules": rule_table(fleet.listed),
        }

    def _forecast(self, fleet: FleetState, facts: pl.DataFrame, clocks: pl.Series, now: int) -> pl.DataFrame:
        """Return the forecasts of the pump of each open alarm, renewed after `FORECAST_INTERVAL_MS` or a new pump."""
        pumps, (at, latest) = fleet.alarms["pump"].drop_nulls().unique().sort(), self._forecasts
        if pumps.is_empty():
            latest = _NO_FORECASTS
        elif not 0 <= now - at < FORECAST_INTERVAL_MS or not latest["pump"].equals(pumps):
            latest = forecast.forecasts_of(pumps, fleet.state, fleet.alarms, facts, clocks=clocks, rules=fleet.rules)
            self._forecasts = now, latest
        return fleet.alarms.select("pump").join(latest, on="pump", how="left", maintain_order="left")


def _retired(fleet: FleetState, facts: pl.DataFrame, retired: pl.Series) -> pl.DataFrame:
    if not retired.any():
        return _NO_RETIRED
    gone = facts.hstack(fleet.state[["time"]]).with_row_index("number").filter(retired)
    return snapshot_tables.retired_frame(fleet.registry.with_retirements(gone))
