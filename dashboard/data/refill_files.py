"""Files of what is due: a table as CSV, and a calendar (RFC 5545) with one entry per pump and clinic day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
from icalendar import Calendar, Event

from broker.store.export import no_formula
from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.data import refill_days
from dashboard.data.fleet_clock import FleetClock, fleet_clock
from dashboard.data.refills import KINDS, NO_FLOW
from dashboard.languages import tr, tr_later

MAX_EVENTS: Final = 1_000
"""Entries of a calendar, the soonest first; programs become slow with more."""
MARK: Final = "SIMULATION"
REAL_TIME_MS: Final = 3_600_000
"""By how much therapy time may differ from the wall clock for its dates to be real ones."""
REASONS: Final = {
    "reservoir": tr_later("low reservoir"),
    "drug": tr_later("180 days since the last refill"),
    "unrecorded": tr_later("180 days from now; no refill was recorded"),
    "ERI": tr_later("replacement indicator (ERI)"),
    "end of service": tr_later("end of service"),
    NO_FLOW: tr_later("no flow, no forecast; see the alarm"),
    "silent": tr_later("pump silent, no forecast"),
    "unknown": tr_later("forecast unknown; see the alarms of the pump"),
}
"""What decides about a date, or why there is none."""


def csv(snapshot: Snapshot, tasks: pl.DataFrame) -> str:
    """Return tasks as CSV; dates are therapy dates in the viewer's zone, and the first column says simulation.

    A text that a spreadsheet would run as a formula gets a single quote in front of it.
    """
    found = refill_days.details(snapshot, tasks)
    columns: dict[str, str | pl.Expr] = {
        "simulated": pl.lit("simulated"),
        "pump": "pump",
        "site": "site",
        "task": pl.col("kind").replace_strict(KINDS),
        "reason": pl.col("reason").replace_strict(REASONS),
        "by": "by_day",
        "overdue": "overdue",
        "clinic_day": "day",
        "latest_safe": "latest_day",
        "concentration_ug_ml": "concentration_ug_ml",
        "reservoir_capacity_ml": "reservoir_capacity_ml",
        "expected_left_ml": pl.col("left_ml").round(1),
        "alarm": "alarm",
    }
    table = found.select((pl.col(one) if isinstance(one, str) else one).alias(name) for name, one in columns.items())
    return table.with_columns(no_formula(pl.col(pl.String))).write_csv()


def calendar(snapshot: Snapshot, tasks: pl.DataFrame) -> bytes:
    """Return the soonest `MAX_EVENTS` of the tasks with a date as a calendar of whole days."""
    note = clock_note(fleet_clock(snapshot), snapshot.health.written)
    made = Calendar()
    made.add("prodid", "-//Pumpwatch//Simulated pump fleet//EN")
    made.add("version", "2.0")
    made.add("method", "PUBLISH")
    made.add("x-wr-calname", f"{MARK}: pump refills")
    made.add("x-wr-caldesc", f"Simulated pumps; not for clinical use. {note}")
    made.add("refresh-interval", timedelta(hours=1))
    stamp = datetime.fromtimestamp(snapshot.health.written / 1000, UTC)
    dated = tasks.filter(pl.col("day").is_not_null()).head(MAX_EVENTS)
    for row in refill_days.details(snapshot, dated).iter_rows(named=True):
        made.add_component(_event(row, stamp, note))
    return bytes(made.to_ical())


def clock_note(clock: FleetClock, wall_ms: int) -> str:
    """Return what the dates are: real ones only if the fleet runs in real time on the wall clock."""
    if clock.speed == 1 and abs(clock.therapy_ms - wall_ms) < REAL_TIME_MS:
        return tr("The fleet runs in real time: therapy dates are calendar dates.")
    return tr(
        "Dates are therapy dates: the simulated clock is at {moment} ({speed}), "
        "so they are not dates of your calendar.",
        moment=formatting.moment(clock.therapy_ms),
        speed=formatting.speed(clock.speed),
    )


def needs(row: dict[str, Any]) -> str:
    """Return what an appointment needs: "2,000 µg/mL, 20 mL reservoir", or the model to replace."""
    if row["kind"] == "battery":
        return f"{tr('model {model}', model=row['model'] or tr(formatting.UNKNOWN))}, {_reservoir(row)}"
    return f"{formatting.number(row['concentration_ug_ml'], 0, 'µg/mL')}, {_reservoir(row)}"


def _reservoir(row: dict[str, Any]) -> str:
    return tr("{volume} reservoir", volume=formatting.number(row["reservoir_capacity_ml"], 0, "mL"))


def _event(row: dict[str, Any], stamp: datetime, note: str) -> Event:
    event = Event()
    event.add("uid", f"{row['kind']}-{row['pump']}@pumpwatch.invalid")
    event.add("dtstamp", stamp)
    event.add("dtstart", row["day"])
    event.add("dtend", row["day"] + timedelta(days=1))
    event.add("summary", f"{MARK}: {KINDS[row['kind']]} {row['pump']}")
    if row["site"]:
        event.add("location", row["site"])
    left = f"Expected left that day: {formatting.number(row['left_ml'], 1, 'mL')}. " if row["kind"] == "refill" else ""
    latest = f", latest safe date {row['latest_day']:%-d %b %Y}" if row["latest_day"] else ""
    event.add(
        "description",
        f"{KINDS[row['kind']]} by {row['by_day']:%-d %b %Y} ({REASONS[row['reason']]}){latest}. "
        f"{needs(row)[:1].upper()}{needs(row)[1:]}. {left}Simulated pump; not for clinical use. {note}",
    )
    event.add("transp", "TRANSPARENT")
    return event
