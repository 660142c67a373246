"""Cause and consequence: which open alarm suppresses which."""

from __future__ import annotations

from functools import cache
from typing import Final

import polars as pl

from processor.alarms.subjects import SUBJECT, Subjects
from processor.engine.columns import Rules

_RANK: Final = pl.col("priority").cast(pl.Int64) * 2**45 + pl.col("onset")
"""Orders alarms by priority, then by onset; ms since 1970 stay below 2**45 until the year 3084."""


def held(alarms: pl.DataFrame, subjects: Subjects, rules: Rules) -> pl.DataFrame:
    """Return the open alarms with `under` updated: the id of the alarm that suppresses each, or null.

    A pump's alarm suppresses others of that pump, a gateway's or a cohort's those of its pumps, the fleet's those of
    all pumps, and a system alarm other system alarms. Only a cause that stands and is in service suppresses its
    consequences; if it clears first, they reappear. Of several causes, the one of highest priority counts, then the
    oldest. Of two rules that suppress each other, the first in that order suppresses the other.
    """
    alarms = alarms.drop("under")
    pairs = _pairs(rules)
    causes = alarms.filter(
        pl.col("returned").is_null()
        & pl.col("out_wall").is_null()
        & pl.col("rule").is_in(pairs["cause"].unique().implode())
    ).select(*SUBJECT, pl.col("rule").alias("cause"), pl.col("alarm").alias("under"), _RANK.alias("rank"))
    effects = alarms.with_columns(subjects.homes(alarms)).select(
        "alarm", "pump", "home", "other", "rule", _RANK.alias("own_rank")
    )
    of_pump = causes.filter(pl.col("pump").is_not_null()).drop("gateway", "other")
    of_gateway = causes.filter(pl.col("gateway").is_not_null()).drop("pump", "other").rename({"gateway": "home"})
    of_fleet = causes.filter(pl.all_horizontal(pl.col(name).is_null() for name in SUBJECT)).drop(*SUBJECT)
    of_other = causes.filter(pl.col("other").is_not_null()).drop("pump", "gateway")
    within = subjects.members(effects["pump"]) if of_other.height else ()
    others = effects.filter(pl.col("other").is_not_null())
    columns = ("alarm", "rule", "own_rank", "cause", "under", "rank")
    links = pl.concat(
        [
            effects.join(of_pump, on="pump").select(columns),
            effects.join(of_gateway, on="home").select(columns),
            effects.join(of_fleet, how="cross").select(columns),
            *(effects.with_columns(names).join(of_other, on="other").select(columns) for names in within),
            others.drop("other").join(of_other.drop("other"), how="cross").select(columns),
        ]
    )
    chosen = (
        links.join(pairs, on=["cause", "rule"])
        .filter(~pl.col("mutual") | (pl.col("rank") < pl.col("own_rank")))
        .sort("rank")
        .unique("alarm", keep="first", maintain_order=True)
        .select("alarm", "under")
    )
    return alarms.join(chosen, on="alarm", how="left", maintain_order="left")


def roots(alarms: pl.DataFrame) -> pl.Series:
    """Return, for each alarm, the id of the alarm at the top of its chain; its own if nothing suppresses it."""
    found = alarms.select("alarm", top=pl.coalesce("under", "alarm"))
    above = alarms.select(pl.col("alarm").alias("top"), pl.col("under").alias("higher")).drop_nulls()
    for _ in range(alarms["rule"].n_unique()):
        if not found["top"].is_in(above["top"].implode()).any():
            break
        found = found.join(above, on="top", how="left", maintain_order="left")
        found = found.select("alarm", top=pl.coalesce("higher", "top"))
    return found["top"]


@cache
def _pairs(rules: Rules) -> pl.DataFrame:
    """Return which rule suppresses which, and whether the two suppress each other."""
    pairs = [(rule.name, effect) for rule in rules for effect in rule.explains]
    return pl.DataFrame(
        [(cause, effect, (effect, cause) in pairs) for cause, effect in pairs],
        {"cause": pl.String, "rule": pl.String, "mutual": pl.Boolean},
        orient="row",
    )
