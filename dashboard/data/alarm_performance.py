"""Alarm system performance metrics from the journal, with the targets of ISA-18.2 and EEMUA 191.

Times are therapy time, so at a higher simulation speed the figures are those of the same fleet at real time. Targets
are cited as far as the standards are public; modeling choices are marked as such.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from dashboard.data import alarm_metrics
from dashboard.data.alarm_metrics import Metric
from dashboard.languages import tr_later

MINUTE_MS: Final = 60_000
HOUR_MS: Final = alarm_metrics.HOUR_MS
DAY_MS: Final = alarm_metrics.DAY_MS
WINDOW_MS: Final = 30 * DAY_MS
"""Period that is evaluated: ISA-18.2 asks for at least 30 days."""
BIN_MS: Final = alarm_metrics.BIN_MS
FLOOD_START: Final = alarm_metrics.FLOOD_START
FLOOD_END: Final = 5
"""A flood starts with more than 10 alarms in 10 minutes per operator and ends with fewer than 5."""
MIN_CHATTERING: Final = 3
"""Annunciations within a minute from which an alarm is chattering."""
FLEETING_MS: Final = MINUTE_MS
STALE_MS: Final = DAY_MS
MAX_BAD_ACTORS: Final = 10
TARGET_SHARE: Final = {1: 0.05, 2: 0.15, 3: 0.80}
"""Of annunciated alarms: 5 % high, 15 % medium, 80 % low."""
_ANNUNCIATIONS: Final = ("raised", "released", "realarmed")


@dataclass(frozen=True)
class Report:
    """Performance of the alarm system over `span_ms`: number of annunciated alarms, metrics and tables."""

    span_ms: int
    annunciated: int
    metrics: tuple[Metric, ...]
    load: pl.DataFrame
    floods: pl.DataFrame
    actors: pl.DataFrame
    mix: pl.DataFrame


def annunciated(events: pl.DataFrame) -> pl.DataFrame:
    """Return the journal entries of annunciated alarms, oldest first: neither suppressed nor shelved at the time."""
    entries = events.filter(pl.col("time").is_not_null() & pl.col("alarm").is_not_null()).reverse()
    aside = (
        pl.when(pl.col("kind").is_in(["shelved", "out_of_service"]))
        .then(pl.lit(value=True))
        .when(pl.col("kind").is_in(["unshelved", "in_service"]))
        .then(pl.lit(value=False))
        .forward_fill()
        .over("alarm")
        .fill_null(value=False)
    )
    suppressed = entries.filter(pl.col("kind") == "held").select("alarm", "time").unique()
    active = entries.filter(pl.col("kind").is_in(_ANNUNCIATIONS) & ~aside)
    raised = active.filter(pl.col("kind") == "raised").join(suppressed, on=["alarm", "time"], how="anti")
    return pl.concat([raised, active.filter(pl.col("kind") != "raised")]).sort("time")


def load(annunciations: pl.DataFrame, since: int, now: int) -> pl.DataFrame:
    """Return the annunciated `alarms` in each 10 minutes from `since` to `now`; `time` is the start of each."""
    first = since // BIN_MS
    bins = pl.DataFrame({"bin": pl.int_range(first, max(now // BIN_MS, first) + 1, eager=True)})
    counted = annunciations.group_by((pl.col("time") // BIN_MS).alias("bin")).agg(pl.len().alias("alarms"))
    joined = bins.join(counted, on="bin", how="left", maintain_order="left")
    return joined.select((pl.col("bin") * BIN_MS).alias("time"), pl.col("alarms").fill_null(0).cast(pl.Int64))


def floods(annunciations: pl.DataFrame, now: int, operators: float = 1.0) -> pl.DataFrame:
    """Return each flood: begin, end (null: ongoing) and its annunciated `alarms`.

    Counted in a moving window of 10 minutes.
    """
    steps = pl.concat(
        [
            annunciations.select("time", pl.lit(1).alias("step")),
            annunciations.select(pl.col("time") + BIN_MS, pl.lit(-1).alias("step")),
        ]
    )
    flooded = pl.when(pl.col("level") > FLOOD_START).then(1).when(pl.col("level") < FLOOD_END).then(0).forward_fill()
    levels = (
        steps.group_by("time")
        .agg(pl.col("step").sum())
        .sort("time")
        .with_columns((pl.col("step").cum_sum() / operators).alias("level"))
        .filter(pl.col("time") <= now)
        .with_columns(flooded.fill_null(0).alias("flooded"))
        .with_columns(pl.col("flooded").rle_id().alias("run"))
    )
    runs = levels.group_by("run", maintain_order=True).agg(
        pl.col("flooded").first(), pl.col("time").first().alias("begin")
    )
    found = runs.with_columns(pl.col("begin").shift(-1).alias("end")).filter(pl.col("flooded") == 1)
    within = [
        annunciations.filter(pl.col("time").is_between(begin - BIN_MS, end or now, closed="right")).height
        for begin, end in found.select("begin", "end").iter_rows()
    ]
    return found.select("begin", "end").with_columns(pl.Series("alarms", within, dtype=pl.Int64))


def chattering(annunciations: pl.DataFrame) -> pl.DataFrame:
    """Return subjects and rules with `MIN_CHATTERING` annunciations or more within a minute."""
    raised = annunciations.filter(pl.col("kind") == "raised").sort("time")
    if raised.is_empty():
        return raised.select("subject", "rule")
    often = raised.rolling("time", period=f"{MINUTE_MS}i", closed="both", group_by=["subject", "rule"]).agg(
        pl.len().alias("times")
    )
    return often.filter(pl.col("times") >= MIN_CHATTERING).select("subject", "rule").unique(maintain_order=True)


def fleeting(events: pl.DataFrame) -> pl.DataFrame:
    """Return the entries of alarms raised once that returned to normal within a minute, without operator action."""
    entries = events.filter(pl.col("alarm").is_not_null()).reverse()
    after = entries.with_columns(
        pl.col("kind").shift(-1).over("alarm").alias("next"),
        (pl.col("time").shift(-1).over("alarm") - pl.col("time")).alias("lasted"),
        (pl.col("kind") == "raised").sum().over("alarm").alias("times"),
    )
    brief = (pl.col("kind") == "raised") & pl.col("next").is_in(["returned", "cleared"])
    return after.filter(brief & (pl.col("lasted") <= FLEETING_MS) & (pl.col("times") == 1)).select(events.columns)


def stale(events: pl.DataFrame, now: int) -> pl.DataFrame:
    """Return alarms standing for more than a day: alarm, title and time raised (therapy ms)."""
    entries = events.filter(pl.col("alarm").is_not_null()).reverse()
    conditions = entries.filter(pl.col("kind").is_in(["raised", "returned", "cleared"]))
    last = conditions.group_by("alarm", maintain_order=True).agg(
        pl.col("kind").last(), pl.col("time").last(), pl.col("title").last()
    )
    return last.filter((pl.col("kind") == "raised") & (now - pl.col("time") > STALE_MS)).select(
        "alarm", "title", "time"
    )


def bad_actors(annunciations: pl.DataFrame) -> pl.DataFrame:
    """Return the ten most frequent subjects and rules: subject, pump, title, priority, `alarms` and share of all."""
    return (
        annunciations.group_by("subject", "rule", maintain_order=True)
        .agg(pl.col("pump", "title", "priority").first(), pl.len().cast(pl.Int64).alias("alarms"))
        .with_columns((pl.col("alarms") / max(1, annunciations.height)).alias("share"))
        .sort("alarms", descending=True, maintain_order=True)
        .head(MAX_BAD_ACTORS)
        .select("subject", "pump", "title", "priority", "alarms", "share")
    )


def mix(annunciations: pl.DataFrame) -> pl.DataFrame:
    """Return for each priority the annunciated `alarms`, their share and the target share."""
    counted = dict(annunciations.group_by("priority").len().iter_rows())
    rows = [(code, counted.get(code, 0), counted.get(code, 0) / max(1, annunciations.height), share)
            for code, share in TARGET_SHARE.items()]  # fmt: skip
    schema = {"priority": pl.Int8, "alarms": pl.Int64, "share": pl.Float64, "target": pl.Float64}
    return pl.DataFrame(rows, schema, orient="row")


def report(events: pl.DataFrame, now: int, operators: int = 1) -> Report:
    """Return the performance of the alarm system up to `now` (therapy ms) per operator; `events` are newest first."""
    recent = events.filter(pl.col("time").is_null() | pl.col("time").is_between(now - WINDOW_MS, now))
    first = recent["time"].min()
    since = int(first) if isinstance(first, int) else now
    annunciations = annunciated(recent)
    loaded, flooded = load(annunciations, since, now), floods(annunciations, now, operators)
    actors = bad_actors(annunciations)
    span = max(1, now - since)
    metrics = (
        *alarm_metrics.rates(annunciations.height / operators, loaded, span, operators),
        alarm_metrics.flooding(flooded, span, now),
        alarm_metrics.counted(
            tr_later("Chattering"),
            chattering(annunciations).height,
            tr_later("none"),
            tr_later("3 or more within a minute"),
        ),
        alarm_metrics.counted(
            tr_later("Fleeting"),
            fleeting(recent).height,
            tr_later("none"),
            tr_later("returned within a minute, without action"),
        ),
        alarm_metrics.counted(
            tr_later("Stale"),
            stale(recent, now).height,
            tr_later("none, below 5 on any day"),
            tr_later("standing for over a day"),
            maximum=4,
        ),
        alarm_metrics.frequent(actors, annunciations),
        alarm_metrics.priorities(mix(annunciations), annunciations),
    )
    return Report(span, annunciations.height, metrics, loaded, flooded, actors, mix(annunciations))
