"""Which part of a pump's past its chart shows, by that pump's own clock, and what to say if there is nothing in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.store.snapshot import Snapshot
from dashboard import clocks
from dashboard.clocks import WALL, TherapyClock
from dashboard.data import queries, retirement
from dashboard.data.fleet_clock import therapy_clock
from dashboard.data.trends import Past

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
RANGES: Final = {
    "1 h": HOUR_MS, "6 h": 6 * HOUR_MS, "24 h": DAY_MS, "7 d": 7 * DAY_MS, "30 d": 30 * DAY_MS, "90 d": 90 * DAY_MS,
}  # fmt: skip
DEFAULT: Final = "6 h"
REDRAWS: Final = 400
"""A chart is redrawn after this fraction of its range has passed: about two pixels."""
NOW: Final = "now"
LATEST: Final = "latest"
"""Where a chart ends: at the pump's therapy time now, or at its newest sample."""


@dataclass(frozen=True)
class View:
    """The range of one chart in therapy ms, the pump's clock `now`, and the time of its newest sample, if any."""

    serial: str
    chosen: str
    end: str
    since: int
    until: int
    now: int
    newest: int | None
    clock: TherapyClock = WALL


@dataclass(frozen=True)
class Note:
    """What to say above a chart, "" if nothing, and whether to offer the newest data."""

    text: str = ""
    offers_latest: bool = False


def view(snapshot: Snapshot, serial: str, chosen: str | None, end: str | None) -> View:
    """Return what a pump's chart shows for the chosen range and end; an unknown choice is the default."""
    row = queries.pump_row(snapshot, serial)
    last = row or retirement.row(snapshot, serial)
    now, newest = queries.therapy_now(snapshot, row), last["time"] if last else None
    clock = therapy_clock(snapshot, last["gateway"] if last else None)
    known = chosen if chosen in RANGES else DEFAULT
    if end == LATEST and newest is not None:
        return View(serial, known, LATEST, newest - RANGES[known], newest, now, newest, clock)
    return View(serial, known, NOW, now - RANGES[known], now, now, newest, clock)


def key(shown: View, alarms: pl.DataFrame, look: str) -> str:
    """Return a text that changes when the chart would look different; `look` is its scheme and zone."""
    step = RANGES[shown.chosen] // REDRAWS
    return f"{shown.until // step} {shown.chosen} {shown.end} {look} {alarms['alarm'].to_list()}"


def note(shown: View, past: Past, samples: int) -> Note:
    """Return why a chart is empty and what helps, or that it does not end now."""
    newest = clocks.therapy_moment(shown.newest, shown.clock)
    if shown.end == LATEST:
        return Note(f"Up to the latest sample, {newest}." if samples else f"No samples stored up to {newest}.")
    if samples and not any(curve.time.size for curve in past.curves.values()):
        return Note(f"The samples of the last {shown.chosen} carry no signal.")
    if samples:
        return Note()
    if shown.newest is None:
        return Note("No samples of this pump yet.")
    if shown.since <= shown.newest <= shown.until:
        return Note(f"No samples are stored of the last {shown.chosen}; the latest is from {newest}.")
    return Note(f"No samples in the last {shown.chosen}; the latest is from {newest}.", offers_latest=True)
