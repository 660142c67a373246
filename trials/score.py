"""Score of the alarms against the ground truth, as reported by `pumpwatch score`."""

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
"""Severity bands: from the first value to below the second; the last band includes 1."""
STEPS: Final = 20
"""Number of severity steps between 0 and 1, for the finer breakdown."""
RECALL_SEVERITIES: Final = (0.3, 0.5)
"""Minimum severities for which the overall detection rate is reported."""
MAX_EVENT_AGE_H: Final = 24
"""Age up to which the latest event on a pump is reported with a false alarm."""


@dataclass(frozen=True)
class Score:
    """A playback and its injections and alarms as matched by `broker.truth.matching.match`.

    `visible` are the faults for which at least one rule is expected; only these count in rates.
    """

    playback: Playback
    matched: Matched
    visible: frozenset[str]


def judge(playback: Playback, rules: tuple[Rule, ...] = RULES) -> Score:
    """Match the alarms of a playback with its injections."""
    expected_rules = expected(rules)
    return Score(
        playback,
        match(playback.injections, playback.alarms, expected_rules, playback.end_ms, playback.members),
        frozenset(expected_rules["fault"]),
    )


def report(score: Score) -> dict[str, Any]:
    """Return the score as written by `--json`: rates, every fault, every false alarm and every missed injection."""
    playback, matched = score.playback, score.matched
    scenario = playback.scenario
    false = matched.alarms.filter(pl.col("verdict") == FALSE)
    kinds = {"": false, "_announced": false.drop_nulls("shown"), "_high": false.filter(pl.col("priority") == 1)}
    false_counts = {f"false_alarms{kind}": alarms.height for kind, alarms in kinds.items()}
    return {
        "pumps": scenario.pumps,
        "days": round((playback.end_ms - playback.start_ms) / MS_PER_H / 24, 6),
        "interval_s": scenario.interval_s,
        "seed": scenario.seed,
        "samples": playback.samples,
        "samples_refused": playback.rejected,
        "seconds": round(playback.seconds, 3),
        "pump_days": playback.pump_days,
        **false_counts,
        **{f"{name}_per_pump_day": count / playback.pump_days for name, count in false_counts.items()},
        "secondary_alarms": matched.alarms.filter(pl.col("verdict") == SECONDARY).height,
        "alarms_per_pump_day": {
            name: matched.alarms.filter(pl.col("priority") == code).height / playback.pump_days
            for name, code in PRIORITY_CODE.items()
        },
        "recall": {f"severity_from_{severity}": recall(score, severity) for severity in RECALL_SEVERITIES},
        "faults": {name: _fault(score, name) for name in sorted(set(matched.injections["fault"]))},
        "false": false_alarms(score).to_dicts(),
        "missed": missed(score).to_dicts(),
    }


def recall(score: Score, min_severity: float) -> dict[str, float | int | None]:
    """Return the number of injections of at least that severity, the detection rate and the rate of correct causes.

    Rates are None if there was no such injection.
    """
    return _rates(decided(score).filter(pl.col("severity") >= pl.lit(min_severity, pl.Float32)))


def decided(score: Score) -> pl.DataFrame:
    """Return the injections that count in rates: of visible faults, and not undecided."""
    return score.matched.injections.filter(pl.col("fault").is_in(score.visible) & ~pl.col("undecided"))


def missed(score: Score) -> pl.DataFrame:
    """Return the undetected injections, with their duration and the other alarms of the pump during that time."""
    playback, matched = score.playback, score.matched
    undetected = decided(score).filter(~pl.col("detected")).with_row_index("case")
    periods = undetected.select("case", "pump", "onset", "end")
    alarms = matched.alarms.select("pump", "rule", "raised").join(periods, on="pump")
    during = alarms.filter(pl.col("raised").is_between("onset", pl.col("end").fill_null(playback.end_ms)))
    rules = during.group_by("case").agg(pl.col("rule").unique().sort().str.join(", ").alias("alarmed"))
    return (
        undetected.join(rules, on="case", how="left", maintain_order="left")
        .select(
            "pump",
            "fault",
            pl.col("severity").cast(pl.Float64).round(3),
            _hours_since_start(playback, "onset"),
            ((pl.col("end").fill_null(playback.end_ms) - pl.col("onset")) / MS_PER_H).round(2).alias("lasted_h"),
            pl.col("alarmed").fill_null(""),
        )
        .sort("fault", "severity", descending=[False, True], maintain_order=True)
    )


def false_alarms(score: Score) -> pl.DataFrame:
    """Return the false alarms, each with the latest event on its pump in the `MAX_EVENT_AGE_H` hours before it."""
    false = score.matched.alarms.filter(pl.col("verdict") == FALSE)
    events = score.playback.events.select("pump", "event", "time").sort("time")
    with_events = false.sort("raised").join_asof(
        events,
        left_on="raised",
        right_on="time",
        by="pump",
        strategy="backward",
        tolerance=MAX_EVENT_AGE_H * MS_PER_H,
        check_sortedness=False,
    )
    return with_events.select(
        "pump",
        "rule",
        pl.col("priority").replace_strict({code: name for name, code in PRIORITY_CODE.items()}, return_dtype=pl.String),
        _hours_since_start(score.playback, "raised"),
        ((pl.col("returned") - pl.col("raised")) / MS_PER_H).round(2).alias("lasted_h"),
        pl.col("shown").is_not_null().alias("announced"),
        pl.col("event").fill_null(""),
        ((pl.col("raised") - pl.col("time")) / MS_PER_H).round(2).alias("event_h_before"),
    )


def _hours_since_start(playback: Playback, column: str) -> pl.Expr:
    return ((pl.col(column) - playback.start_ms) / MS_PER_H).round(3).alias("at_h")


def _fault(score: Score, name: str) -> dict[str, Any]:
    injections, counted = score.matched.injections.filter(fault=name), decided(score).filter(fault=name)
    return {
        "injected": injections.height,
        "undecided": injections["undecided"].sum(),
        "visible": name in score.visible,
        **{column: int(injections[column].sum()) for column in ("detected", "right_cause", "announced")},
        "right_cause_announced": int(injections["right_announced"].sum()),
        "recall": _rates(counted)["detected"],
        "time_to_detect_h": spread(injections["delay_h"]),
        "time_to_right_cause_h": spread(injections["right_delay_h"]),
        "first": dict(injections["by"].drop_nulls().value_counts(sort=True).iter_rows()),
        "by_severity": [
            {"from": low, "to": high, **_rates(counted.filter(_in_band(low, high)))} for low, high in BANDS
        ],
        "severities": [
            {
                "severity": step / STEPS,
                **_rates(at_step := counted.filter(_step() == step)),
                "time_to_detect_h": spread(at_step["delay_h"]),
            }
            for step in counted.select(_step().unique().sort()).to_series()
        ],
    }


def _in_band(low: float, high: float) -> pl.Expr:
    return pl.col("severity").is_between(pl.lit(low, pl.Float32), pl.lit(high, pl.Float32), closed="left") | (
        (pl.col("severity") == 1.0) & (high == 1.0)
    )


def _step() -> pl.Expr:
    return (pl.col("severity") * STEPS).round().cast(pl.Int32).alias("step")


def _rates(injections: pl.DataFrame) -> dict[str, float | int | None]:
    count = injections.height
    rates = {name: int(injections[name].sum()) / count if count else None for name in ("detected", "right_cause")}
    return {"injected": count, **rates}
