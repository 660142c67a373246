"""This file measures the alarm system itself from the journal, against the numbers that operators can live with.

Times are therapy time: at real time that is the wall clock, at a higher speed it is the load as it would be then.
Targets are those of ISA-18.2 and EEMUA 191 as far as they are public; what is a modelling choice is said to be one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

MINUTE_MS: Final = 60_000
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
WINDOW_MS: Final = 30 * DAY_MS
"""So much of the past is looked at: the least by which such numbers are to be judged."""
BIN_MS: Final = 10 * MINUTE_MS
FLOOD_BEGINS: Final = 10
FLOOD_ENDS: Final = 5
"""A flood is more than 10 alarms in 10 minutes for an operator, until there are fewer than 5."""
CHATTER: Final = 3
"""So many times within a minute makes an alarm chatter."""
FLEETING_MS: Final = MINUTE_MS
STALE_MS: Final = DAY_MS
TOP: Final = 10
TARGET_SHARE: Final = {1: 0.05, 2: 0.15, 3: 0.80}
"""Of what calls people: 5 % high, 15 % medium, 80 % low."""
_CALLS: Final = ("raised", "released", "realarmed")


@dataclass(frozen=True)
class Measure:
    """One number with its target; `good` is None where there is too little to judge."""

    name: str
    value: float | None
    decimals: int
    unit: str
    target: str
    good: bool | None
    note: str = ""


@dataclass(frozen=True)
class Report:
    """How the alarm system did: over which span (ms), in numbers, and in tables."""

    span_ms: int
    calls: int
    measures: tuple[Measure, ...]
    load: pl.DataFrame
    floods: pl.DataFrame
    actors: pl.DataFrame
    mix: pl.DataFrame


def annunciated(events: pl.DataFrame) -> pl.DataFrame:
    """Return the entries that called people, oldest first: neither held under another alarm nor shelved meanwhile."""
    told = events.filter(pl.col("time").is_not_null() & pl.col("alarm").is_not_null()).reverse()
    aside = (
        pl.when(pl.col("kind").is_in(["shelved", "out_of_service"]))
        .then(pl.lit(value=True))
        .when(pl.col("kind").is_in(["unshelved", "in_service"]))
        .then(pl.lit(value=False))
        .forward_fill()
        .over("alarm")
        .fill_null(value=False)
    )
    held = told.filter(pl.col("kind") == "held").select("alarm", "time").unique()
    loud = told.filter(pl.col("kind").is_in(_CALLS) & ~aside)
    raised = loud.filter(pl.col("kind") == "raised").join(held, on=["alarm", "time"], how="anti")
    return pl.concat([raised, loud.filter(pl.col("kind") != "raised")]).sort("time")


def load(calls: pl.DataFrame, since: int, now: int) -> pl.DataFrame:
    """Return how many alarms called in each 10 minutes from `since` to `now`: time (its begin) and calls."""
    first = since // BIN_MS
    bins = pl.DataFrame({"bin": pl.int_range(first, max(now // BIN_MS, first) + 1, eager=True)})
    counted = calls.group_by((pl.col("time") // BIN_MS).alias("bin")).agg(pl.len().alias("calls"))
    joined = bins.join(counted, on="bin", how="left", maintain_order="left")
    return joined.select((pl.col("bin") * BIN_MS).alias("time"), pl.col("calls").fill_null(0).cast(pl.Int64))


def floods(calls: pl.DataFrame, now: int, operators: float = 1.0) -> pl.DataFrame:
    """Return each flood: begin, end (null: it lasts) and how many alarms called in it.

    Counted in a window of 10 minutes that moves with every alarm that enters or leaves it.
    """
    steps = pl.concat(
        [
            calls.select("time", pl.lit(1).alias("step")),
            calls.select(pl.col("time") + BIN_MS, pl.lit(-1).alias("step")),
        ]
    )
    flooded = pl.when(pl.col("level") > FLOOD_BEGINS).then(1).when(pl.col("level") < FLOOD_ENDS).then(0).forward_fill()
    told = (
        steps.group_by("time")
        .agg(pl.col("step").sum())
        .sort("time")
        .with_columns((pl.col("step").cum_sum() / operators).alias("level"))
        .filter(pl.col("time") <= now)
        .with_columns(flooded.fill_null(0).alias("flooded"))
        .with_columns(pl.col("flooded").rle_id().alias("run"))
    )
    runs = told.group_by("run", maintain_order=True).agg(
        pl.col("flooded").first(), pl.col("time").first().alias("begin")
    )
    found = runs.with_columns(pl.col("begin").shift(-1).alias("end")).filter(pl.col("flooded") == 1)
    within = [
        calls.filter(pl.col("time").is_between(begin - BIN_MS, end or now, closed="right")).height
        for begin, end in found.select("begin", "end").iter_rows()
    ]
    return found.select("begin", "end").with_columns(pl.Series("calls", within, dtype=pl.Int64))


def chattering(calls: pl.DataFrame) -> pl.DataFrame:
    """Return the subjects and rules that called three times or more within a minute."""
    raised = calls.filter(pl.col("kind") == "raised").sort("time")
    if raised.is_empty():
        return raised.select("subject", "rule")
    often = raised.rolling("time", period=f"{MINUTE_MS}i", closed="both", group_by=["subject", "rule"]).agg(
        pl.len().alias("times")
    )
    return often.filter(pl.col("times") >= CHATTER).select("subject", "rule").unique(maintain_order=True)


def fleeting(events: pl.DataFrame) -> pl.DataFrame:
    """Return the entries of what was raised once and was over within a minute, before anybody did anything."""
    told = events.filter(pl.col("alarm").is_not_null()).reverse()
    after = told.with_columns(
        pl.col("kind").shift(-1).over("alarm").alias("next"),
        (pl.col("time").shift(-1).over("alarm") - pl.col("time")).alias("lasted"),
        (pl.col("kind") == "raised").sum().over("alarm").alias("times"),
    )
    brief = (pl.col("kind") == "raised") & pl.col("next").is_in(["returned", "cleared"])
    return after.filter(brief & (pl.col("lasted") <= FLEETING_MS) & (pl.col("times") == 1)).select(events.columns)


def stale(events: pl.DataFrame, now: int) -> pl.DataFrame:
    """Return what has stood for more than a day: alarm, title and since when (therapy ms)."""
    told = events.filter(pl.col("alarm").is_not_null()).reverse()
    conditions = told.filter(pl.col("kind").is_in(["raised", "returned", "cleared"]))
    last = conditions.group_by("alarm", maintain_order=True).agg(
        pl.col("kind").last(), pl.col("time").last(), pl.col("title").last()
    )
    return last.filter((pl.col("kind") == "raised") & (now - pl.col("time") > STALE_MS)).select(
        "alarm", "title", "time"
    )


def bad_actors(calls: pl.DataFrame) -> pl.DataFrame:
    """Return the ten subjects and rules that called most often: subject, pump, title, priority, calls and share."""
    return (
        calls.group_by("subject", "rule", maintain_order=True)
        .agg(pl.col("pump", "title", "priority").first(), pl.len().cast(pl.Int64).alias("calls"))
        .with_columns((pl.col("calls") / max(1, calls.height)).alias("share"))
        .sort("calls", descending=True, maintain_order=True)
        .head(TOP)
        .select("subject", "pump", "title", "priority", "calls", "share")
    )


def mix(calls: pl.DataFrame) -> pl.DataFrame:
    """Return for each priority how many alarms called, their share and the share there ought to be."""
    counted = dict(calls.group_by("priority").len().iter_rows())
    rows = [(code, counted.get(code, 0), counted.get(code, 0) / max(1, calls.height), share)
            for code, share in TARGET_SHARE.items()]  # fmt: skip
    schema = {"priority": pl.Int8, "calls": pl.Int64, "share": pl.Float64, "target": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row")


def report(events: pl.DataFrame, now: int, operators: int = 1) -> Report:
    """Return how the alarm system did until `now` (therapy ms), for so many operators; `events` newest first."""
    recent = events.filter(pl.col("time").is_null() | pl.col("time").is_between(now - WINDOW_MS, now))
    first = recent["time"].min()
    since = int(first) if isinstance(first, int) else now
    calls = annunciated(recent)
    loaded, flooded = load(calls, since, now), floods(calls, now, operators)
    actors = bad_actors(calls)
    span = max(1, now - since)
    measures = (
        *_rates(calls.height / operators, loaded, span, operators),
        _flooding(flooded, span, now),
        _count("Chattering", chattering(calls).height, "none", f"{CHATTER} times or more within a minute"),
        _count("Fleeting", fleeting(recent).height, "none", "returned within a minute, without action"),
        _count("Stale", stale(recent, now).height, "none, below 5 on any day", "standing for more than a day", most=4),
        Measure(
            "Ten most frequent", 100 * float(actors["share"].sum()) if calls.height else None, 0, "% of load",
            "below 5 %", _enough(calls, 200, float(actors["share"].sum()) < 0.05), "of annunciated alarms",
        ),
        _priorities(mix(calls), calls),
    )  # fmt: skip
    return Report(span, calls.height, measures, loaded, flooded, actors, mix(calls))


def _enough(calls: pl.DataFrame, least: int, good: bool) -> bool | None:
    """Judge only what there is enough of."""
    return good if calls.height >= least else None


def _rates(calls: float, loaded: pl.DataFrame, span: int, operators: int) -> tuple[Measure, ...]:
    peak = float(loaded["calls"].max() or 0) / operators  # type: ignore[arg-type]
    per_day, per_hour, per_bin = (calls * part / span for part in (DAY_MS, HOUR_MS, BIN_MS))
    a_day = per_day < 150 if span >= DAY_MS else None
    return (
        Measure("Alarms per day", per_day, 0, "per operator", "below 150; 300 at most", a_day, _over(span, DAY_MS)),
        Measure(
            "Alarms per hour", per_hour, 1, "per operator", "about 6, at most 12", per_hour <= 12, _over(span, HOUR_MS)
        ),
        Measure(
            "Alarms per 10 min", per_bin, 1, "per operator", "about 1, at most 2", per_bin <= 2, _over(span, BIN_MS)
        ),
        Measure("Peak per 10 min", peak, 0, "per operator", "at most 10", peak <= FLOOD_BEGINS),
    )


def _over(span: int, unit: int) -> str:
    return "mean" if span >= unit else "extrapolated"


def _flooding(found: pl.DataFrame, span: int, now: int) -> Measure:
    flooded = float(found.select((pl.col("end").fill_null(now) - pl.col("begin")).sum()).item() or 0)
    note = f"{found.height} flood{'' if found.height == 1 else 's'}"
    lasting = found.height > 0 and found["end"].null_count() > 0
    return Measure(
        "Time in flood", 100 * flooded / span, 1, "%", "below 1 %", flooded / span < 0.01,
        f"{note}, one ongoing" if lasting else note,
    )  # fmt: skip


def _count(name: str, count: int, target: str, note: str, *, most: int = 0) -> Measure:
    return Measure(name, count, 0, "", target, count <= most, note)


def _priorities(found: pl.DataFrame, calls: pl.DataFrame) -> Measure:
    high = float(found["share"][0])
    return Measure(
        "High priority", 100 * high if calls.height else None, 0, "% of load", "about 5 %, with 15 % medium",
        _enough(calls, 20, high <= 0.10), "of annunciated alarms",
    )  # fmt: skip
