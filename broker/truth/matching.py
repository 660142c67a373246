"""Matching of alarms with injected faults: which alarm detected which injection, and which injections were missed.

An injection is one fault on one pump, from its onset to its end. The onset is when the fault was injected, even if it
grows over a ramp; a fault that waits for a refill starts with that refill (`broker.truth.injections.start_at_refill`).
Each fault has its expected rules: those that identify its cause (*correct*) and those that detect it under another
name (*accepted*).

- An alarm of an expected rule, raised on the injection's pump between the onset and `GRACE_MS` after the end, is a
  detection. Time to detect runs from the onset to the first such alarm.
- Overlapping faults on one pump are matched separately, so one alarm may detect several. An alarm raised for one fault
  that still stands at the onset of another detects that one too, without a time to detect.
- Any other alarm on a pump between the onset of an injection and `AFTERMATH_MS` after its end is *secondary*:
  something was wrong, but the alarm names something else.
- A cohort alarm (a model, a lot, a gateway's pumps, the fleet) concerns all pumps of the cohort. It detects every
  injection that expects its rule, if the pumps with such injections are at least `COHORT_SHARE` of the cohort;
  otherwise it is *false*. For an alarm about a silent gateway or fleet, the required share is that at which the alarm
  is raised, and only injections severe enough to silence a pump half of the time count.
- Outages played by a scenario are injections too.
- All remaining alarms are *false*. An alarm counts each time it is raised.
- An undetected injection that continues and is younger than its detection target is *undecided*.

An alarm is *shown* from when no other alarm suppresses it. One that was always suppressed has detected the fault, but
did not announce it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import polars as pl

from broker.contract.cohorts import CROWDS, NO_MEMBERS
from broker.truth.injections import FAR_MS, MS_PER_H

GRACE_MS: Final = 2 * MS_PER_H
"""Time after its end in which a fault can still be detected: delays run on, late samples arrive; modeling choice."""
AFTERMATH_MS: Final = 24 * MS_PER_H
"""Time after a fault's end in which other alarms on its pump are secondary, not false: delayed samples arrive and
averages recover; modeling choice."""
COHORT_SHARE: Final = 0.25
"""Minimum share of a cohort's pumps with an expected injection; fewer are chance; modeling choice."""

QUANTILES: Final = (("p50", 0.5), ("p95", 0.95))
CORRECT: Final = "correct"
ACCEPTED: Final = "accepted"
SECONDARY: Final = "secondary"
FALSE: Final = "false"
_VERDICTS: Final = {0: FALSE, 1: SECONDARY, 2: ACCEPTED, 3: CORRECT}


@dataclass(frozen=True)
class Matched:
    """Injections and alarms with the result of the matching.

    `injections` gains the columns `detected`, `right_cause`, `announced` and `right_announced` (Boolean), `delay_h` and
    `right_delay_h` (time to detect and to the correct cause, Float64; null if no such alarm was raised after the
    onset), `by` (the rule of the first alarm) and `undecided`. `alarms` gains `verdict` (`CORRECT`, `ACCEPTED`,
    `SECONDARY` or `FALSE`) and `fault`, the injected fault that the alarm belongs to.
    """

    injections: pl.DataFrame
    alarms: pl.DataFrame


def match(
    injections: pl.DataFrame, alarms: pl.DataFrame, expected: pl.DataFrame, now: int, members: pl.DataFrame = NO_MEMBERS
) -> Matched:
    """Match injections (`INJECTIONS`) with alarms (`RAISED`) by the expected rules (`EXPECTED`).

    `now` is the current therapy time (ms); `members` (`broker.contract.cohorts.MEMBERS`) lists the pumps of the cohorts
    that alarms are about.
    """
    cases, rows = injections.with_row_index("case"), alarms.with_row_index("row")
    pairs = (
        _by_pump(rows, members)
        .join(cases, on="pump")
        .join(expected.drop("detection_target_h"), on=["fault", "rule"], how="left")
        .with_columns(
            pl.col("end").fill_null(FAR_MS),
            pl.when(pl.col("severity") >= pl.col("min_severity")).then("identifies").alias("identifies"),
        )
    )
    pairs = pairs.filter(_share_reached(pairs))
    caused = pairs.filter(pl.col("raised").is_between("onset", pl.col("end") + AFTERMATH_MS))
    detecting = pl.col("identifies").is_not_null() & (pl.col("raised") <= pl.col("end") + GRACE_MS)
    ranked = caused.with_columns(
        (1 + pl.when(detecting).then(1 + pl.col("identifies").cast(pl.Int8)).otherwise(0)).alias("rank"),
    )
    best = (
        ranked.sort("rank", "onset", descending=True, maintain_order=True)
        .unique("row", keep="first", maintain_order=True)
        .select("row", "rank", "fault")
    )
    verdicts = rows.join(best, on="row", how="left", maintain_order="left").with_columns(
        pl.col("rank").fill_null(0).replace_strict(_VERDICTS, return_dtype=pl.String).alias("verdict")
    )
    standing = pairs.filter(
        pl.col("identifies").is_not_null()
        & (pl.col("raised") < pl.col("onset"))
        & (pl.col("returned").fill_null(FAR_MS) > pl.col("onset"))
    ).join(best, on="row", how="semi")
    detections = _detections(ranked.filter(detecting), standing)
    return Matched(_with_detections(cases, detections, _deadlines(expected), now), verdicts.drop("row", "rank"))


def spread(delay_h: pl.Series) -> dict[str, float | None]:
    """Return the p50 and p95 time to detect over the detected injections; None if none was detected."""
    delays = delay_h.drop_nulls().sort()
    count = delays.len()
    return {name: delays[math.ceil(share * count) - 1] if count else None for name, share in QUANTILES}


def _by_pump(rows: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """Return one row per alarm and pump; `cohort` is the size of the cohort, null if the alarm is about one pump."""
    joined = rows.join(members.rename({"pump": "member"}), left_on="pump", right_on="cohort", maintain_order="left")
    of_cohorts = joined.with_columns(pl.len().over("row").alias("cohort"), pl.col("member").alias("pump"))
    of_pumps = rows.join(joined, on="row", how="anti").with_columns(pl.lit(None, pl.UInt32).alias("cohort"))
    return pl.concat([of_pumps, of_cohorts.drop("member").cast({"cohort": pl.UInt32})])


def _share_reached(pairs: pl.DataFrame) -> pl.Series:
    """Return for each pair whether enough pumps of the cohort have an expected injection when the alarm is raised."""
    fits = pl.col("identifies").is_not_null() & pl.col("raised").is_between("onset", pl.col("end") + GRACE_MS)
    share = pl.when(fits).then("pump").drop_nulls().n_unique().over("row") / pl.col("cohort")
    required = pl.col("rule").replace_strict(CROWDS, default=COHORT_SHARE, return_dtype=pl.Float64)
    return pairs.select((pl.col("cohort").is_null() | (share >= required)).alias("reached")).to_series()


def _detections(raised: pl.DataFrame, standing: pl.DataFrame) -> pl.DataFrame:
    """Return one row per detected case: whether its cause was identified and announced, the delays, and the first rule.

    `raised` are alarms raised after the onset, `standing` those that already stood then.
    """
    columns = ["case", "identifies", "rule", "shown", "end"]
    detecting = pl.concat(
        [
            raised.select(*columns, ((pl.col("raised") - pl.col("onset")) / MS_PER_H).alias("delay_h")),
            standing.select(*columns, pl.lit(None, pl.Float64).alias("delay_h")),
        ]
    ).sort("delay_h", nulls_last=False, maintain_order=True)
    shown = pl.col("shown") <= pl.col("end") + GRACE_MS
    return detecting.group_by("case", maintain_order=True).agg(
        pl.lit(value=True).alias("detected"),
        pl.col("identifies").any().alias("right_cause"),
        shown.any().alias("announced"),
        (shown & pl.col("identifies")).any().alias("right_announced"),
        pl.col("delay_h").min(),
        pl.col("delay_h").filter("identifies").min().alias("right_delay_h"),
        pl.col("rule").first().alias("by"),
    )


def _deadlines(expected: pl.DataFrame) -> pl.DataFrame:
    """Return the detection target (h) per fault: the longest of its identifying rules, else of its detecting rules."""
    target = pl.col("detection_target_h")
    return expected.group_by("fault").agg(pl.coalesce(target.filter("identifies").max(), target.max()))


def _with_detections(cases: pl.DataFrame, detections: pl.DataFrame, deadlines: pl.DataFrame, now: int) -> pl.DataFrame:
    """Return the injections with their detections, and whether each is still undecided at `now` (therapy ms)."""
    young = (now - pl.col("onset")) / MS_PER_H < pl.col("detection_target_h")
    return (
        cases.join(detections, on="case", how="left", maintain_order="left")
        .with_columns(pl.col("detected", "right_cause", "announced", "right_announced").fill_null(value=False))
        .join(deadlines, on="fault", how="left", maintain_order="left")
        .with_columns((~pl.col("detected") & pl.col("end").is_null() & young).fill_null(value=False).alias("undecided"))
        .drop("case", "detection_target_h")
    )
