"""This file decides when a violation becomes an alarm, and what becomes of it. It is pure.

An open alarm is a row: which pump and rule, since when, whether it went away, who has seen it. Its state is not stored
but read from these times. Ids are made of pump, rule and onset, so that the same samples give the same alarms.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import polars as pl

from broker.messages import Acknowledge, AlarmAction
from broker.snapshot import PRIORITY_CODE
from processor.engine import MS_PER_S, Rules, held_name, score_name
from processor.rules import RULES

SCHEMA: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    "pump": pl.UInt32(),
    "rule": pl.String(),
    "priority": pl.Int8(),
    "onset": pl.Int64(),
    "raised": pl.Int64(),
    "raised_wall": pl.Int64(),
    "returned": pl.Int64(),
    "acknowledged_wall": pl.Int64(),
    "acknowledged_by": pl.String(),
    "score": pl.Float32(),
}
"""Open alarms. `onset`, `raised`, `returned` are therapy ms; `_wall` is wall ms; null is "not yet"."""

CHANGES: Final[dict[str, pl.DataType]] = {
    "kind": pl.String(),
    "alarm": pl.String(),
    "pump": pl.UInt32(),
    "rule": pl.String(),
    "priority": pl.Int8(),
    "time": pl.Int64(),
    "who": pl.String(),
}
"""What `advance` did: raised, acknowledged, returned or cleared."""

UNACKNOWLEDGED: Final = "unacknowledged"
ACKNOWLEDGED: Final = "acknowledged"
RETURNED: Final = "returned"


@dataclass(frozen=True)
class Violations:
    """What the engine sees now: `standing` long enough to be raised, and how every open alarm's pump does.

    Both have pump, rule, onset, time (therapy ms) and score; `over` lists what has been normal for its off-delay.
    """

    standing: pl.DataFrame
    over: pl.DataFrame


_RANK: Final = pl.col("priority").cast(pl.Int64) * 2**45 + pl.col("onset")
"""Orders alarms by priority, then by age: no time in ms before the year 3000 reaches 2**45."""

OBSERVED: Final[dict[str, pl.DataType]] = {
    "pump": pl.UInt32(),
    "rule": pl.String(),
    "onset": pl.Int64(),
    "time": pl.Int64(),
    "score": pl.Float32(),
}


def no_alarms() -> pl.DataFrame:
    """Return the frame of no open alarms."""
    return pl.DataFrame(schema=SCHEMA)


def no_changes() -> pl.DataFrame:
    """Return the frame of nothing that changed."""
    return pl.DataFrame(schema=CHANGES)


def nothing_seen() -> Violations:
    """Return what is seen when nothing was looked at."""
    return Violations(pl.DataFrame(schema=OBSERVED), pl.DataFrame(schema=OBSERVED))


def violations(rows: pl.DataFrame, alarms: pl.DataFrame, rules: Rules = RULES) -> Violations:
    """Read from changed rows of the state (with `pump`) what violates and what has returned to normal."""
    judged = tuple(rule for rule in rules if rule.detector.judges == "sample")
    hot = rows.filter(pl.any_horizontal(_stands(judged)))
    alarmed = rows.filter(pl.col("pump").is_in(alarms["pump"].implode())) if alarms.height else rows.clear()
    standing = _where(hot, _named_stands(judged))
    open_rules = set(alarms["rule"].unique())
    over = _where(alarmed, tuple(named for named in _named_over(judged) if named[1] in open_rules))
    return Violations(_stack(standing), _stack(over))


def silences(state: pl.DataFrame, alarms: pl.DataFrame, rules: Rules = RULES) -> Violations:
    """Read what is judged by age: `state` has `pump`, `age`, `now` (its gateway's therapy ms) and fresh scores."""
    standing, over = [], []
    watched = pl.col("pump").is_in(alarms["pump"].implode())
    for rule in rules:
        if rule.detector.judges != "age":
            continue
        score = pl.col(score_name(rule))
        limit_s = pl.col("age") / score
        violated = state.filter((score >= 1.0) & (pl.col("age") - limit_s >= rule.on_delay_s))
        # From the last sample, in whole seconds: the same whenever it is noticed, though ages are float32.
        last = pl.coalesce("time", pl.col("now") - (pl.col("age") * MS_PER_S).cast(pl.Int64))
        onset = last + (limit_s.round() * MS_PER_S).cast(pl.Int64)
        standing.append(_silence(violated.with_columns(onset.alias("onset")), rule.name))
        heard = state.filter(watched & (score < 1.0) & pl.col("age").is_not_null())
        over.append(_silence(heard.with_columns(pl.col("now").alias("onset")), rule.name))
    return Violations(_stack(standing), _stack(over))


def advance(
    alarms: pl.DataFrame,
    seen: Violations,
    actions: tuple[AlarmAction, ...],
    *,
    now: int,
    serials: pl.Series,
    rules: Rules = RULES,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Take violations and people's actions into the open alarms; return them and what changed (`CHANGES`).

    `now` is wall ms and only noted; `serials` names the pumps by row, for the alarms' ids. Everything is idempotent:
    what is already so changes nothing.
    """
    changes: list[pl.DataFrame] = []
    alarms = _return(alarms, seen.over, rules, changes)
    alarms = _raise(alarms, seen.standing, now=now, serials=serials, rules=rules, changes=changes)
    for action in actions:
        alarms = _acknowledge(alarms, action, changes)
    alarms = _clear(alarms, changes)
    return alarms, pl.concat(changes) if changes else no_changes()


def state_of() -> pl.Expr:
    """Return the expression that names an open alarm's state from its times."""
    return (
        pl.when(pl.col("returned").is_not_null())
        .then(pl.lit(RETURNED))
        .when(pl.col("acknowledged_wall").is_not_null())
        .then(pl.lit(ACKNOWLEDGED))
        .otherwise(pl.lit(UNACKNOWLEDGED))
    )


def held_under(alarms: pl.DataFrame, rules: Rules = RULES) -> pl.DataFrame:
    """Return the open alarms with `under`: the id of the alarm on the same pump that explains it, or null.

    Only a cause that stands holds its consequences; when it goes first, they come back. Where several causes stand,
    the highest priority and then the oldest is named. Two alarms that explain each other: the first by that order.
    """
    causes = alarms.filter(pl.col("returned").is_null()).select(
        "pump",
        pl.col("rule").alias("cause"),
        pl.col("alarm").alias("under"),
        _RANK.alias("rank"),
    )
    pairs = pl.DataFrame(
        [(rule.name, effect) for rule in rules for effect in rule.explains],
        {"cause": pl.String, "rule": pl.String},
        orient="row",
    )
    mutual = pairs.join(pairs, left_on=["cause", "rule"], right_on=["rule", "cause"], how="semi")
    chosen = (
        alarms.select("alarm", "pump", "rule", _RANK.alias("own_rank"))
        .join(causes, on="pump")
        .join(pairs, on=["cause", "rule"])
        .join(mutual.with_columns(pl.lit(value=True).alias("mutual")), on=["cause", "rule"], how="left")
        .filter(pl.col("mutual").is_null() | (pl.col("rank") < pl.col("own_rank")))
        .sort("rank")
        .unique("alarm", keep="first", maintain_order=True)
        .select("alarm", "under")
    )
    return alarms.join(chosen, on="alarm", how="left", maintain_order="left")


@cache
def _named_stands(rules: Rules) -> tuple[tuple[pl.Expr, str], ...]:
    return tuple(
        ((pl.col(score_name(rule)) >= 1.0) & (pl.col(held_name(rule)) >= rule.on_delay_s), rule.name) for rule in rules
    )


@cache
def _named_over(rules: Rules) -> tuple[tuple[pl.Expr, str], ...]:
    return tuple(
        ((pl.col(score_name(rule)) < 1.0) & (pl.col(held_name(rule)) >= rule.off_delay_s), rule.name) for rule in rules
    )


def _stands(rules: Rules) -> list[pl.Expr]:
    return [condition for condition, _ in _named_stands(rules)]


def _where(rows: pl.DataFrame, named: tuple[tuple[pl.Expr, str], ...]) -> list[pl.DataFrame]:
    """Return what is observed of each rule, of those that hold for any row."""
    if rows.height == 0:
        return []
    holds = rows.select(condition.alias(name) for condition, name in named)
    return [_observe(rows.filter(mask), mask.name) for mask in holds.get_columns() if mask.any()]


def _observe(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    onset = pl.col("time") - (pl.col(f"{rule}.held") * MS_PER_S).cast(pl.Int64)
    return rows.select("pump", pl.lit(rule).alias("rule"), onset.alias("onset"), "time", pl.col(rule).alias("score"))


def _silence(rows: pl.DataFrame, rule: str) -> pl.DataFrame:
    return rows.select(
        "pump", pl.lit(rule).alias("rule"), "onset", pl.col("now").alias("time"), pl.col(rule).alias("score")
    )


def _stack(frames: list[pl.DataFrame]) -> pl.DataFrame:
    filled = [frame for frame in frames if frame.height]
    return pl.concat(filled).cast(OBSERVED) if filled else pl.DataFrame(schema=OBSERVED)  # type: ignore[arg-type]


def _raise(
    alarms: pl.DataFrame,
    standing: pl.DataFrame,
    *,
    now: int,
    serials: pl.Series,
    rules: Rules,
    changes: list[pl.DataFrame],
) -> pl.DataFrame:
    if standing.height == 0:
        return alarms
    again = standing.select("pump", "rule", "score", pl.col("time").alias("again"))
    known = alarms.join(again, on=["pump", "rule"], how="left", suffix="_now", maintain_order="left")
    _note(changes, known.drop_nulls(["returned", "again"]), "raised", pl.col("again"))
    alarms = known.with_columns(
        pl.max_horizontal("score", "score_now").alias("score"),
        pl.when(pl.col("again").is_null()).then(pl.col("returned")).alias("returned"),
    ).select(*SCHEMA)
    fresh = standing.join(alarms, on=["pump", "rule"], how="anti", maintain_order="left")
    if fresh.height == 0:
        return alarms
    priority = {rule.name: PRIORITY_CODE[rule.priority] for rule in rules}
    raised = fresh.with_columns(
        pl.format("{}/{}/{}", serials.gather(fresh["pump"]), "rule", "onset").alias("alarm"),
        pl.col("rule").replace_strict(priority, return_dtype=pl.Int8).alias("priority"),
        pl.col("time").alias("raised"),
        pl.lit(now).alias("raised_wall"),
        *(pl.lit(None, SCHEMA[name]).alias(name) for name in ("returned", "acknowledged_wall", "acknowledged_by")),
    ).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    _note(changes, raised, "raised", pl.col("raised"))
    return pl.concat([alarms, raised])


def _return(alarms: pl.DataFrame, over: pl.DataFrame, rules: Rules, changes: list[pl.DataFrame]) -> pl.DataFrame:
    """Note what went away; what goes while another alarm holds it was never shown, and needs nobody to see it."""
    if over.height == 0 or alarms.height == 0:
        return alarms
    gone = alarms.join(
        over.select("pump", "rule", pl.col("time").alias("gone")),
        on=["pump", "rule"],
        how="left",
        maintain_order="left",
    )
    newly = pl.col("returned").is_null() & pl.col("gone").is_not_null()
    if gone.filter(newly).height == 0:
        return alarms
    gone = held_under(gone, rules)
    silently = newly & pl.col("under").is_not_null()
    _note(changes, gone.filter(newly & ~silently), "returned", pl.col("gone"))
    _note(changes, gone.filter(silently), "cleared", pl.col("gone"))
    back = pl.coalesce("returned", "gone").alias("returned")
    return gone.filter(~silently).with_columns(back).select(*SCHEMA)


def _acknowledge(alarms: pl.DataFrame, action: Acknowledge, changes: list[pl.DataFrame]) -> pl.DataFrame:
    newly = pl.col("alarm").is_in(action.alarms) & pl.col("acknowledged_wall").is_null()
    _note(changes, alarms.filter(newly), "acknowledged", pl.coalesce("returned", "raised"), action.who)
    return alarms.with_columns(
        pl.when(newly).then(pl.lit(action.at)).otherwise(pl.col("acknowledged_wall")).alias("acknowledged_wall"),
        pl.when(newly).then(pl.lit(action.who)).otherwise(pl.col("acknowledged_by")).alias("acknowledged_by"),
    )


def _clear(alarms: pl.DataFrame, changes: list[pl.DataFrame]) -> pl.DataFrame:
    done = pl.col("returned").is_not_null() & pl.col("acknowledged_wall").is_not_null()
    _note(changes, alarms.filter(done), "cleared", pl.col("returned"))
    return alarms.filter(~done)


def _note(changes: list[pl.DataFrame], rows: pl.DataFrame, kind: str, time: pl.Expr, who: str | None = None) -> None:
    if rows.height:
        noted = rows.with_columns(pl.lit(kind).alias("kind"), time.alias("time"), pl.lit(who, pl.String).alias("who"))
        changes.append(noted.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items()))
