"""This file counts how well the alarms told what was really wrong: what `pumpwatch score` reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.store.snapshot import PRIORITY_CODE
from broker.truth.injections import MS_PER_H
from broker.truth.matching import FALSE, SECONDARY, Matched, match, spread
from processor.rules import RULES, Rule
from trials.playback import Playback, expected

BANDS: Final = ((0.0, 0.3), (0.3, 0.5), (0.5, 1.0))
"""Severities that are told apart: from the first to below the second, the last including 1."""
STEPS: Final = 20
"""Severities are also told apart by steps of one in so many."""
BARS: Final = (0.3, 0.5)
"""Recall is told of all injections of at least these severities."""
NEAR_H: Final = 24
"""An event this long before a false alarm is named with it."""


@dataclass(frozen=True)
class Score:
    """A course and what was found in it: `found` as `broker.truth.matching.match` returns it.

    `visible` are the faults for which the alarm list has an alarm.
    """

    course: Playback
    found: Matched
    visible: frozenset[str]


def judge(course: Playback, rules: tuple[Rule, ...] = RULES) -> Score:
    """Match what was alarmed with what was wrong."""
    wanted = expected(rules)
    return Score(
        course,
        match(course.injections, course.alarms, wanted, course.end_ms, course.members),
        frozenset(wanted["fault"]),
    )


def report(score: Score) -> dict[str, Any]:
    """Return the score as `--json` writes it: rates, then every fault, then each false alarm and missed injection."""
    course, found = score.course, score.found
    scenario = course.scenario
    false = found.alarms.filter(pl.col("verdict") == FALSE)
    alarms = {"": false, "_announced": false.drop_nulls("shown"), "_high": false.filter(pl.col("priority") == 1)}
    per_day = {f"false_alarms{kind}": (frame.height, frame.height / course.pump_days) for kind, frame in alarms.items()}
    return {
        "pumps": scenario.pumps,
        "days": round((course.end_ms - course.start_ms) / MS_PER_H / 24, 6),
        "interval_s": scenario.interval_s,
        "seed": scenario.seed,
        "samples": course.samples,
        "samples_refused": course.refused,
        "seconds": round(course.seconds, 3),
        "pump_days": course.pump_days,
        **{name: count for name, (count, _) in per_day.items()},
        **{f"{name}_per_pump_day": rate for name, (_, rate) in per_day.items()},
        "secondary_alarms": found.alarms.filter(pl.col("verdict") == SECONDARY).height,
        "alarms_per_pump_day": {
            name: found.alarms.filter(pl.col("priority") == code).height / course.pump_days
            for name, code in PRIORITY_CODE.items()
        },
        "recall": {f"severity_from_{least}": recall(score, least) for least in BARS},
        "faults": {name: _fault(score, name) for name in sorted(set(found.injections["fault"]))},
        "false": false_alarms(score).to_dicts(),
        "missed": missed(score).to_dicts(),
    }


def recall(score: Score, least: float) -> dict[str, float | int | None]:
    """Return how many injections of at least that severity could be found, and the shares that were; null of none."""
    return _shares(decided(score).filter(pl.col("severity") >= pl.lit(least, pl.Float32)))


def decided(score: Score) -> pl.DataFrame:
    """Return the injections that count: of visible faults, and found or past their time."""
    return score.found.injections.filter(pl.col("fault").is_in(score.visible) & ~pl.col("undecided"))


def missed(score: Score) -> pl.DataFrame:
    """Return the injections that nothing found, with the hours they lasted and what else was alarmed of the pump."""
    course, found = score.course, score.found
    lost = decided(score).filter(~pl.col("detected")).with_row_index("case")
    others = found.alarms.select("pump", "rule", "raised").join(lost.select("case", "pump", "onset", "end"), on="pump")
    during = others.filter(pl.col("raised").is_between("onset", pl.col("end").fill_null(course.end_ms)))
    named = during.group_by("case").agg(pl.col("rule").unique().sort().str.join(", ").alias("alarmed"))
    return (
        lost.join(named, on="case", how="left", maintain_order="left")
        .select(
            "pump",
            "fault",
            pl.col("severity").cast(pl.Float64).round(3),
            _hours_in(course, "onset"),
            ((pl.col("end").fill_null(course.end_ms) - pl.col("onset")) / MS_PER_H).round(2).alias("lasted_h"),
            pl.col("alarmed").fill_null(""),
        )
        .sort("fault", "severity", descending=[False, True], maintain_order=True)
    )


def false_alarms(score: Score) -> pl.DataFrame:
    """Return the false alarms, each with the latest healthy event of its pump within `NEAR_H` hours before it."""
    false = score.found.alarms.filter(pl.col("verdict") == FALSE)
    events = score.course.events.select("pump", "event", "time").sort("time")
    near = false.sort("raised").join_asof(
        events,
        left_on="raised",
        right_on="time",
        by="pump",
        strategy="backward",
        tolerance=NEAR_H * MS_PER_H,
        check_sortedness=False,
    )
    return near.select(
        "pump",
        "rule",
        pl.col("priority").replace_strict({code: name for name, code in PRIORITY_CODE.items()}, return_dtype=pl.String),
        _hours_in(score.course, "raised"),
        ((pl.col("returned") - pl.col("raised")) / MS_PER_H).round(2).alias("lasted_h"),
        pl.col("shown").is_not_null().alias("announced"),
        pl.col("event").fill_null(""),
        ((pl.col("raised") - pl.col("time")) / MS_PER_H).round(2).alias("event_h_before"),
    )


def _hours_in(course: Playback, column: str) -> pl.Expr:
    return ((pl.col(column) - course.start_ms) / MS_PER_H).round(3).alias("at_h")


def _fault(score: Score, name: str) -> dict[str, Any]:
    injections, judged = score.found.injections.filter(fault=name), decided(score).filter(fault=name)
    return {
        "injected": injections.height,
        "undecided": injections["undecided"].sum(),
        "visible": name in score.visible,
        **{column: int(injections[column].sum()) for column in ("detected", "right_cause", "announced")},
        "right_cause_announced": int(injections["right_announced"].sum()),
        "recall": _shares(judged)["detected"],
        "time_to_detect_h": spread(injections["delay_h"]),
        "time_to_right_cause_h": spread(injections["right_delay_h"]),
        "first": dict(injections["by"].drop_nulls().value_counts(sort=True).iter_rows()),
        "by_severity": [
            {"from": low, "to": high, **_shares(judged.filter(_in_band(low, high)))} for low, high in BANDS
        ],
        "severities": [
            {
                "severity": step / STEPS,
                **_shares(rung := judged.filter(_step() == step)),
                "time_to_detect_h": spread(rung["delay_h"]),
            }
            for step in judged.select(_step().unique().sort()).to_series()
        ],
    }


def _in_band(low: float, high: float) -> pl.Expr:
    return pl.col("severity").is_between(pl.lit(low, pl.Float32), pl.lit(high, pl.Float32), closed="left") | (
        (pl.col("severity") == 1.0) & (high == 1.0)
    )


def _step() -> pl.Expr:
    return (pl.col("severity") * STEPS).round().cast(pl.Int32).alias("step")


def _shares(judged: pl.DataFrame) -> dict[str, float | int | None]:
    count = judged.height
    shares = {name: int(judged[name].sum()) / count if count else None for name in ("detected", "right_cause")}
    return {"injected": count, **shares}
