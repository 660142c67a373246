"""Which part of a pump's past its charts show, by that pump's own clock, and what to say if there is nothing in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.store.segments import END_MS
from broker.store.snapshot import Snapshot
from dashboard import clocks, formatting
from dashboard.clocks import WALL, TherapyClock
from dashboard.data import queries, retirement
from dashboard.data.fleet_clock import therapy_clock
from dashboard.data.trends import Past
from dashboard.languages import tr

HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
YEAR_MS: Final = round(365.25 * DAY_MS)
RANGES: Final = {
    "1 h": HOUR_MS, "6 h": 6 * HOUR_MS, "24 h": DAY_MS, "7 d": 7 * DAY_MS, "30 d": 30 * DAY_MS, "90 d": 90 * DAY_MS,
    "1 y": YEAR_MS, "5 y": 5 * YEAR_MS,
}  # fmt: skip
DEFAULT: Final = "6 h"
REDRAWS: Final = 400
"""A chart is redrawn after this fraction of its range has passed: about two pixels."""
MIN_REDRAW_S: Final = 4
"""And no sooner than after so many wall seconds, however fast therapy time runs: drawing is work for the browser."""
NOW: Final = "now"
LATEST: Final = "latest"
"""Where a chart ends: at the pump's therapy time now, or at its newest sample."""
MIN_ZOOM_MS: Final = 60_000
MAX_ZOOM_MS: Final = 10 * YEAR_MS
AHEAD: Final = 0.2
"""Share of its range by which a chart that ends now looks ahead, if there is a forecast to show."""
MOVES: Final = {"in": (0.25, 0.75), "out": (-0.5, 1.5), "earlier": (-0.5, 0.5), "later": (0.5, 1.5)}
"""Buttons: where the next range begins and ends, as shares of the present one."""
_ZOOM: Final = re.compile(r"(\d{1,15})_(\d{1,15})_(\d+[a-z])", re.ASCII)


@dataclass(frozen=True)
class View:
    """The range of one pump's charts in therapy ms, its clock `now`, and the time of its newest sample, if any.

    A `zoomed` range was chosen by hand and stays; others move with the pump's clock.
    """

    serial: str
    chosen: str
    end: str
    since: int
    until: int
    now: int
    newest: int | None
    clock: TherapyClock = WALL
    zoomed: bool = False
    known: bool = True

    @property
    def span(self) -> int:
        """Length of the range (ms)."""
        return self.until - self.since

    @property
    def looks_ahead_to(self) -> int:
        """The time to which a forecast may be drawn; not later than the range if its end was chosen by hand."""
        if self.zoomed:
            return self.until
        return self.until + round(AHEAD * self.span) if self.end == NOW else self.until


@dataclass(frozen=True)
class Note:
    """What to say above a chart, "" if nothing, and whether to offer the newest data."""

    text: str = ""
    offers_latest: bool = False


def view(snapshot: Snapshot, serial: str, chosen: str | None, end: str | None, zoom: str | None = None) -> View:
    """Return what a pump's charts show for the chosen range and end, or zoomed; an unknown choice is the default."""
    row = queries.pump_row(snapshot, serial)
    last = row or retirement.row(snapshot, serial)
    now, newest = queries.therapy_now(snapshot, row), last["time"] if last else None
    clock = therapy_clock(snapshot, last["gateway"] if last else None)
    known = chosen if chosen in RANGES else DEFAULT
    more: dict[str, Any] = {"clock": clock, "known": last is not None}
    if (window := zoom_of(zoom, known)) is not None:
        return View(serial, known, NOW, *window, now, newest, zoomed=True, **more)
    if end == LATEST and newest is not None:
        return View(serial, known, LATEST, newest - RANGES[known], newest, now, newest, **more)
    return View(serial, known, NOW, now - RANGES[known], now, now, newest, **more)


def zoom_of(text: Any, chosen: str) -> tuple[int, int] | None:
    """Return the range (therapy ms) of a zoom as the address has it, "BEGIN_END_6h"; None if it is none.

    A zoom belongs to the range out of which it was made, and ends when another is chosen.
    """
    found = _ZOOM.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[3] != short(chosen):
        return None
    since, until = int(found[1]), int(found[2])
    if not 0 <= since < until <= END_MS or not MIN_ZOOM_MS <= until - since <= MAX_ZOOM_MS:
        return None
    return since, until


def short(chosen: str) -> str:
    """Return the name of a range as a zoom has it: "6h"."""
    return chosen.replace(" ", "")


def zoomed(since: float, until: float, chosen: str) -> str:
    """Return a zoom as text, within the bounds: at least a minute, at most ten years."""
    middle, half = (since + until) / 2, min(max(abs(until - since), MIN_ZOOM_MS), MAX_ZOOM_MS) / 2
    middle = min(max(middle, half), END_MS - half)
    return f"{round(middle - half)}_{round(middle + half)}_{short(chosen)}"


def moved(shown: View, move: str) -> str:
    """Return the zoom after a click on one of the `MOVES`."""
    begin, end = MOVES[move]
    return zoomed(shown.since + begin * shown.span, shown.since + end * shown.span, shown.chosen)


def key(shown: View, alarms: pl.DataFrame, look: str) -> str:
    """Return a text that changes when the chart would look different; `look` is its scheme, zone and comparison."""
    step = max(shown.span // REDRAWS, round(1000 * MIN_REDRAW_S * shown.clock.speed), 1)
    edge = min(shown.until, shown.now) // step if shown.zoomed else shown.until // step
    return f"{edge} {shown.since if shown.zoomed else ''} {shown.span} {shown.end} {look} {alarms['alarm'].to_list()}"


def note(shown: View, past: Past, samples: int) -> Note:
    """Return why a chart is empty and what helps, or that it does not end now."""
    newest = clocks.therapy_moment(shown.newest, shown.clock)
    if shown.zoomed or shown.end == LATEST:
        return Note(_chosen(shown, newest, samples))
    if samples and not any(curve.time.size for curve in past.curves.values()):
        return Note(tr("The samples of the last {range} carry no signal.", range=shown.chosen))
    if samples:
        return Note()
    if shown.newest is None:
        return Note(tr("No samples of this pump yet."))
    if shown.since <= shown.newest <= shown.until:
        return Note(
            tr(
                "No samples are stored of the last {range}; the latest is from {moment}.",
                range=shown.chosen,
                moment=newest,
            )
        )
    text = tr("No samples in the last {range}; the latest is from {moment}.", range=shown.chosen, moment=newest)
    return Note(text, offers_latest=True)


def _chosen(shown: View, newest: str, samples: int) -> str:
    """Return what to say about a range that does not end now."""
    if shown.zoomed:
        since, until = (clocks.therapy_moment(ms, shown.clock) for ms in (shown.since, shown.until))
        return "" if samples else tr("No samples from {since} to {until}.", since=since, until=until)
    if samples:
        return tr("Up to the latest sample, {moment}.", moment=newest)
    return tr("No samples stored up to {moment}.", moment=newest)


def resolution(samples: int, *, hourly: bool) -> str:
    """Return how finely the curves are drawn: "hourly minimum and maximum", "1,440 samples"; "" if there are none."""
    if not samples:
        return ""
    return tr("hourly minimum and maximum") if hourly else formatting.count(samples, "sample")
