"""This file makes the snapshot: what the screens see of state, alarms and registry."""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.journal import EVENTS_SCHEMA
from broker.signals import SIGNAL_NAMES
from broker.snapshot import ALARMS_SCHEMA, PUMPS_SCHEMA, band
from processor.alarms import UNACKNOWLEDGED, held_under, state_of
from processor.engine import Rules, score_name
from processor.rules import RULES

FORESEEN_H: Final = 24.0


def visible_alarms(
    alarms: pl.DataFrame, facts: pl.DataFrame, clocks: pl.Series, forecasts: pl.DataFrame, rules: Rules = RULES
) -> pl.DataFrame:
    """Return the open alarms as people see them (`ALARMS_SCHEMA`), each with what it holds under it."""
    if alarms.height == 0:
        return pl.DataFrame(schema=ALARMS_SCHEMA)
    texts = _texts(rules)
    ranked = _under_visible(held_under(alarms, rules)).with_columns(state_of().alias("state"))
    titles = ranked.filter(pl.col("under").is_not_null()).join(texts, on="rule")
    explained = titles.group_by("under").agg(pl.col("title").sort().str.join(", ").alias("explains"))
    numbers = ranked["pump"]
    return (
        ranked.with_columns(
            facts["pump"].gather(numbers).alias("pump"),
            facts["gateway"].gather(numbers).alias("gateway"),
            facts["site"].gather(numbers).alias("site"),
            ((clocks.gather(numbers) - ranked["onset"]) / 1000).alias("age_s"),
            *(forecasts[name].gather(numbers) for name in band("under_dosed_h")),
        )
        .filter(pl.col("under").is_null())
        .join(texts, on="rule", how="left", maintain_order="left")
        .with_columns(_time_left().alias("deadline"))
        .join(explained, left_on="alarm", right_on="under", how="left", maintain_order="left")
        .select(*ALARMS_SCHEMA)
    )


def _under_visible(held: pl.DataFrame) -> pl.DataFrame:
    """Name for each held alarm the visible one above it, also where what holds it is itself held."""
    above = held.select(pl.col("alarm").alias("under"), pl.col("under").alias("above")).drop_nulls()
    while above.height and held["under"].is_in(above["under"].implode()).any():
        held = held.join(above, on="under", how="left", maintain_order="left")
        held = held.with_columns(pl.coalesce("above", "under").alias("under")).drop("above")
    return held


def pumps_frame(
    state: pl.DataFrame,
    alarms: pl.DataFrame,
    facts: pl.DataFrame,
    age_s: pl.Series,
    *,
    forecasts: pl.DataFrame,
    rules: Rules = RULES,
) -> pl.DataFrame:
    """Return one row a pump as people see it (`PUMPS_SCHEMA`); `alarms` are the visible ones, `forecasts` as of now."""
    silent = (
        pl.any_horizontal(pl.col(score_name(rule)) >= 1.0 for rule in rules if rule.detector.judges == "age")
        | pl.col("time").is_null()
    )
    worst = (
        alarms.sort("priority", "onset")
        .group_by("pump", maintain_order=True)
        .agg(
            pl.col("priority").first(),
            pl.len().alias("alarms"),
            (pl.col("state") == UNACKNOWLEDGED).sum().alias("unacknowledged"),
            pl.col("rule").first().alias("worst"),
        )
    )
    shown = state.select("time", "seq", "boot", "program", "flags", *SIGNAL_NAMES, "samples", "missed", "stale",
                         silent.alias("silent"))  # fmt: skip
    whole = pl.concat([facts.drop("owner", "born"), shown, forecasts], how="horizontal").with_columns(
        age_s.alias("age_s")
    )
    if worst.height == 0:
        calm = [pl.lit(0).alias(name) for name in ("priority", "alarms", "unacknowledged")]
        return whole.with_columns(*calm, pl.lit(None, pl.String).alias("worst")).select(*PUMPS_SCHEMA)
    return (
        whole.join(worst, on="pump", how="left", maintain_order="left")
        .with_columns(pl.col("priority", "alarms", "unacknowledged").fill_null(0))
        .select(*PUMPS_SCHEMA)
    )


def events_frame(
    changes: pl.DataFrame, alarms: pl.DataFrame, facts: pl.DataFrame, wall_ms: int, rules: Rules = RULES
) -> pl.DataFrame:
    """Return what `alarms.advance` changed as entries of the journal (`EVENTS_SCHEMA`); `alarms` are those open since.

    Of one that another alarm holds under it the text says so.
    """
    if changes.height == 0:
        return pl.DataFrame(schema=EVENTS_SCHEMA)
    return (
        changes.join(_holders(alarms, rules), on="alarm", how="left", maintain_order="left")
        .join(_texts(rules).select("rule", "title"), on="rule", how="left", maintain_order="left")
        .with_columns(
            facts["pump"].gather(changes["pump"]).alias("pump"),
            pl.lit(wall_ms).alias("at"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in EVENTS_SCHEMA.items())
    )


def _holders(alarms: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return each held alarm with a text that names the one above it."""
    held = held_under(alarms, rules).filter(pl.col("under").is_not_null()).select("alarm", "under")
    above = alarms.select(pl.col("alarm").alias("under"), "rule").join(_texts(rules), on="rule")
    text = pl.format("explained by: {}", "title").alias("text")
    return held.join(above, on="under", how="left", maintain_order="left").select("alarm", text)


def _time_left() -> pl.Expr:
    """Say how long until harm: as forecast, else what is left of the rule's hours, else what the rule says."""
    left_min = (pl.col("harm_after_h") * 60.0 - pl.col("age_s") / 60.0).round(0)
    low, mid, high = (pl.col(name) for name in band("under_dosed_h"))
    between = pl.format("{} to {}", low.round(0).cast(pl.Int64, strict=False), high.ceil().cast(pl.Int64, strict=False))
    return (
        pl.when(pl.col("harm_after_h").is_null())
        .then(pl.col("time_left"))
        .when(high <= 0.0)
        .then(pl.lit("under-dosed by now unless bridged"))
        .when(mid <= 0.0)
        .then(pl.format("probably under-dosed by now, in {} h at the latest", high.ceil().cast(pl.Int64, strict=False)))
        .when(mid < FORESEEN_H)
        .then(pl.format("under-dosed in about {} ({} h)", _rounded(mid * 60.0), between))
        .when(mid.is_not_null())
        .then(pl.lit("more than a day until under-dosed, if it stays so"))
        .when(left_min > 0.0)
        .then(pl.format("under-dosed in about {}", _rounded(left_min)))
        .otherwise(pl.lit("under-dosed by now unless bridged"))
    )


def _rounded(minutes: pl.Expr) -> pl.Expr:
    return (
        pl.when(minutes >= 90.0)
        .then(pl.format("{} h", (minutes / 60.0).round(0).cast(pl.Int64, strict=False)))
        .otherwise(pl.format("{} min", ((minutes / 10.0).ceil() * 10.0).cast(pl.Int64, strict=False)))
    )


def _texts(rules: Rules) -> pl.DataFrame:
    rows = [(rule.name, rule.title, rule.meaning, rule.action, rule.time_left, rule.harm_after_h) for rule in rules]
    columns = {
        **dict.fromkeys(("rule", "title", "meaning", "action", "time_left"), pl.String),
        "harm_after_h": pl.Float64,
    }
    return pl.DataFrame(rows, schema=columns, orient="row")
