"""Search of alarms below /fhir: the open ones, and with a range of time those that are over, from the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.interop import coding, device_alerts, observations
from broker.interop.coding import Resource
from broker.interop.stored import closed_alarms, open_alarms, rule_terms
from broker.store.snapshot import Snapshot
from dashboard.api.fhir_search import Found, Match, Place, about, term_code

MAX_SPAN_MS: Final = 800 * 86_400_000
Range = tuple[int, int] | None
Make = Callable[[Mapping[str, Any], str | None], Resource]
OBSERVATION: Final[tuple[Make, Make]] = (observations.alarm, observations.alarm_over)
DEVICE_ALERT: Final[tuple[Make, Make]] = (device_alerts.device_alert, device_alerts.alert_over)
"""How an open alarm becomes a resource, and one that is over."""


@dataclass(frozen=True)
class Wanted:
    """Which alarms: of a device and a code (empty: any), that stood `within` (therapy ms) and `changed` (wall ms).

    Without a range they are the open ones alone.
    """

    device: str = ""
    code: str = ""
    within: Range = None
    changed: Range = None

    @property
    def with_closed(self) -> bool:
        """Whether alarms that are over are wanted too."""
        return self.within is not None or self.changed is not None


def find(
    snapshot: Snapshot, occurred: pl.DataFrame, place: Place, wanted: Wanted, make: tuple[Make, Make] = OBSERVATION
) -> Found:
    """Find open alarms, and with a range those of `occurred` that are over (`dashboard.data.occurrences.SCHEMA`)."""
    terms = rule_terms(snapshot)
    over = occurred if wanted.with_closed else occurred.clear()
    opened = _chosen(snapshot, open_alarms(snapshot, occurred), wanted)
    closed = _chosen(snapshot, closed_alarms(snapshot, over), wanted)
    if wanted.within is not None:
        since, until = wanted.within
        closed = closed.filter(pl.col("onset") <= until, pl.col("ended") >= since)
        begun = pl.coalesce("onset", "raised")
        opened = opened.filter(begun <= until, pl.coalesce("returned", pl.lit(until)) >= since)
    after = place.after.removeprefix("0")
    # Of a long past, only the alarms of the page are made.
    matches = [
        Match(f"0{row['alarm']}", lambda row=row, made=made: made(row, terms.get(row["rule"])))  # type: ignore[misc]
        for frame, made in zip((opened, closed), make, strict=True)
        for row in frame.filter(pl.col("alarm") > after).sort("alarm").head(place.limit + 1).iter_rows(named=True)
    ]
    return Found(sorted(matches, key=lambda match: match.key), opened.height + closed.height)


def one(snapshot: Snapshot, occurred: pl.DataFrame, identity: str) -> Resource | None:
    """Return the Observation of an alarm by its logical id, open or over; None if there is none."""
    terms = rule_terms(snapshot)
    frames = (open_alarms(snapshot, occurred), closed_alarms(snapshot, occurred))
    for frame, make in zip(frames, OBSERVATION, strict=True):
        number = next((at for at, alarm in enumerate(frame["alarm"]) if coding.alarm_id(alarm) == identity), None)
        if number is not None:
            row: Mapping[str, Any] = frame.row(number, named=True)
            return make(row, terms.get(row["rule"]))
    return None


def _chosen(snapshot: Snapshot, found: pl.DataFrame, wanted: Wanted) -> pl.DataFrame:
    """Return the alarms about a device, of a code and changed. Raises `ApiError` (404) if there is no such device."""
    code = wanted.code.rpartition("|")[2]
    if code:
        terms = rule_terms(snapshot)
        rules = [rule for rule in found["rule"].unique() if code in (rule, term_code(terms.get(rule)))]
        found = found.filter(pl.col("rule").is_in(rules))
    if wanted.changed is not None:
        found = found.filter(pl.col("changed").is_between(*wanted.changed))
    return found.filter(about(snapshot, wanted.device)) if wanted.device else found
