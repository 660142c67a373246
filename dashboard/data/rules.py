"""Rules as the processor publishes them, with their open alarms and how often they were annunciated."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.data import alarm_performance, fleet_clock
from dashboard.data.alarm_performance import WINDOW_MS
from dashboard.data.services import DataService
from dashboard.languages import decimal, tr, tr_later

MAX_EVENTS: Final = 50_000
MAX_SEARCH: Final = 100
KEPT_MS: Final = 10_000
"""How long (wall ms) counted rates are kept for all viewers; counting reads the journal."""
SUBJECTS: Final = {
    "pump": tr_later("a pump"),
    "gateway": tr_later("a gateway and its pumps"),
    "cohort": tr_later("a model, lot or gateway of pumps"),
    "fleet": tr_later("the whole fleet"),
    "system": tr_later("Pumpwatch itself"),
}
_SEARCHED: Final = ("rule", "title", "meaning", "action", "rationale")


@dataclass(frozen=True)
class Rates:
    """Annunciated alarms by rule in the last `span_ms` of therapy, 30 days at most; `cut` if there were too many."""

    counts: dict[str, int]
    span_ms: int
    cut: bool = False

    def text(self, rule: str) -> str:
        """Return how often a rule was annunciated: "12 in 30 d", with its mean per day once there is a day."""
        if not self.span_ms:
            return tr("no alarms yet")
        many = self.counts.get(rule, 0)
        count, duration = decimal(many), formatting.span(self.span_ms / 1000)
        days = self.span_ms / alarm_performance.DAY_MS
        if not many or days < 1:
            return tr("{count} in {duration}", count=count, duration=duration)
        mean = formatting.significant(many / days, 2)
        return tr("{count} in {duration}, {mean} a day", count=count, duration=duration, mean=mean)


class RuleRates:
    """The rates of all rules, counted at most every `KEPT_MS`."""

    def __init__(self, data: DataService) -> None:
        """Count the journal's entries of `data`."""
        self._data = data
        self._lock = threading.Lock()
        self._known: tuple[int | None, Rates] = (None, Rates({}, 0))

    def latest(self) -> Rates:
        """Return the rates; whoever asks while they are counted waits."""
        with self._lock:
            now, at = self._data.now(), self._known[0]
            if at is None or not 0 <= now - at < KEPT_MS:
                self._known = (now, rates(self._data.events(limit=MAX_EVENTS), self._data.snapshot()))
            return self._known[1]


def rates(events: pl.DataFrame, snapshot: Snapshot) -> Rates:
    """Return the rates by journal entries, newest first, up to the therapy time of a snapshot."""
    moved = fleet_clock.on_fleet_clock(events, snapshot)
    latest = moved["time"].max()
    now = max(fleet_clock.fleet_clock(snapshot).therapy_ms, latest if isinstance(latest, int) else 0)
    recent = moved.filter(pl.col("time").is_between(now - WINDOW_MS, now))
    first = recent["time"].min()
    counted = alarm_performance.annunciated(recent).group_by("rule").len()
    span_ms = now - first if isinstance(first, int) else 0
    return Rates({rule: many for rule, many in counted.iter_rows() if rule}, span_ms, events.height >= MAX_EVENTS)


def open_counts(snapshot: Snapshot) -> dict[str, int]:
    """Return the number of open alarms of each rule that has any; suppressed ones are not counted."""
    return dict(snapshot.alarms.group_by("rule").len().iter_rows())


def found(snapshot: Snapshot, text: Any = "", priority: Any = "", *, only_open: bool = False) -> pl.DataFrame:
    """Return the rules that match a search and a priority ("1" to "3"), the highest priority first; `open` counts.

    The search looks at texts in the viewer's language and in English; titles are in the order of that language.
    """
    opened = open_counts(snapshot)
    counts = pl.col("rule").replace_strict(opened, default=0, return_dtype=pl.Int64).alias("open")
    rules = snapshot.rules.with_columns(counts if opened else pl.lit(0, pl.Int64).alias("open"))
    shown = [_shown(rules, name) for name in _SEARCHED]
    query = text.strip().lower()[:MAX_SEARCH] if isinstance(text, str) else ""
    names = [pl.col(name) for name in (*_SEARCHED, *(one.name for one in shown))]
    names.append(pl.col("thresholds").list.join(" "))
    matches = pl.any_horizontal(name.str.to_lowercase().str.contains(query, literal=True) for name in names)
    wanted = int(priority) if priority in {"1", "2", "3"} else 0
    matches &= pl.lit(wanted == 0) | (pl.col("priority") == wanted)
    wanted_rules = rules.with_columns(shown).filter(matches & (pl.lit(not only_open) | (pl.col("open") > 0)))
    return wanted_rules.sort("priority", "shown title").select(rules.columns)


def _shown(rules: pl.DataFrame, name: str) -> pl.Series:
    """Return a column of texts in the viewer's language."""
    return pl.Series(f"shown {name}", [tr(text or "") for text in rules[name]], pl.String)


def row(snapshot: Snapshot, name: str) -> dict[str, Any] | None:
    """Return a rule by name, None if there is none."""
    known = found(snapshot).filter(pl.col("rule") == name)
    return known.row(0, named=True) if known.height else None


def delays(rule: dict[str, Any]) -> tuple[str, str]:
    """Return on-delay and off-delay in words: "13 min", "none", "10 min of wall-clock time"."""
    return _delay(rule["on_delay_s"], rule), _delay(rule["off_delay_s"], rule)


def _delay(delay_s: float, rule: dict[str, Any]) -> str:
    if not delay_s:
        return tr("none", "delay")
    duration = formatting.span(delay_s)
    return tr("{duration} of wall-clock time", duration=duration) if rule["wall_clock"] else duration


def titles(snapshot: Snapshot) -> dict[str, str]:
    """Return the title of each rule by its name."""
    return dict(snapshot.rules.select("rule", "title").iter_rows())
