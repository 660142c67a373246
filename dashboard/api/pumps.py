"""Routes of pumps and gateways."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import numpy as np
import polars as pl
from fastapi import Path, Query, Request, Response

from broker.display.names import PUMP_STATES
from broker.store.pump_table import FORECASTS_SCHEMA
from broker.store.snapshot import Snapshot
from dashboard.api.answers import from_snapshot, heavy
from dashboard.api.answers import rows as rows_of
from dashboard.api.cursors import Cursor, Limit, cursor_of, place_of
from dashboard.api.models import PUMP_COLUMNS
from dashboard.api.route import ApiError, Data
from dashboard.data.fleet_index import Rows, index_of
from dashboard.data.pump_search import Filters, filtered

Serial = Annotated[str, Path(min_length=1, max_length=80, description="Serial number of a pump.")]
Label = Annotated[str, Query(max_length=80)]
Sort = Literal["pump", "reservoir_ml", "battery_v", "age_s", "low_d_mid", "lost"]
STATES: Final = ("", *PUMP_STATES)


async def pumps(
    request: Request,
    data: Data,
    *,
    site: Label = "",
    model: Label = "",
    gateway: Label = "",
    rule: Annotated[str, Query(max_length=80, description="With an open alarm of this rule.")] = "",
    state: Annotated[str, Query(max_length=40, description="One of: " + ", ".join(PUMP_STATES))] = "",
    sort: Sort = "pump",
    order: Literal["asc", "desc"] = "asc",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """List pumps with their latest values.

    Unknown values come last. Between two pages values change: sorted by `pump`, no pump is missed or repeated.
    """
    if state not in STATES:
        raise ApiError(400, f"state {state!r} is not one of: {', '.join(PUMP_STATES)}.", kind="bad-parameter")
    filters = Filters(state=state, rule=rule, model=model, site=site, gateway=gateway)
    query = ("pumps", filters, sort, order)
    after = None if cursor is None else place_of(query, cursor)
    snapshot = data.snapshot()

    def content() -> Response:
        return from_snapshot(request, snapshot, lambda: _page(snapshot, query, after, limit))

    return await heavy(request, content)


def _page(snapshot: Snapshot, query: Any, after: tuple[Any, str] | None, limit: int) -> dict[str, Any]:
    _, filters, sort, order = query
    table, index = snapshot.table, index_of(snapshot.table)
    kept = filtered(table, filters, snapshot.alarms)
    rows = index.order(((sort, order == "desc"),) if sort == "pump" else ((sort, order == "desc"), ("pump", False)))
    rows = rows if kept is None else rows[kept[rows]]
    total = len(rows)
    if after is not None:
        rows = rows[_first_after(snapshot, rows, sort, after, descending=order == "desc") :]
    shown = table.take(rows[:limit])
    following = None
    if len(rows) > limit:
        last = shown.row(-1, named=True)
        following = cursor_of(query, None if sort == "pump" else last[sort], last["pump"])
    return {"items": rows_of(shown.select(*PUMP_COLUMNS)), "total": total, "next": following}


def _first_after(snapshot: Snapshot, rows: Rows, sort: str, after: tuple[Any, str], *, descending: bool) -> int:
    """Return the place of the first row after a sort value and serial, whether that pump still is there or not."""
    value, serial = after
    place = _place(snapshot, serial)
    natural = index_of(snapshot.table).facts.natural.to_numpy()[rows].astype(float)
    if sort == "pump":
        beyond = natural < place if descending else natural > place
        return int(np.argmax(beyond)) if beyond.any() else len(rows)
    values = snapshot.table.column(sort).cast(pl.Float64).to_numpy()[rows]
    unknown, tie = np.isnan(values), natural > place
    if not isinstance(value, int | float):
        beyond = unknown & tie
    else:
        further = values < value if descending else values > value
        beyond = unknown | further | ((values == value) & tie)
    return int(np.argmax(beyond)) if beyond.any() else len(rows)


def _place(snapshot: Snapshot, serial: str) -> float:
    """Return the place of a serial number in natural order, between two others if there is no such pump."""
    facts = index_of(snapshot.table).facts
    row = snapshot.table.row(serial)
    if row is not None:
        return float(facts.natural[row])
    both = pl.DataFrame({"pump": [*facts.facts["pump"], serial]})
    digits = pl.col("pump").str.extract(r"(\d{1,9})$").cast(pl.Int64, strict=False)
    ordered = both.with_row_index("at").sort(pl.col("pump").str.replace(r"\d{1,9}$", ""), digits, "pump")
    return float(np.argmax(ordered["at"].to_numpy() == len(both) - 1)) - 0.5


def row_of(snapshot: Snapshot, serial: str) -> dict[str, Any]:
    """Return a pump's row. Raises `ApiError` (404)."""
    row = snapshot.table.row(serial)
    if row is None:
        raise ApiError(404, f"There is no pump {serial[:80]!r}; the pumps are listed at /api/v1/pumps.", kind="no-pump")
    return rows_of(snapshot.table.take(np.array([row])))[0]


async def pump(request: Request, data: Data, serial: Serial) -> Response:
    """Return one pump with its latest values."""
    snapshot = data.snapshot()
    row = row_of(snapshot, serial)
    return from_snapshot(request, snapshot, lambda: {name: row[name] for name in PUMP_COLUMNS})


async def forecast(request: Request, data: Data, serial: Serial) -> Response:
    """Return the forecasts of a pump: low, middle and high of the 80 % interval.

    Hours (`_h`) or days (`_d`) from now; null is unknown, and also "not if nothing changes".
    """
    snapshot = data.snapshot()
    row = row_of(snapshot, serial)
    return from_snapshot(request, snapshot, lambda: {name: row[name] for name in ("pump", "time", *FORECASTS_SCHEMA)})


async def gateways(request: Request, data: Data) -> Response:
    """List the gateways."""
    snapshot = data.snapshot()
    return from_snapshot(request, snapshot, lambda: {"items": rows_of(snapshot.gateways)})
