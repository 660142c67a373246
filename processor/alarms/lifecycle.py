"""Alarm lifecycle: raise, return to normal, re-alarm, suppress, clear. Pure.

An open alarm is a row: its subject and rule, its timestamps and what people did to it. Its state is not stored but
derived from the timestamps (`processor.alarms.states`). Ids are made of subject, rule and onset, so that the same
samples give the same alarms.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from broker.store.snapshot import PRIORITY_CODE
from processor.alarms.chains import held
from processor.alarms.hold import Conditions
from processor.alarms.out_of_service import covered
from processor.alarms.states import ACKNOWLEDGED, NORMAL, QUIET, SUPPRESSED, state_of
from processor.alarms.subjects import KEY, SUBJECT, Subjects, with_kinds
from processor.engine.columns import Rules
from processor.rules import RULES

SCHEMA: Final[dict[str, pl.DataType]] = {
    "alarm": pl.String(),
    **SUBJECT,
    "rule": pl.String(),
    "priority": pl.Int8(),
    "latch": pl.Boolean(),
    "score": pl.Float32(),
    "onset": pl.Int64(),
    "raised": pl.Int64(),
    "raised_wall": pl.Int64(),
    "changed": pl.Int64(),
    "returned": pl.Int64(),
    "acknowledged": pl.Int64(),
    "acknowledged_wall": pl.Int64(),
    "acknowledged_by": pl.String(),
    "reset_wall": pl.Int64(),
    "shelved_until": pl.Int64(),
    "shelved_wall": pl.Int64(),
    "shelved_by": pl.String(),
    "shelved_why": pl.String(),
    "out_wall": pl.Int64(),
    "out_by": pl.String(),
    "out_why": pl.String(),
    "out_order": pl.String(),
    "note": pl.String(),
    "note_wall": pl.Int64(),
    "note_by": pl.String(),
    "under": pl.String(),
    "evidence": pl.String(),
}
"""Open alarms. What ends in `_wall` is wall ms, `_by` who, `_why` why; other times are therapy ms; null is "not yet".

At most one of `SUBJECT` is set (`processor.alarms.subjects`). `changed` is when the condition last stood or cleared.
`acknowledged_by` stays when the alarm re-alarms, `acknowledged_wall` does not. `under` is the alarm that suppresses it.
`out_order` is the order that took its subject out of service, null where the alarm was taken out by itself. `evidence`
is what it rested on when it was raised (`broker.contract.evidence`, JSON).
"""

CHANGES: Final[dict[str, pl.DataType]] = {
    "kind": pl.String(),
    "alarm": pl.String(),
    **SUBJECT,
    "rule": pl.String(),
    "priority": pl.Int8(),
    "time": pl.Int64(),
    "who": pl.String(),
    "text": pl.String(),
    "action": pl.String(),
    "cause": pl.String(),
    "quiet": pl.Boolean(),
}
"""Changes of alarms: `kind` is one of `broker.store.journal.KINDS`, `time` therapy ms, `text` a person's reason.

`action` is the id of an operator action, `cause` the rule that suppresses the alarm; `quiet` changes are not
annunciated.
"""

REALARM_H: Final = {"high": 12.0}
"""Therapy hours after which an acknowledged alarm that still stands re-alarms, by priority, so that the next shift sees
it too. A modeling choice; a rule may have its own time.
"""


_NO_CHANGES: Final = pl.DataFrame(schema=CHANGES)
_NO_ALARMS: Final = pl.DataFrame(schema=SCHEMA)


def no_changes() -> pl.DataFrame:
    """Return the frame of no changes (`CHANGES`), always the same: most batches change nothing."""
    return _NO_CHANGES


def no_alarms() -> pl.DataFrame:
    """Return the frame of no open alarms."""
    return _NO_ALARMS


def restored(saved: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return open alarms saved by this or an older version, without alarms of removed rules."""
    saved = with_kinds(saved) if "other" in saved.columns else saved
    missing = [name for name in SCHEMA if name not in saved.columns]
    whole = saved.with_columns(pl.lit(None, SCHEMA[name]).alias(name) for name in missing)
    acknowledged = pl.col("acknowledged_wall").is_not_null()
    return whole.with_columns(
        pl.col("latch").fill_null(value=False),
        pl.coalesce("changed", "returned", "raised").alias("changed"),
        pl.coalesce("acknowledged", pl.when(acknowledged).then("raised")).alias("acknowledged"),
    ).select(*SCHEMA).filter(pl.col("rule").is_in([rule.name for rule in rules]))  # fmt: skip


def advance(
    alarms: pl.DataFrame,
    conditions: Conditions,
    *,
    now: int,
    subjects: Subjects,
    rules: Rules = RULES,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Apply conditions to the open alarms; return them and what changed (`CHANGES`).

    `now` is wall ms and only recorded. Idempotent: conditions that are already known change nothing.
    """
    changes: list[pl.DataFrame] = []
    after = _return(alarms, conditions.cleared, changes)
    after = _raise(after, conditions.standing, now=now, subjects=subjects, rules=rules, changes=changes)
    if not changes:
        return after, _NO_CHANGES
    return settle(alarms, after, changes, subjects=subjects, rules=rules)


def tick(alarms: pl.DataFrame, *, subjects: Subjects, rules: Rules = RULES) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Apply the passing of time: end expired shelving, and re-alarm acknowledged alarms that still stand."""
    # Most alarms are neither, and this runs in every cycle.
    if not (alarms["shelved_until"].count() or alarms["acknowledged"].count()):
        return alarms, _NO_CHANGES
    pause_h = pl.DataFrame(
        [(rule.name, rule.realarm_h or REALARM_H.get(rule.priority)) for rule in rules],
        {"rule": pl.String, "pause_h": pl.Float64},
        orient="row",
    )
    rows = alarms.with_columns(subjects.now(alarms)).join(pause_h, on="rule", how="left", maintain_order="left")
    expired = (pl.col("shelved_until") <= pl.col("now")).fill_null(value=False)
    changes: list[pl.DataFrame] = []
    note(changes, rows.filter(expired), "unshelved", pl.col("shelved_until"))
    rows = rows.with_columns(
        *emptied("shelved_until", "shelved_wall", "shelved_by", "shelved_why", where=expired)
    ).with_columns(state_of().alias("state"))
    waited = pl.col("now") - pl.col("acknowledged") >= pl.col("pause_h") * 3_600_000
    again = ((pl.col("state") == ACKNOWLEDGED) & waited).fill_null(value=False)
    note(changes, rows.filter(again), "realarmed", pl.col("now"))
    if not changes:
        return alarms, _NO_CHANGES
    after = rows.with_columns(*emptied("acknowledged", "acknowledged_wall", where=again)).select(*SCHEMA)
    return settle(alarms, after, changes, subjects=subjects, rules=rules, from_data=False)


def settle(
    before: pl.DataFrame,
    after: pl.DataFrame,
    changes: list[pl.DataFrame],
    *,
    subjects: Subjects,
    rules: Rules,
    from_data: bool = True,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Update which alarm suppresses which, and drop alarms that are back to normal; return alarms and all changes.

    Changes `from_data` carry the time of the data, so that the same samples give the same entries; changes by people or
    by the clock carry the subject's present therapy time.
    """
    after = _apply_orders(before, after, changes, subjects)
    rows = held(after, subjects, rules).select(*SCHEMA).with_columns(state_of().alias("state"))
    was = before.select("alarm", pl.col("under").alias("was_under"), pl.lit(value=True).alias("known"))
    above = rows.select(
        pl.col("alarm").alias("holder"), pl.col("changed").alias("holder_changed"), pl.col("rule").alias("cause")
    )
    rows = (
        rows.join(was, on="alarm", how="left", maintain_order="left")
        .with_columns(pl.coalesce("under", "was_under").alias("holder"))
        .join(above, on="holder", how="left", maintain_order="left")
    )
    rows = rows.with_columns(subjects.now(rows))
    at = pl.max_horizontal("changed", "holder_changed") if from_data else pl.col("now")
    fresh, was_held = pl.col("known").is_null(), pl.col("was_under").is_not_null()
    held_now = rows.filter((pl.col("state") == SUPPRESSED) & ~was_held)
    note(changes, held_now, "held", at, quiet=fresh)
    loud = ~pl.col("state").is_in([*QUIET, NORMAL])
    note(changes, rows.filter(loud & pl.col("under").is_null() & was_held), "released", at)
    note(changes, rows.filter(pl.col("state") == NORMAL), "cleared", pl.col("returned"))
    quieted = rows.select(
        "alarm",
        pl.col("state").is_in(QUIET).alias("quieted"),
        pl.when(pl.col("under").is_not_null()).then("cause").alias("held_by"),
    )
    settled = (
        pl.concat([_NO_CHANGES, *changes])
        .join(quieted, on="alarm", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("quiet", "quieted", pl.lit(value=False)).alias("quiet"),
            pl.coalesce("cause", "held_by").alias("cause"),
        )
    )
    return rows.filter(pl.col("state") != NORMAL).select(*SCHEMA), settled.select(*CHANGES)


def _apply_orders(
    before: pl.DataFrame, after: pl.DataFrame, changes: list[pl.DataFrame], subjects: Subjects
) -> pl.DataFrame:
    """Return the alarms with out-of-service orders applied; their changes come before all others."""
    rows = covered(after, subjects.orders)
    if rows is after:
        return after
    was = before.select("alarm", pl.col("out_order").alias("was"))
    known = rows.join(was, on="alarm", how="left", maintain_order="left").with_columns(subjects.now(rows))
    fresh = pl.col("out_order").is_not_null() & pl.col("was").is_null()
    noted: list[pl.DataFrame] = []
    note(noted, known.filter(fresh), "out_of_service", pl.col("now"), who=pl.col("out_by"), text=pl.col("out_why"))
    note(noted, known.filter(pl.col("out_order").is_null() & pl.col("was").is_not_null()), "in_service", pl.col("now"))
    changes[:0] = noted
    return rows


def note(
    changes: list[pl.DataFrame],
    rows: pl.DataFrame,
    kind: str,
    time: pl.Expr,
    *,
    who: str | pl.Expr | None = None,
    text: str | pl.Expr | None = None,
    action: str | None = None,
    quiet: pl.Expr | None = None,
) -> None:
    """Append a change of the alarms in `rows`; `settle` decides whether it is `quiet` unless that is given."""
    if rows.height:
        fields = {"kind": kind, "who": who, "text": text, "action": action}
        noted = rows.with_columns(
            *(
                (value if isinstance(value, pl.Expr) else pl.lit(value, CHANGES[name])).alias(name)
                for name, value in fields.items()
            ),
            time.alias("time"),
            (pl.lit(None, pl.Boolean) if quiet is None else quiet).alias("quiet"),
            pl.lit(None, pl.String).alias("cause"),
        )
        changes.append(noted.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items()))


def order_changes(done: pl.DataFrame) -> pl.DataFrame:
    """Return changed orders (`processor.alarms.out_of_service.DONE`) as changes (`CHANGES`) without an alarm."""
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in CHANGES.items() if name not in done.columns]
    return done.with_columns(lacking).with_columns(pl.lit(value=True).alias("quiet")).select(*CHANGES)


def emptied(*names: str, where: pl.Expr) -> Iterator[pl.Expr]:
    """Yield an expression for each column that sets it to null where the condition holds."""
    for name in names:
        yield pl.when(~where).then(pl.col(name)).alias(name)


def _raise(
    alarms: pl.DataFrame,
    standing: pl.DataFrame,
    *,
    now: int,
    subjects: Subjects,
    rules: Rules,
    changes: list[pl.DataFrame],
) -> pl.DataFrame:
    """Raise new conditions, and raise alarms again whose condition had cleared."""
    if standing.height == 0:
        return alarms
    again = standing.select(*KEY, "score", pl.col("time").alias("again"))
    known = alarms.join(again, on=KEY, how="left", suffix="_now", maintain_order="left", nulls_equal=True)
    back = pl.col("returned").is_not_null() & pl.col("again").is_not_null()
    note(changes, known.filter(back), "raised", pl.col("again"))
    alarms = known.with_columns(
        pl.max_horizontal("score", "score_now").alias("score"),
        pl.when(back).then("again").otherwise("changed").alias("changed"),
        *emptied("returned", "acknowledged", "acknowledged_wall", "reset_wall", where=back),
    ).select(*SCHEMA)
    fresh = standing.join(alarms, on=KEY, how="anti", maintain_order="left", nulls_equal=True)
    if fresh.height == 0:
        return alarms
    listed = pl.DataFrame(
        [(rule.name, PRIORITY_CODE[rule.priority], rule.latch) for rule in rules],
        {"rule": pl.String, "priority": pl.Int8, "latch": pl.Boolean},
        orient="row",
    )
    raised = fresh.join(listed, on="rule", how="left", maintain_order="left").with_columns(
        pl.format("{}/{}/{}", subjects.names(fresh), "rule", "onset").alias("alarm"),
        pl.col("time").alias("raised"),
        pl.col("time").alias("changed"),
        pl.lit(now).alias("raised_wall"),
    )
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in raised.columns]
    raised = raised.with_columns(empty).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    note(changes, raised, "raised", pl.col("raised"))
    return pl.concat([alarms, raised])


def _return(alarms: pl.DataFrame, cleared: pl.DataFrame, changes: list[pl.DataFrame]) -> pl.DataFrame:
    """Return alarms to normal; those suppressed or out of service were never shown and are dropped at once."""
    if cleared.height == 0 or alarms.height == 0:
        return alarms
    gone = alarms.join(
        cleared.select(*KEY, pl.col("time").alias("gone")), on=KEY, how="left", maintain_order="left", nulls_equal=True
    ).with_columns(state_of().alias("state"))
    newly = pl.col("returned").is_null() & pl.col("gone").is_not_null()
    if gone.filter(newly).height == 0:
        return alarms
    unshown = (pl.col("state") == SUPPRESSED) | pl.col("out_order").is_not_null()
    dropped = newly & unshown & ~pl.col("latch")
    note(changes, gone.filter(newly & ~dropped), "returned", pl.col("gone"))
    note(changes, gone.filter(dropped), "cleared", pl.col("gone"), quiet=pl.lit(value=True))
    return (
        gone.filter(~dropped)
        .with_columns(
            pl.when(newly).then("gone").otherwise("returned").alias("returned"),
            pl.when(newly).then("gone").otherwise("changed").alias("changed"),
        )
        .select(*SCHEMA)
    )
