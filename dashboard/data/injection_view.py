"""What the chart of an injection shows: one pump's signals, scores and alarms around the time of the fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract.evidence import decode
from broker.contract.signals import SIGNAL_NAMES
from dashboard.data import queries, trends
from dashboard.data.fault_catalogue import catalogue
from dashboard.data.injections import Injection
from dashboard.data.services import DataService
from dashboard.data.trends import Curve

MIN_BEFORE_MS: Final = 30 * 60_000
MAX_BEFORE_MS: Final = 24 * 3_600_000
AFTER_MS: Final = 2 * 3_600_000
"""How long the chart goes on after the end of a fault."""
LONG_MS: Final = 7 * 24 * 3_600_000
"""Windows from here on are drawn from hourly minima and maxima."""
MAX_POINTS: Final = 500
ALWAYS: Final = ("flow_ul_h", "pressure_mmhg", "motor_ma")
"""Signals that are shown if the catalogue names too few."""
SIGNALS: Final = 3
Points = list[tuple[int, float]]


@dataclass(frozen=True)
class InjectionView:
    """One injection on one pump, times in therapy ms. `found` is the first alarm that detected it on this pump.

    `scores` are times and scores of each open alarm by its title: at the limit, when raised, now. `alarms` are spans:
    title, priority, start, end.
    """

    key: str
    pump: str
    onset: int
    ended: int | None
    found: int | None
    severity: float
    window: tuple[int, int]
    curves: dict[str, Curve]
    scores: dict[str, Points]
    alarms: pl.DataFrame


def window(onset: int, ended: int | None, now: int) -> tuple[int, int]:
    """Return the part of time around a fault that is shown: a quarter of its duration before it, and some after it."""
    until = max(onset + MIN_BEFORE_MS, now if ended is None else min(now, ended + AFTER_MS))
    before = min(MAX_BEFORE_MS, max(MIN_BEFORE_MS, (until - onset) // 4))
    return onset - before, until


def view(data: DataService, injection: Injection, cases: pl.DataFrame, pump: str) -> InjectionView:
    """Return what the chart shows of an injection on one of its pumps; `cases` are the injections of the score."""
    snapshot = data.snapshot()
    now = queries.therapy_now(snapshot, queries.pump_row(snapshot, pump))
    case = cases.filter(
        (pl.col("pump") == pump) & (pl.col("fault") == injection.fault) & (pl.col("onset") == injection.onset)
    ).row(0, named=True)
    since, until = window(injection.onset, case["end"], now)
    samples = (data.long_trend if until - since >= LONG_MS else data.trend)(pump, since, until)
    curves = trends.curves(samples, MAX_POINTS)
    alarms = queries.alarms_of(snapshot, pump)
    spans = trends.spans(alarms, data.events(pump), now).filter(pl.col("end") >= since, pl.col("start") <= until)
    return InjectionView(
        key=injection.key,
        pump=pump,
        onset=injection.onset,
        ended=case["end"],
        found=None if case["delay_h"] is None else injection.onset + round(case["delay_h"] * 3_600_000),
        severity=case["severity"],
        window=(since, until),
        curves={name: curves[name] for name in signals(injection.fault)},
        scores=scores(alarms, now),
        alarms=spans,
    )


def signals(fault: str) -> list[str]:
    """Return the signals that show a fault best, as its picture has them."""
    known = catalogue().get(fault)
    best = [panel.signal for panel in known.panels if panel.signal in SIGNAL_NAMES] if known else []
    return list(dict.fromkeys([*best, *ALWAYS]))[:SIGNALS]


def scores(alarms: pl.DataFrame, now: int) -> dict[str, Points]:
    """Return times and scores of open alarms by title: where the score passed the limit, when raised, and now."""
    found: dict[str, Points] = {}
    for row in alarms.iter_rows(named=True):
        evidence = decode(row["evidence"])
        if evidence is None or row["raised"] is None:
            continue
        raised = row["raised"]
        points = [(raised - round(1000 * evidence.above_s), 1.0), (raised, evidence.score)]
        if row["score_now"] is not None:
            points.append((max(now, raised), float(row["score_now"])))
        found[row["title"]] = points
    return found
