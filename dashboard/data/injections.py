"""Injections of the running fleet, whoever commanded them, each with what became of it: detected, when, as what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.truth.injections import MS_PER_H
from dashboard import clocks, formatting
from dashboard.data.live_scorecard import Score
from dashboard.data.memo import remembered

MAX_SHOWN: Final = 100
"""Injections that the page lists, newest first; the others are counted."""
SAME_MS: Final = 180_000
SAME_WALL_MS: Final = 2_000
"""Therapy time, and wall-clock time, within which the same fault by the same person is one injection."""
SCENARIO: Final = "scenario"
"""Who injected what nobody commanded."""


@dataclass(frozen=True)
class Injection:
    """A fault that began at one time, on one pump or many. Times are therapy ms; `ended` is None while one has it.

    `severity` is the lowest and the highest. Of the `pumps`, `detected` are those with an alarm that expects the fault,
    `correct` those whose alarm names the right cause, `pending` those for which it is too early to tell. `first` is the
    rule of the first alarm, `found` when it was raised and `took_s` how long that took, `expected` whether any alarm is
    expected.
    """

    fault: str
    onset: int
    by: str
    severity: tuple[float, float]
    pumps: tuple[str, ...]
    ended: int | None
    running: int
    detected: int
    correct: int
    pending: int
    found: int | None
    took_s: float | None
    first: str
    expected: bool

    @property
    def key(self) -> str:
        """What identifies it in an address."""
        return key_of(self.fault, self.onset)


def key_of(fault: str, onset: int) -> str:
    """Return what identifies the injection of a fault at a therapy time (ms) in an address."""
    return f"{fault}@{onset}"


def injections(score: Score, shown: str = "all") -> tuple[list[Injection], int]:
    """Return the newest injections, and how many more there were; `shown` is "all", "running" or "ended"."""
    found = grouped(score)
    if shown in {"running", "ended"}:
        found = found.filter((pl.col("running") > 0) == (shown == "running"))
    return [_injection(row, score) for row in found.head(MAX_SHOWN).iter_rows(named=True)], max(
        0, found.height - MAX_SHOWN
    )


def find(score: Score, key: str | None) -> Injection | None:
    """Return the injection that a key identifies, None if there is none."""
    fault, _, onset = (key or "").partition("@")
    if not onset.isdecimal():
        return None
    at = int(onset[:15])
    found = grouped(score).filter((pl.col("fault") == fault) & pl.lit(at).is_between(pl.col("onset"), pl.col("latest")))
    return None if found.is_empty() else _injection(found.row(0, named=True), score)


@remembered
def grouped(score: Score) -> pl.DataFrame:
    """Return one row per injection, newest first, with columns as the fields of `Injection`.

    What one person injects into the pumps of several gateways begins at slightly different times, which are one
    injection; what a scenario does begins at exactly one time.
    """
    apart = pl.when(pl.col("injected_by") == "").then(0).otherwise(max(SAME_MS, round(SAME_WALL_MS * score.speed)))
    begins = (
        (pl.col("fault") != pl.col("fault").shift())
        | (pl.col("injected_by") != pl.col("injected_by").shift())
        | (pl.col("onset").diff() > apart)
    )
    cases = score.found.injections.sort("fault", "injected_by", "onset", "pump")
    return (
        cases.with_columns(begins.fill_null(value=True).cum_sum().alias("group"))
        .group_by("group")
        .agg(
            pl.col("fault", "injected_by", "onset").first(),
            pl.col("onset").last().alias("latest"),
            pl.col("severity").min().alias("low"),
            pl.col("severity").max().alias("high"),
            pl.col("pump").unique(maintain_order=True),
            pl.col("end").max().alias("ended"),
            pl.col("end").null_count().alias("running"),
            pl.col("detected").sum(),
            pl.col("right_cause").sum(),
            pl.col("undecided").sum(),
            pl.col("delay_h").min(),
            (pl.col("onset") + (pl.col("delay_h") * MS_PER_H).round().cast(pl.Int64)).min().alias("found"),
            pl.col("by").sort_by("delay_h", nulls_last=True).drop_nulls().first(),
        )
        .sort("onset", "fault", descending=[True, False])
    )


def _injection(row: dict[str, Any], score: Score) -> Injection:
    return Injection(
        fault=row["fault"],
        onset=row["onset"],
        by=row["injected_by"] or SCENARIO,
        severity=(row["low"], row["high"]),
        pumps=tuple(row["pump"]),
        ended=None if row["running"] else row["ended"],
        running=row["running"],
        detected=row["detected"],
        correct=row["right_cause"],
        pending=row["undecided"],
        found=row["found"],
        took_s=None if row["delay_h"] is None else row["delay_h"] * 3600,
        first=row["by"] or "",
        expected=row["fault"] in score.expected,
    )


def outcome(injection: Injection, score: Score) -> str:
    """Return what became of an injection: "detected 14:09 (7 min), correct cause"."""
    many = len(injection.pumps) > 1
    if not injection.detected:
        if not injection.expected:
            return "no alarm expected"
        return "pending" if injection.pending else "not detected"
    share = f" on {injection.detected:,} of {len(injection.pumps):,} pumps" if many else ""
    if injection.found is None:
        return f"already in alarm when it began{share}: {score.title(injection.first)}"
    took = "; ".join(filter(None, (formatting.span(injection.took_s), clocks.here(injection.took_s, score.speed))))
    when = f"{'first ' if many else ''}detected {formatting.clock(injection.found)} ({took}){share}"
    if not injection.correct:
        return f"{when}, as {score.title(injection.first)}"
    return f"{when}, correct cause{f' on {injection.correct:,}' if many else ''}"
