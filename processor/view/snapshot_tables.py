"""Tables of the snapshot: what the dashboard shows of state, alarms, forecasts and out-of-service orders."""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.store.journal import EVENTS_SCHEMA
from broker.store.pump_table import MARKS_SCHEMA, band, no_marks
from broker.store.snapshot import ALARMS_SCHEMA, ORDERS_SCHEMA, RETIRED_SCHEMA, WAITING
from processor.alarms import chains
from processor.alarms.states import OUT_OF_SERVICE, SUPPRESSED, state_of
from processor.alarms.subjects import Subjects, kind_of
from processor.alarms.texts import cause_text, rule_texts
from processor.engine.columns import Rules
from processor.rules import RULES

FORESEEN_H: Final = 24.0
ALL_ALARMS: Final = "All alarms"
"""Title of an out-of-service order that covers all rules."""
_NO_ALARMS: Final = pl.DataFrame(schema=ALARMS_SCHEMA)
_NO_CHAIN: Final = pl.DataFrame(
    schema={"root": pl.String, "held": pl.Int32, "explains": pl.String, "first_out": pl.String}
)
_NO_ORDERS: Final = pl.DataFrame(schema=ORDERS_SCHEMA)
_NO_EVENTS: Final = pl.DataFrame(schema=EVENTS_SCHEMA)


def visible_alarms(
    alarms: pl.DataFrame,
    subjects: Subjects,
    facts: pl.DataFrame,
    clocks: pl.Series,
    *,
    state: pl.DataFrame,
    forecasts: pl.DataFrame,
    rules: Rules = RULES,
) -> pl.DataFrame:
    """Return the open alarms as the dashboard shows them (`ALARMS_SCHEMA`), each with those that it suppresses.

    `clocks` (Int64 ms) are the pumps' own, which may be wrong. `forecasts` has one row per alarm, null if it is not
    about a pump.
    """
    if alarms.height == 0:
        return _NO_ALARMS
    rows = (
        alarms.with_columns(
            subjects.names(alarms),
            kind_of(),
            subjects.now(alarms),
            subjects.speed(alarms),
            chains.roots(alarms).alias("root"),
            state_of().alias("state"),
            _score_now(alarms, state).alias("score_now"),
        )
        .join(rule_texts(rules), on="rule", how="left", maintain_order="left")
        .with_columns(_age_s(clocks.gather(alarms["pump"]), subjects.wall, rules).alias("age_s"))
    )
    numbers = rows["pump"]
    return (
        rows.with_columns(
            subjects.pumps.gather(numbers).alias("pump"),
            subjects.gateways.gather(subjects.homes(alarms)).alias("gateway"),
            facts["site"].gather(numbers).alias("site"),
            *(forecasts[name] for name in band("under_dosed_h")),
        )
        .with_columns(
            time_to_respond().alias("deadline"),
            until_harm_s().alias("harm_s"),
            ((pl.col("shelved_until") - pl.col("now")) / 1000).alias("shelved_left_s"),
        )
        .filter(pl.col("state") != SUPPRESSED)
        .join(chain_of(rows), left_on="alarm", right_on="root", how="left", maintain_order="left")
        .with_columns(pl.col("held").fill_null(0))
        .select(*ALARMS_SCHEMA)
    )


def _age_s(clocks: pl.Series, wall_ms: int, rules: Rules) -> pl.Expr:
    """Return the seconds since the onset or, for rules on wall-clock time, since the alarm was raised.

    The onset is by the pump's own clock (`clocks`), unless that was set back since.
    """
    by_wall = pl.col("rule").is_in([rule.name for rule in rules if rule.uses_wall_clock])
    own, gateway = pl.lit(clocks) - pl.col("onset"), pl.col("now") - pl.col("onset")
    therapy = pl.when(own >= 0).then(own).otherwise(gateway)
    return (pl.when(by_wall).then(wall_ms - pl.col("raised_wall")).otherwise(therapy) / 1000).clip(0.0)


def _score_now(alarms: pl.DataFrame, state: pl.DataFrame) -> pl.Expr:
    """Return the present score of each alarm's rule; null for subjects that are no pump."""
    rules = [name for name in alarms["rule"].unique(maintain_order=True) if name in state.columns]
    scores = [pl.when(pl.col("rule") == name).then(state[name].gather(alarms["pump"])) for name in rules]
    return pl.coalesce(*scores, pl.lit(None, pl.Float32))


def chain_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Return, for each alarm that suppresses others (`root`), how many and which, and which of all was first out."""
    suppressed = rows.filter(pl.col("state") == SUPPRESSED)
    if suppressed.is_empty():
        return _NO_CHAIN
    name = (
        pl.when((pl.len() > 1) & (pl.col("pump").n_unique() > 1))
        .then(pl.format("{} ({} pumps)", pl.col("title").first(), pl.col("pump").n_unique()))
        .otherwise(pl.col("title").first())
        .alias("name")
    )
    kinds = suppressed.group_by("root", "rule").agg(name, pl.len().alias("count"))
    by_root = kinds.group_by("root").agg(
        pl.col("count").sum().cast(pl.Int32).alias("held"), pl.col("name").sort().str.join(", ").alias("explains")
    )
    first = (
        rows.filter(pl.col("root").is_in(by_root["root"].implode()))
        # Of those that began together, the cause was first; the order of rows is that of batches, a matter of chance.
        .sort("onset", "raised", "priority", pl.col("alarm") != pl.col("root"), "rule")
        .group_by("root", maintain_order=True)
        .agg(pl.col("title").first().alias("first_out"))
    )
    return by_root.join(first, on="root", how="left")


def marks_frame(alarms: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    """Return what alarms make of their pumps (`MARKS_SCHEMA`); `alarms` are the visible ones.

    `rows` is the row of each alarm's pump in the table of pumps, null if it is in none. An alarm that is out of service
    does not count for its pump.
    """
    if alarms.is_empty():
        return no_marks()
    return (
        alarms.with_columns(rows.alias("row"))
        .filter((pl.col("state") != OUT_OF_SERVICE) & pl.col("row").is_not_null())
        .sort("priority", "onset")
        .group_by("row", maintain_order=True)
        .agg(
            pl.col("priority").first(),
            pl.len().alias("alarms"),
            pl.col("state").is_in(WAITING).sum().alias("unacknowledged"),
            pl.col("rule").first().alias("worst"),
        )
        .sort("row")
        .select(pl.col(name).cast(dtype) for name, dtype in MARKS_SCHEMA.items())
    )


def orders_frame(orders: pl.DataFrame, subjects: Subjects, rules: Rules = RULES) -> pl.DataFrame:
    """Return the subjects out of service by an order, as the dashboard shows them (`ORDERS_SCHEMA`)."""
    if orders.is_empty():
        return _NO_ORDERS
    return (
        subjects.called(orders)
        .with_columns(kind_of())
        .join(rule_texts(rules).select("rule", "title"), on="rule", how="left", maintain_order="left")
        .with_columns(
            subjects.pumps.gather(orders["pump"]).alias("pump"),
            ((pl.col("until") - pl.col("now")) / 1000).alias("left_s"),
            subjects.speed(orders),
            pl.col("title").fill_null(ALL_ALARMS),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in ORDERS_SCHEMA.items())
    )


def retired_frame(pumps: pl.DataFrame) -> pl.DataFrame:
    """Return retired pumps as the dashboard shows them (`RETIRED_SCHEMA`)."""
    return pumps.select(pl.col(name).cast(dtype) for name, dtype in RETIRED_SCHEMA.items())


def no_events() -> pl.DataFrame:
    """Return the frame of no journal entries."""
    return _NO_EVENTS


def events_frame(changes: pl.DataFrame, subjects: Subjects, wall_ms: int, rules: Rules = RULES) -> pl.DataFrame:
    """Return changes of alarms (`processor.alarms.lifecycle.CHANGES`) as journal entries (`EVENTS_SCHEMA`)."""
    about = pl.col("kind") != "refused"
    return (
        changes.with_columns(subjects.names(changes), kind_of())
        .with_columns(pl.when(about).then(pl.col(name)).alias(name) for name in ("subject", "subject_kind"))
        .join(rule_texts(rules).select("rule", "title"), on="rule", how="left", maintain_order="left")
        .with_columns(
            subjects.pumps.gather(changes["pump"]).alias("pump"),
            cause_text(rules).alias("text"),
            pl.when(pl.col("alarm").is_null() & (pl.col("kind") != "refused"))
            .then(pl.col("title").fill_null(ALL_ALARMS))
            .otherwise("title")
            .alias("title"),
            pl.lit(wall_ms).alias("at"),
        )
        .select(pl.col(name).cast(dtype) for name, dtype in EVENTS_SCHEMA.items())
    )


def time_to_respond() -> pl.Expr:
    """Return the expression of the time to respond: forecast, else what is left of the rule's hours, else its text."""
    left_min = (pl.col("harm_after_h") * 60.0 - pl.col("age_s") / 60.0).round(0)
    low, mid, high = (pl.col(name) for name in band("under_dosed_h"))
    first_h, last_h = low.round(0).cast(pl.Int64, strict=False), high.ceil().cast(pl.Int64, strict=False)
    # A forecast interval without a useful end does not tell when to act.
    ends = (high < FORESEEN_H).fill_null(value=False)
    later = pl.format("{} h or later", first_h)
    between = pl.when(ends).then(pl.format("{} to {} h", first_h, last_h)).otherwise(later)
    latest = pl.when(ends).then(pl.format(", at the latest in {} h", last_h)).otherwise(pl.lit(""))
    return (
        pl.when(pl.col("returned").is_not_null())
        .then(pl.lit("returned to normal"))
        .when(pl.col("harm_after_h").is_null())
        .then(pl.col("time_to_respond"))
        .when(high <= 0.0)
        .then(pl.lit("probably under-dosed: bridge now"))
        .when(mid <= 0.0)
        .then(pl.format("probably under-dosed already{}", latest))
        .when(mid < FORESEEN_H)
        .then(pl.format("under-dosed in about {} ({})", _rounded(mid * 60.0), between))
        .when(mid.is_not_null())
        .then(pl.lit("more than a day until under-dosed, if nothing changes"))
        .when(left_min > 0.0)
        .then(pl.format("under-dosed in about {}", _rounded(left_min)))
        .otherwise(pl.lit("probably under-dosed: bridge now"))
    )


def until_harm_s() -> pl.Expr:
    """Return the expression of the therapy seconds until the patient is under-dosed, if `time_to_respond` has some."""
    left_s = (pl.col("harm_after_h") * 3600.0 - pl.col("age_s")).clip(0.0)
    foreseen_s = pl.col(band("under_dosed_h")[1]) * 3600.0
    standing = pl.col("returned").is_null() & pl.col("harm_after_h").is_not_null()
    return pl.when(standing).then(pl.coalesce(foreseen_s.clip(0.0), left_s))


def _rounded(minutes: pl.Expr) -> pl.Expr:
    return (
        pl.when(minutes >= 90.0)
        .then(pl.format("{} h", (minutes / 60.0).round(0).cast(pl.Int64, strict=False)))
        .otherwise(pl.format("{} min", ((minutes / 10.0).ceil() * 10.0).cast(pl.Int64, strict=False)))
    )
