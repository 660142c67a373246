"""Migration of checkpoints of format 1, which kept hold timers in three places and named columns otherwise."""

from __future__ import annotations

from typing import Final

import msgspec
import polars as pl

from processor.alarms.hold import TIMERS
from processor.alarms.subjects import KEY, SUBJECT, with_kinds
from processor.engine.columns import Rules, is_scored_by

_PART: Final = ("gateway", "other", "rule")
"""What makes a timer of format 1 one and the same; none of them was of a pump."""
_PARTS: Final[dict[str, pl.DataType]] = {
    **{name: TIMERS[name] for name in _PART},
    "above": pl.Boolean(),
    "since": pl.Int64(),
}


class Rests(msgspec.Struct, frozen=True):
    """Off-delays that ran: gateways (number, None: the fleet), rule, since when (therapy ms); system: rule, component,
    since when (wall ms).
    """

    gateways: tuple[tuple[int | None, str, int], ...] = ()
    system: tuple[tuple[str, str, int], ...] = ()


class Cohorts(msgspec.Struct, frozen=True):
    """When cohorts were last compared (therapy ms); pump, gateway, other, rule, whether above the limit, since when."""

    compared: int = 0
    since: tuple[tuple[int | None, int | None, str | None, str, bool, int], ...] = ()


class Format1(msgspec.Struct, frozen=True):
    """What a manifest of format 1 has beyond what later formats have."""

    rests: Rests = Rests()
    cohorts: Cohorts = Cohorts()


def state_of_format_1(state: pl.DataFrame) -> pl.DataFrame:
    """Return the state with the present names of the columns that say for how long a score is beyond its limit."""
    return state.rename({name: f"{name.removesuffix('.held')}.in_state_s" for name in state.columns
                         if name.endswith(".held")})  # fmt: skip


def timers_of_format_1(saved: Format1, alarms: pl.DataFrame, listed: Rules) -> pl.DataFrame:
    """Return the timers (`processor.alarms.hold.TIMERS`) that ran when a checkpoint of format 1 was written.

    `alarms` are the open ones. A standing alarm has a timer; where format 1 did not record it, the score is taken to be
    beyond the limit since the onset. Cohorts may have timers before their alarms are raised.
    """
    timed = [rule for rule in listed if not is_scored_by(rule, "sample")]
    by_wall = pl.col("rule").is_in([rule.name for rule in timed if rule.uses_wall_clock])
    parts = _parts(saved).filter(pl.col("rule").is_in([rule.name for rule in timed]))
    standing = alarms.filter(pl.col("rule").is_in([rule.name for rule in timed]) & pl.col("returned").is_null())
    known = standing.join(parts, on=_PART, how="left", maintain_order="left", nulls_equal=True).with_columns(
        pl.col("above").fill_null(value=True),
        pl.coalesce("since", pl.when(by_wall).then("raised_wall").otherwise("onset")).alias("since"),
        pl.lit(value=True).alias("standing"),
    )
    pending = parts.filter("above").join(standing, on=_PART, how="anti", maintain_order="left", nulls_equal=True)
    begun = with_kinds(pending).with_columns(
        pl.lit(None, SUBJECT["pump"]).alias("pump"),
        pl.col("since").alias("onset"),
        pl.lit(value=False).alias("standing"),
    )
    columns = [pl.col(name).cast(dtype) for name, dtype in TIMERS.items()]
    return pl.concat([known.select(columns), begun.select(columns)]).unique(KEY, keep="first", maintain_order=True)


def _parts(saved: Format1) -> pl.DataFrame:
    rows = [
        *((gateway, None, rule, False, since) for gateway, rule, since in saved.rests.gateways),
        *((None, other, rule, False, since) for rule, other, since in saved.rests.system),
        *((gateway, other, rule, above, since) for _, gateway, other, rule, above, since in saved.cohorts.since),
    ]
    return pl.DataFrame(rows, _PARTS, orient="row")
