"""Content of a handover sheet, from the snapshot and the journal."""

from __future__ import annotations

import math
from typing import Any, Final, TypeVar

import msgspec
import polars as pl

from broker.store.pump_table import PumpTable, band
from broker.store.snapshot import Snapshot
from dashboard.data import queries
from dashboard.data.audit_log import about
from dashboard.data.fleet_clock import fleet_clock
from dashboard.data.handover_sheet import MAX_LINES, MAX_TEXT, ActionLine, AlarmLine, Due, OpenAlarm, Order, Sheet
from dashboard.languages import tr_later

MAX_CELL: Final = 500
"""Characters of a text that pumps, rules or people wrote."""
HOUR_MS: Final = 3_600_000
MIN_FLOW_SHARE: Final = 0.05
"""Below this share of the commanded flow nothing can be said about the reservoir."""
ACTIONS: Final = (
    *("unacknowledged", "note", "shelved", "unshelved", "out_of_service", "in_service", "reset"),
    *("ordered", "retired", "reinstated", "moved"),
)
"""Kinds of journal entries that tell what people did, besides acknowledging."""
_FORECASTS: Final = {
    "under_dosed_h": (tr_later("Under-dosed"), 3600),
    "over_dosed_h": (tr_later("Over-dosed"), 3600),
    "low_d": (tr_later("Low reservoir"), 86_400),
    "empty_d": (tr_later("Empty reservoir"), 86_400),
    "eri_d": (tr_later("Replacement due (ERI)"), 86_400),
    "eos_d": (tr_later("End of service"), 86_400),
}
"""What each forecast is about, and the seconds of its unit."""
_RESERVOIR: Final = ("low_d", "empty_d")


def compose(
    snapshot: Snapshot,
    found: pl.DataFrame,
    actions: pl.DataFrame,
    *,
    number: int,
    now: int,
    hours: int,
    by: str,
    text: str,
) -> Sheet:
    """Return the sheet of the last `hours` at `now` (wall ms).

    `found` are occurrences (`dashboard.data.occurrences.SCHEMA`), `actions` entries of the journal by people, newest
    first.
    """
    since, summary = now - hours * HOUR_MS, queries.summary(snapshot)
    alarms = queries.ordered(snapshot.alarms)
    is_aside = pl.col("state").is_in(["shelved", "out_of_service"])
    lately = _lately(found, since)
    responses = lately["response_ms"].drop_nulls()
    median = responses.median()
    shown = lately.filter(pl.col("shown").is_not_null())
    standing, aside = alarms.filter(~is_aside), alarms.filter(is_aside)
    orders = snapshot.orders.sort("out_wall", descending=True)
    watch, notes = due(snapshot, hours), alarms.filter(pl.col("note").is_not_null())
    done = actions.filter(pl.col("kind").is_in(ACTIONS) & (pl.col("at") >= since))
    parts = {"standing": standing, "aside": aside, "orders": orders, "happened": shown, "actions": done}
    parts |= {"due": watch, "notes": notes}
    counted = ("pumps", "high", "medium", "low", "silent", "normal", "others", "waiting", "shelved")
    return Sheet(
        number=number,
        made=now,
        since=since,
        hours=hours,
        by=by,
        text=text[:MAX_TEXT],
        data_age_ms=max(0, now - (snapshot.health.written or now)),
        speed=fleet_clock(snapshot).speed,
        counts={name: int(summary[name] or 0) for name in counted},
        raised=int(lately.select((pl.col("raised") >= since).sum()).item()),
        acknowledged=int(lately.select((pl.col("acknowledged") >= since).sum()).item()),
        median_response_ms=float(median) if isinstance(median, int | float) else None,
        actions=[_action(row) for row in done.head(MAX_LINES).iter_rows(named=True)],
        standing=_lines(OpenAlarm, standing),
        aside=_lines(OpenAlarm, aside),
        orders=_lines(Order, orders),
        happened=_lines(AlarmLine, shown),
        due=_lines(Due, watch),
        notes=_lines(OpenAlarm, notes),
        more={name: frame.height - MAX_LINES for name, frame in parts.items() if frame.height > MAX_LINES},
    )


def due(snapshot: Snapshot, hours: float) -> pl.DataFrame:
    """Return what comes due in the next `hours` of wall-clock time (`Due`), soonest first.

    A pump that delivers next to nothing has no forecast of its reservoir, and nothing comes after the end of service.
    """
    table = snapshot.table
    speeds = snapshot.gateways.select("gateway", pl.col("speed").fill_null(1.0))
    base = pl.DataFrame([table.column(name) for name in ("pump", "gateway", "flow_ul_h", "commanded_ul_h")])
    base = base.with_columns(*_seconds(table), _refill(table, snapshot)).join(
        speeds, on="gateway", how="left", maintain_order="left"
    )
    base = base.with_columns(pl.col("speed").fill_null(fleet_clock(snapshot).speed))
    flowing = ~(pl.col("flow_ul_h") < MIN_FLOW_SHARE * pl.col("commanded_ul_h")).fill_null(value=False)
    ends = pl.col("eos_d").fill_null(math.inf)
    kept = [
        base.filter((pl.col(name) <= 3600 * hours * pl.col("speed")) & (pl.col(name) <= ends))
        .filter(flowing if name in _RESERVOIR else pl.lit(value=True))
        .select("pump", pl.lit(what).alias("what"), pl.col(name).alias("in_s"), "speed")
        for name, what in {
            **{name: title for name, (title, _) in _FORECASTS.items()},
            "refill": tr_later("Refill due"),
        }.items()
    ]
    return pl.concat(kept).with_columns(pl.col("in_s", "speed").cast(pl.Float64)).sort("in_s", "pump")


def _seconds(table: PumpTable) -> list[pl.Series]:
    """Return the middle of each forecast in therapy seconds."""
    return [
        (table.column(band(name)[1]).cast(pl.Float64) * unit).clip(0).alias(name)
        for name, (_, unit) in _FORECASTS.items()
    ]


def _refill(table: PumpTable, snapshot: Snapshot) -> pl.Series:
    """Return in how many therapy seconds each pump's refill is due, by its own clock; negative if overdue."""
    newest = table.column("time").fill_null(fleet_clock(snapshot).therapy_ms)
    return ((table.column("refill_due") - newest).cast(pl.Float64) / 1000 - table.column("age_s").fill_null(0)).alias(
        "refill"
    )


def _lately(found: pl.DataFrame, since: int) -> pl.DataFrame:
    """Return the occurrences of which anything happened since then, worst first, then newest."""
    times = ("raised", "acknowledged", "returned", "shelved")
    recent = found.filter(pl.any_horizontal(*[(pl.col(name) >= since).fill_null(value=False) for name in times]))
    last = pl.max_horizontal(*times)
    return recent.sort(pl.col("priority").fill_null(4), last, descending=[False, True])


Line = TypeVar("Line", bound=msgspec.Struct)


def _lines(kind: type[Line], rows: pl.DataFrame) -> list[Line]:
    named = kind.__struct_fields__
    return [
        kind(**{name: _kept(row[name]) for name in named})
        for row in rows.select(named).head(MAX_LINES).iter_rows(named=True)
    ]


def _kept(value: Any) -> Any:
    """Return a value as JSON can keep it: clipped text, no infinity."""
    if isinstance(value, str):
        return _clip(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _action(row: dict[str, Any]) -> ActionLine:
    text = ": ".join(filter(None, (row["title"], row["text"])))
    return ActionLine(row["at"], row["kind"], row["who"] or "", _clip(about(row)), _clip(text))


def _clip(text: str) -> str:
    return text if len(text) <= MAX_CELL else f"{text[: MAX_CELL - 1]}…"
