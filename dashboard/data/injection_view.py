"""What the chart of an injection shows: one pump's signals, scores and alarms around the time of the fault."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from broker.contract.evidence import decode
from broker.contract.signals import SIGNAL_NAMES
from broker.store.snapshot import Snapshot
from dashboard.data import queries, trends
from dashboard.data.fault_catalogue import catalogue
from dashboard.data.injections import Injection
from dashboard.data.rules import titles
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
MAX_JUDGED_MS: Final = 30 * 24 * 3_600_000
"""A longer time is not judged again."""
MAX_RULES: Final = 5
"""Curves of scores in one chart."""
Points = list[tuple[int, float]]


@dataclass(frozen=True)
class InjectionView:
    """One injection on one pump, times in therapy ms. `found` is the first alarm that detected it on this pump.

    `scores` are times and scores by the title of their rule, as the detectors judged the history; `judged` is False if
    they could not be computed: then they are those of open alarms at the limit, when raised, and now. `alarms` are
    as `alarm_spans` returns them.
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
    judged: bool = False


def window(onset: int, ended: int | None, now: int) -> tuple[int, int]:
    """Return the part of time around a fault that is shown: a quarter of its duration before it, and some after it."""
    until = max(onset + MIN_BEFORE_MS, now if ended is None else min(now, ended + AFTER_MS))
    before = min(MAX_BEFORE_MS, max(MIN_BEFORE_MS, (until - onset) // 4))
    return onset - before, until


def outline(data: DataService, injection: Injection, cases: pl.DataFrame, pump: str) -> InjectionView:
    """Return what is known of an injection on one of its pumps without its history: times and severity.

    `cases` are the injections of the score.
    """
    snapshot = data.snapshot()
    now = queries.therapy_now(snapshot, queries.pump_row(snapshot, pump))
    case = cases.filter(
        (pl.col("pump") == pump) & (pl.col("fault") == injection.fault) & (pl.col("onset") == injection.onset)
    ).row(0, named=True)
    return InjectionView(
        key=injection.key,
        pump=pump,
        onset=injection.onset,
        ended=case["end"],
        found=None if case["delay_h"] is None else injection.onset + round(case["delay_h"] * 3_600_000),
        severity=case["severity"],
        window=window(injection.onset, case["end"], now),
        curves={},
        scores={},
        alarms=pl.DataFrame(),
    )


def view(data: DataService, injection: Injection, cases: pl.DataFrame, pump: str) -> InjectionView:
    """Return what the chart shows of an injection on one of its pumps, with its history."""
    known, snapshot = outline(data, injection, cases, pump), data.snapshot()
    now = queries.therapy_now(snapshot, queries.pump_row(snapshot, pump))
    since, until = known.window
    samples = (data.long_trend if until - since >= LONG_MS else data.trend)(pump, since, until)
    curves = trends.curves(samples, MAX_POINTS)
    alarms = queries.alarms_of(snapshot, pump)
    again = judged(data, injection.fault, pump, known.window)
    spans = alarm_spans(alarms, data.events(pump), now).filter(pl.col("end") >= since, pl.col("start") <= until)
    return replace(
        known,
        curves={name: curves[name] for name in signals(injection.fault)},
        scores=scores(alarms, now) if again is None else again,
        alarms=spans,
        judged=again is not None,
    )


def alarm_spans(alarms: pl.DataFrame, events: pl.DataFrame, now: int) -> pl.DataFrame:
    """Return every alarm of a pump by the time it was raised: alarm, title, priority, start, end, suppressed.

    `alarms` are the open ones that are shown, `events` those of the journal. The first alarm about a fault is often
    suppressed a little later by one that names its cause; it has detected the fault all the same.
    """
    about = events.sort("time", maintain_order=True)
    raised = about.filter(pl.col("kind") == "raised").unique("alarm", keep="first")
    ends = about.filter(pl.col("kind").is_in(["cleared", "returned"])).group_by("alarm").agg(pl.col("time").first())
    held = (
        about.filter(pl.col("kind").is_in(["held", "released"]))
        .group_by("alarm")
        .agg((pl.col("kind").last() == "held").alias("suppressed"))
    )
    known = raised.select("alarm", "title", "priority", pl.col("time").alias("start"))
    unknown = alarms.join(known, on="alarm", how="anti")
    recent = unknown.select("alarm", "title", "priority", pl.coalesce("raised", "onset").alias("start"))
    return (
        pl.concat([known, recent])
        .join(ends.rename({"time": "end"}), on="alarm", how="left")
        .join(held, on="alarm", how="left")
        .with_columns(pl.col("end").fill_null(now), pl.col("suppressed").fill_null(value=False))
        .drop_nulls()
        .sort("start", "alarm")
    )


def judged(data: DataService, fault: str, pump: str, span: tuple[int, int]) -> dict[str, Points] | None:
    """Return the scores in a time of the rules that detect a fault, as the detectors judge the history, by title.

    The rules that give its correct cause come first; None if the time is too long or there is no history of it.
    """
    if span[1] - span[0] > MAX_JUDGED_MS:
        return None
    snapshot = data.snapshot()
    rules = watching(fault, snapshot)
    frame = data.replays.of(data.trend, pump, span, rules)
    if frame is None or frame.is_empty():
        return None
    names = titles(snapshot)
    found = {name: frame.select("time", name).drop_nulls() for name in rules if name in frame.columns}
    return {names.get(name, name): [*points.iter_rows()] for name, points in found.items() if points.height}


def watching(fault: str, snapshot: Snapshot) -> list[str]:
    """Return the rules that identify or detect a fault, the most telling first, `MAX_RULES` at most."""
    targets = snapshot.health.rule_targets
    first = [rule for rule, target in targets.items() if fault in target.identifies]
    more = [rule for rule, target in targets.items() if fault in target.detects]
    return [*first, *more][:MAX_RULES]


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
