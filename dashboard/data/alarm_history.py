"""Alarm history: occurrences by pump, person, rule, priority, site and time, in pages, in figures and as CSV."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any, Final

import polars as pl

from broker.store.export import no_formula
from broker.store.snapshot import PRIORITIES, PRIORITY_CODE
from dashboard.languages import tr_later

PAGE: Final = 100
"""Occurrences on a page."""
MAX_TEXT: Final = 100
MAX_EXPORT: Final = 5_000
MAX_EXPORT_CHARACTERS: Final = 400_000
HOUR_MS: Final = 3_600_000
PERIODS: Final = {
    "": tr_later("Any time"),
    "8": tr_later("Last 8 hours"),
    "24": tr_later("Last 24 hours"),
    "168": tr_later("Last 7 days"),
    "720": tr_later("Last 30 days"),
}
"""Hours before now, and what they are called."""
ACKNOWLEDGED: Final = {"": tr_later("Any"), "yes": tr_later("Acknowledged"), "no": tr_later("Never acknowledged")}
EXPORTED: Final = (
    *("raised", "priority", "subject", "site", "title", "rule"),
    *("acknowledged", "acknowledged_by", "acknowledged_after_s"),
    *("shelved", "shelved_by", "returned", "lasted_therapy_s", "suppressed_by"),
)


@dataclass(frozen=True)
class Filter:
    """Which occurrences: a text in the source's name, a person who acknowledged or shelved, and exact values.

    `since` and `until` are wall ms of being raised. An empty text is any.
    """

    pump: str = ""
    person: str = ""
    rule: str = ""
    priority: str = ""
    site: str = ""
    acknowledged: str = ""
    since: int | None = None
    until: int | None = None

    def words(self) -> str:
        """Return the filter in words, for the audit entry of an export."""
        named = {"pump": self.pump, "person": self.person, "rule": self.rule, "priority": self.priority}
        named |= {"site": self.site, "acknowledged": self.acknowledged}
        parts = [f"{name} {value}" for name, value in named.items() if value]
        parts += ["part of the time"] if self.since is not None or self.until is not None else []
        return ", ".join(parts) or "all"


def filter_of(given: dict[str, Any], now: int, zone: tzinfo) -> Filter:
    """Return the filter of the values that a browser sent, whatever they are, at `now` (wall ms).

    `period` is one of `PERIODS`; `first` and `last` are days as "2026-01-31" in the viewer's zone.
    """
    texts = {name: _text(given.get(name)) for name in ("pump", "person", "rule", "priority", "site", "acknowledged")}
    period = given.get("period")
    hours = int(period) if isinstance(period, str) and period and period in PERIODS else 0
    begins, ends = _day(given.get("first"), zone), _day(given.get("last"), zone, after=1)
    since = max((one for one in (begins, now - hours * HOUR_MS if hours else None) if one is not None), default=None)
    texts["priority"] = texts["priority"] if texts["priority"] in PRIORITIES else ""
    texts["acknowledged"] = texts["acknowledged"] if texts["acknowledged"] in ACKNOWLEDGED else ""
    return Filter(**texts, since=since, until=None if ends is None else ends - 1)


def matching(found: pl.DataFrame, chosen: Filter, places: pl.DataFrame) -> pl.DataFrame:
    """Return the occurrences that a filter lets through, newest first.

    `found` are occurrences (`dashboard.data.occurrences.SCHEMA`), `places` the `site` of each `pump`.
    """
    conditions = [pl.col("raised").is_not_null()]
    if chosen.pump:
        conditions.append(_contains("subject", chosen.pump))
    if chosen.person:
        conditions.append(_contains("acknowledged_by", chosen.person) | _contains("shelved_by", chosen.person))
    if chosen.rule:
        conditions.append(pl.col("rule") == chosen.rule)
    if chosen.priority:
        conditions.append(pl.col("priority") == PRIORITY_CODE[chosen.priority])
    if chosen.acknowledged:
        acknowledged = pl.col("acknowledged").is_not_null()
        conditions.append(
            acknowledged if chosen.acknowledged == "yes" else ~acknowledged & pl.col("shown").is_not_null()
        )
    if chosen.since is not None:
        conditions.append(pl.col("raised") >= chosen.since)
    if chosen.until is not None:
        conditions.append(pl.col("raised") <= chosen.until)
    if chosen.site:
        conditions.append(pl.col("pump").is_in(places.filter(pl.col("site") == chosen.site)["pump"].implode()))
    return found.filter(*conditions).reverse()


def sited(found: pl.DataFrame, places: pl.DataFrame) -> pl.DataFrame:
    """Return occurrences with the `site` of their pump."""
    return found.join(places, on="pump", how="left", maintain_order="left")


@dataclass(frozen=True)
class ResponseTimes:
    """How long people took to acknowledge, in wall-clock seconds; None if nothing was acknowledged."""

    alarms: int
    suppressed: int
    acknowledged: int
    median_s: float | None
    p95_s: float | None


def response_times(found: pl.DataFrame) -> ResponseTimes:
    """Return the figures of occurrences; those that were suppressed throughout wait for nobody."""
    suppressed = int(found["shown"].null_count())
    times = found["response_ms"].drop_nulls() / 1000
    return ResponseTimes(found.height, suppressed, times.len(), _quantile(times, 0.5), _quantile(times, 0.95))


def _quantile(times: pl.Series, share: float) -> float | None:
    return None if times.is_empty() else float(times.quantile(share, "nearest") or 0)


def csv(found: pl.DataFrame, places: pl.DataFrame) -> tuple[str, int]:
    """Return the newest occurrences with their sites as CSV, and how many fit.

    Times are ISO 8601 in UTC, durations seconds. A text that a spreadsheet would run as a formula gets a single quote
    in front of it.
    """
    times = [
        pl.col(name).cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        for name in ("raised", "acknowledged", "shelved", "returned")
    ]
    words = dict(enumerate(PRIORITIES, 1))
    table = (
        sited(found.head(MAX_EXPORT), places)
        .with_columns(
            *times,
            pl.col("priority").replace_strict(words, default=None, return_dtype=pl.String),
            (pl.col("response_ms") / 1000).alias("acknowledged_after_s"),
            (pl.col("lasted_ms") / 1000).alias("lasted_therapy_s"),
            pl.when(pl.col("shown").is_null()).then("cause").alias("suppressed_by"),
        )
        .select(EXPORTED)
        .with_columns(no_formula(pl.col(pl.String)))
    )
    fit = table.height
    while len(text := table.head(fit).write_csv()) > MAX_EXPORT_CHARACTERS:
        fit = fit * 3 // 4
    return text, fit


def rules(found: pl.DataFrame) -> list[dict[str, str]]:
    """Return the rules that alarmed, as options sorted by title."""
    named = found.group_by("rule").agg(pl.col("title").last()).drop_nulls().sort("title")
    return [{"value": rule, "label": title} for rule, title in named.iter_rows()]


def _contains(column: str, text: str) -> pl.Expr:
    return pl.col(column).str.to_lowercase().str.contains(text.lower(), literal=True).fill_null(value=False)


def _text(value: Any) -> str:
    return " ".join(value.split())[:MAX_TEXT] if isinstance(value, str) else ""


def _day(value: Any, zone: tzinfo, *, after: int = 0) -> int | None:
    """Return when a day begins, or the one `after` days later, in wall ms; None if it is no day."""
    try:
        day = date.fromisoformat(value[:10]) + timedelta(days=after) if isinstance(value, str) else None
        return None if day is None else int(1000 * datetime.combine(day, time(), zone).timestamp())
    except (ValueError, OverflowError):
        return None
