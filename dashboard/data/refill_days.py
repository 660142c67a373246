"""Clinic days of what is due: on which day each pump comes, and what a list or calendar of them shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from broker.contract.datasheet import RESIDUAL_ML
from broker.store.snapshot import Snapshot
from dashboard.data import refills
from dashboard.data.clinic_days import ClinicDays
from dashboard.data.fleet_clock import fleet_clock
from dashboard.data.fleet_index import facts_index
from dashboard.languages import tr_later
from dashboard.zones import ZONE

PAGE: Final = 50
"""Rows of one page of the list."""
SPANS: Final = {
    "overdue": tr_later("Overdue"),
    "0": tr_later("Until tonight"),
    "7": tr_later("7 days"),
    "30": tr_later("30 days"),
    "365": tr_later("1 year"),
    "undated": tr_later("No date"),
}
"""What the list shows: days ahead, each with what is overdue; only that; or what has no date."""
VIEWS: Final = {"list": tr_later("List"), "month": tr_later("Month"), "week": tr_later("Week")}
MAX_MONTHS: Final = 12
EPOCH: Final = date(1970, 1, 1)
THURSDAY: Final = 3
"""Weekday of the epoch."""
_DETAILS: Final = (
    "pump",
    "site",
    "gateway",
    "model",
    "concentration_ug_ml",
    "reservoir_capacity_ml",
    "reservoir_ml",
    "priority",
    "worst",
)
Days = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Choice:
    """What a viewer wants to see: one of `KINDS` ("": both), a site ("": all), one of `SPANS`, or one clinic day."""

    kind: str = ""
    site: str = ""
    span: str = "30"
    day: date | None = None


@dataclass(frozen=True)
class Agenda:
    """What is due for a choice of kind and site, whatever the span, with the clinic day of each (`day`: Date).

    `counts` are those of each of `SPANS`; `today` is the therapy date of the viewer's zone.
    """

    tasks: pl.DataFrame
    counts: dict[str, int]
    today: date

    def shown(self, choice: Choice) -> pl.DataFrame:
        """Return the tasks of a span or of a clinic day, overdue first."""
        if choice.day is not None:
            return self.tasks.filter(pl.col("day") == choice.day)
        return self.tasks.filter(_within(choice.span, self.today))


def choice_of(kind: Any, site: Any, span: Any, day: Any = None) -> Choice:
    """Return the choice of the values that a browser sent, whatever they are."""
    try:
        chosen = date.fromisoformat(day) if isinstance(day, str) and len(day) == len("2026-01-01") else None
    except ValueError:
        chosen = None
    return Choice(
        kind if isinstance(kind, str) and kind in refills.KINDS else "",
        site if isinstance(site, str) else "",
        span if isinstance(span, str) and span in SPANS else "30",
        chosen,
    )


def agenda(snapshot: Snapshot, choice: Choice, clinic: ClinicDays) -> Agenda:
    """Return what is due for a kind and a site. Raises `ClinicDaysError` if the clinic days cannot be read."""
    tasks, today = refills.plan(snapshot), local_date(fleet_clock(snapshot).therapy_ms)
    if choice.kind:
        tasks = tasks.filter(pl.col("kind") == choice.kind)
    labels = facts_index(snapshot.table.facts).labels("site")
    names = labels.names.to_list()
    if choice.site:
        code = names.index(choice.site) if choice.site in names else -1
        tasks = tasks.filter(pl.Series(labels.codes[tasks["row"].to_numpy()] == code))
    dated = tasks.with_columns(_local_day("by").alias("by_day"), _local_day("latest").alias("latest_day"))
    sites = labels.codes[tasks["row"].to_numpy()]
    known = dated["by_day"].is_not_null().to_numpy()
    by = dated["by_day"].fill_null(EPOCH).cast(pl.Int32).to_numpy().astype(np.int64)
    found = clinic_day(by, sites, clinic.mask(names), (today - EPOCH).days)
    days = pl.Series("day", found, pl.Int32).set(pl.Series(~known), None).cast(pl.Date)
    scheduled = dated.with_columns(days).with_columns(
        (pl.col("day") > pl.col("latest_day")).fill_null(value=False).alias("after_latest")
    )
    counts = {span: scheduled.select(_within(span, today).sum()).item() for span in SPANS}
    return Agenda(scheduled, counts, today)


def clinic_day(by: Days, sites: npt.NDArray[np.uint32], open_on: npt.NDArray[np.bool_], today: int) -> Days:
    """Return the last clinic day of each site until `by`, but not before `today`; else the next one after.

    Days are counted from the epoch; `open_on` has a row per site and a column per weekday from Monday.
    """
    back, ahead = _distances(open_on, -1), _distances(open_on, 1)
    before = by - back[sites, (by + THURSDAY) % 7]
    base = np.maximum(by, today)
    return np.where(before >= today, before, base + ahead[sites, (base + THURSDAY) % 7])


def _distances(open_on: npt.NDArray[np.bool_], step: int) -> Days:
    """Return the days from each weekday to the nearest clinic day, that day included, in one direction."""
    shifted = np.stack([np.roll(open_on, -step * days, axis=1) for days in range(7)])
    return np.asarray(shifted.argmax(axis=0), np.int64)


def details(snapshot: Snapshot, tasks: pl.DataFrame) -> pl.DataFrame:
    """Return tasks with what an appointment needs: pump, site, concentration, reservoir, alarm, volume left that day.

    `left_ml` is the volume expected in the reservoir on the clinic day.
    """
    pumps = snapshot.table.take(tasks["row"].to_numpy()).select(*_DETAILS)
    late_d = (pl.col("day") - pl.col("by_day")).dt.total_days()
    left = (pl.col("residual_ml") - pl.col("ml_day") * late_d).clip(RESIDUAL_ML, pl.col("reservoir_ml"))
    titles = dict(snapshot.rules.select("rule", "title").iter_rows()) or snapshot.health.rules
    alarm = pl.col("worst").replace_strict(titles, default=pl.col("worst"), return_dtype=pl.String)
    return pl.concat([tasks, pumps], how="horizontal").with_columns(left.alias("left_ml"), alarm.alias("alarm"))


def outlook(snapshot: Snapshot) -> dict[str, int]:
    """Return how many refills are due today and in 7 days, batteries in 7 days, and how many of both are overdue.

    Those of 7 days include today's; overdue ones count as overdue alone.
    """
    due, today = refills.due(snapshot), local_date(fleet_clock(snapshot).therapy_ms)
    tonight, week = (_end_of(today + timedelta(days=ahead)) for ahead in (0, 7))
    return {
        "overdue": due.overdue,
        "today": due.until("refill", tonight),
        "week": due.until("refill", week),
        "batteries": due.until("battery", week),
    }


def _end_of(day: date) -> int:
    """Return the therapy time (ms) at which a day ends in the viewer's zone."""
    return round(datetime.combine(day + timedelta(days=1), time(), ZONE.get()).timestamp() * 1000)


def by_day(tasks: pl.DataFrame, first: date, last: date) -> dict[date, dict[str, int]]:
    """Return the clinic days between two dates with the number of tasks of each kind, and of those overdue."""
    within = tasks.filter(pl.col("day").is_between(first, last))
    counted = within.group_by("day").agg(
        (pl.col("kind") == "refill").sum().alias("refill"),
        (pl.col("kind") == "battery").sum().alias("battery"),
        pl.col("overdue").sum().alias("overdue"),
    )
    return {row.pop("day"): row for row in counted.iter_rows(named=True)}


def month_of(today: date, ahead: int) -> tuple[date, date]:
    """Return the first and the last day of the month that lies `ahead` months after today's."""
    index = today.year * 12 + today.month - 1 + ahead
    first = date(index // 12, index % 12 + 1, 1)
    following = date((index + 1) // 12, (index + 1) % 12 + 1, 1)
    return first, following - timedelta(days=1)


def week_of(day: date) -> tuple[date, date]:
    """Return the Monday and the Sunday of a day's week."""
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def sites_of(snapshot: Snapshot) -> list[str]:
    """Return the names of the sites, sorted; pumps without a site are in none."""
    return facts_index(snapshot.table.facts).labels("site").names.drop_nulls().to_list()


def local_date(ms: int) -> date:
    """Return the date of a therapy time in the viewer's zone."""
    found: date = pl.select(pl.lit(ms).cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(_zone()).dt.date()).item()
    return found


def _local_day(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Datetime("ms", "UTC")).dt.convert_time_zone(_zone()).dt.date()


def _zone() -> str:
    """Return the name of the viewer's zone, which Polars knows too."""
    return str(getattr(ZONE.get(), "key", "UTC"))


def _within(span: str, today: date) -> pl.Expr:
    if span == "undated":
        return pl.col("by").is_null()
    if span == "overdue":
        return pl.col("overdue")
    return pl.col("by_day") <= today + timedelta(days=int(span))
