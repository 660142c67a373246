"""This file decides when a violation becomes an alarm, and what becomes of it. It is pure.

An open alarm is a row: whom it is about and which rule, since when, whether it went away, what people did with it. Its
state is not stored but read from these times (`alarm_states`). Ids are made of subject, rule and onset, so that the
same samples give the same alarms.
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

At most one of `SUBJECT` is set (`processor.alarms.subjects`). `changed` is when the condition last came or went.
`acknowledged_by` stays when the alarm calls again, `acknowledged_wall` does not. `under` is the alarm that explains it.
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
"""What happened to alarms: `kind` is one of `broker.store.journal.KINDS`, `time` therapy ms, `text` a person's reason.

`action` is the id of what a person did, `cause` the rule that explains the alarm; what is `quiet` calls nobody.
"""

REALARM_H: Final = {"high": 12.0}
"""An acknowledged alarm that stands on calls again after so many therapy hours, by priority: whoever comes next is to
see it too. A modelling choice; a rule may have a time of its own.
"""


def no_alarms() -> pl.DataFrame:
    """Return the frame of no open alarms."""
    return pl.DataFrame(schema=SCHEMA)


def restored(saved: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return open alarms as an older version may have saved them; alarms of rules that are gone are left out."""
    saved = with_kinds(saved) if "other" in saved.columns else saved
    missing = [name for name in SCHEMA if name not in saved.columns]
    whole = saved.with_columns(pl.lit(None, SCHEMA[name]).alias(name) for name in missing)
    seen = pl.col("acknowledged_wall").is_not_null()
    return whole.with_columns(
        pl.col("latch").fill_null(value=False),
        pl.coalesce("changed", "returned", "raised").alias("changed"),
        pl.coalesce("acknowledged", pl.when(seen).then("raised")).alias("acknowledged"),
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

    `now` is wall ms and only noted. Everything is idempotent: what is already so changes nothing.
    """
    changes: list[pl.DataFrame] = []
    after = _return(alarms, conditions.cleared, changes)
    after = _raise(after, conditions.standing, now=now, subjects=subjects, rules=rules, changes=changes)
    if not changes:
        return after, pl.DataFrame(schema=CHANGES)
    return settle(alarms, after, changes, subjects=subjects, rules=rules)


def tick(alarms: pl.DataFrame, *, subjects: Subjects, rules: Rules = RULES) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Do what time alone does: end shelving that has lasted, call again for what was acknowledged and stands on."""
    # Most alarms are neither, and this is done at every turn.
    if not (alarms["shelved_until"].count() or alarms["acknowledged"].count()):
        return alarms, pl.DataFrame(schema=CHANGES)
    pause_h = pl.DataFrame(
        [(rule.name, rule.realarm_h or REALARM_H.get(rule.priority)) for rule in rules],
        {"rule": pl.String, "pause_h": pl.Float64},
        orient="row",
    )
    told = alarms.with_columns(subjects.now(alarms)).join(pause_h, on="rule", how="left", maintain_order="left")
    expired = (pl.col("shelved_until") <= pl.col("now")).fill_null(value=False)
    changes: list[pl.DataFrame] = []
    note(changes, told.filter(expired), "unshelved", pl.col("shelved_until"))
    told = told.with_columns(
        *emptied("shelved_until", "shelved_wall", "shelved_by", "shelved_why", where=expired)
    ).with_columns(state_of().alias("state"))
    waited = pl.col("now") - pl.col("acknowledged") >= pl.col("pause_h") * 3_600_000
    again = ((pl.col("state") == ACKNOWLEDGED) & waited).fill_null(value=False)
    note(changes, told.filter(again), "realarmed", pl.col("now"))
    if not changes:
        return alarms, pl.DataFrame(schema=CHANGES)
    after = told.with_columns(*emptied("acknowledged", "acknowledged_wall", where=again)).select(*SCHEMA)
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
    """Find anew what is held under what, let go of what is over and seen; return the alarms and all that changed.

    What changes `from_data` bears the time of the data, so that the same samples make the same entries; what changes
    because of people or by the clock bears the subject's now.
    """
    after = _serve(before, after, changes, subjects)
    told = held(after, subjects, rules).select(*SCHEMA).with_columns(state_of().alias("state"))
    was = before.select("alarm", pl.col("under").alias("was_under"), pl.lit(value=True).alias("known"))
    above = told.select(
        pl.col("alarm").alias("holder"), pl.col("changed").alias("holder_changed"), pl.col("rule").alias("cause")
    )
    told = (
        told.join(was, on="alarm", how="left", maintain_order="left")
        .with_columns(pl.coalesce("under", "was_under").alias("holder"))
        .join(above, on="holder", how="left", maintain_order="left")
    )
    told = told.with_columns(subjects.now(told))
    at = pl.max_horizontal("changed", "holder_changed") if from_data else pl.col("now")
    fresh, was_held = pl.col("known").is_null(), pl.col("was_under").is_not_null()
    held_now = told.filter((pl.col("state") == SUPPRESSED) & ~was_held)
    note(changes, held_now, "held", at, quiet=fresh)
    loud = ~pl.col("state").is_in([*QUIET, NORMAL])
    note(changes, told.filter(loud & pl.col("under").is_null() & was_held), "released", at)
    note(changes, told.filter(pl.col("state") == NORMAL), "cleared", pl.col("returned"))
    hushed = told.select(
        "alarm",
        pl.col("state").is_in(QUIET).alias("hushed"),
        pl.when(pl.col("under").is_not_null()).then("cause").alias("held_by"),
    )
    said = (
        pl.concat([pl.DataFrame(schema=CHANGES), *changes])
        .join(hushed, on="alarm", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("quiet", "hushed", pl.lit(value=False)).alias("quiet"),
            pl.coalesce("cause", "held_by").alias("cause"),
        )
    )
    return told.filter(pl.col("state") != NORMAL).select(*SCHEMA), said.select(*CHANGES)


def _serve(before: pl.DataFrame, after: pl.DataFrame, changes: list[pl.DataFrame], subjects: Subjects) -> pl.DataFrame:
    """Put what orders say into the alarms, and note which of them that changed: before all else that happened."""
    told = covered(after, subjects.orders)
    if told is after:
        return after
    was = before.select("alarm", pl.col("out_order").alias("was"))
    known = told.join(was, on="alarm", how="left", maintain_order="left").with_columns(subjects.now(told))
    fresh = pl.col("out_order").is_not_null() & pl.col("was").is_null()
    noted: list[pl.DataFrame] = []
    note(noted, known.filter(fresh), "out_of_service", pl.col("now"), who=pl.col("out_by"), text=pl.col("out_why"))
    note(noted, known.filter(pl.col("out_order").is_null() & pl.col("was").is_not_null()), "in_service", pl.col("now"))
    changes[:0] = noted
    return told


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
    """Add what happened to the alarms in `rows`; whether that is `quiet` is left to `settle` unless it is said."""
    if rows.height:
        said = {"kind": kind, "who": who, "text": text, "action": action}
        noted = rows.with_columns(
            *(
                (value if isinstance(value, pl.Expr) else pl.lit(value, CHANGES[name])).alias(name)
                for name, value in said.items()
            ),
            time.alias("time"),
            (pl.lit(None, pl.Boolean) if quiet is None else quiet).alias("quiet"),
            pl.lit(None, pl.String).alias("cause"),
        )
        changes.append(noted.select(pl.col(name).cast(dtype) for name, dtype in CHANGES.items()))


def told(done: pl.DataFrame) -> pl.DataFrame:
    """Return as changes (`CHANGES`), which are about no alarm, what became of orders (`processor.alarms.out_of_service.DONE`)."""
    lacking = [pl.lit(None, dtype).alias(name) for name, dtype in CHANGES.items() if name not in done.columns]
    return done.with_columns(lacking).with_columns(pl.lit(value=True).alias("quiet")).select(*CHANGES)


def emptied(*names: str, where: pl.Expr) -> Iterator[pl.Expr]:
    """Yield for each column the expression that makes it unknown there."""
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
    """Raise what is new, and what had gone and is back: somebody has to see that anew."""
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
    told = pl.DataFrame(
        [(rule.name, PRIORITY_CODE[rule.priority], rule.latch) for rule in rules],
        {"rule": pl.String, "priority": pl.Int8, "latch": pl.Boolean},
        orient="row",
    )
    raised = fresh.join(told, on="rule", how="left", maintain_order="left").with_columns(
        pl.format("{}/{}/{}", subjects.names(fresh), "rule", "onset").alias("alarm"),
        pl.col("time").alias("raised"),
        pl.col("time").alias("changed"),
        pl.lit(now).alias("raised_wall"),
    )
    empty = [pl.lit(None, dtype).alias(name) for name, dtype in SCHEMA.items() if name not in raised.columns]
    raised = raised.with_columns(empty).select(pl.col(name).cast(dtype) for name, dtype in SCHEMA.items())
    note(changes, raised, "raised", pl.col("raised"))
    return pl.concat([alarms, raised])


def _return(alarms: pl.DataFrame, over: pl.DataFrame, changes: list[pl.DataFrame]) -> pl.DataFrame:
    """Note what went away; what goes while another alarm holds it, or while its subject is out of service, was never
    shown, and needs nobody to see it.
    """
    if over.height == 0 or alarms.height == 0:
        return alarms
    gone = alarms.join(
        over.select(*KEY, pl.col("time").alias("gone")), on=KEY, how="left", maintain_order="left", nulls_equal=True
    ).with_columns(state_of().alias("state"))
    newly = pl.col("returned").is_null() & pl.col("gone").is_not_null()
    if gone.filter(newly).height == 0:
        return alarms
    unshown = (pl.col("state") == SUPPRESSED) | pl.col("out_order").is_not_null()
    unseen = newly & unshown & ~pl.col("latch")
    note(changes, gone.filter(newly & ~unseen), "returned", pl.col("gone"))
    note(changes, gone.filter(unseen), "cleared", pl.col("gone"), quiet=pl.lit(value=True))
    return (
        gone.filter(~unseen)
        .with_columns(
            pl.when(newly).then("gone").otherwise("returned").alias("returned"),
            pl.when(newly).then("gone").otherwise("changed").alias("changed"),
        )
        .select(*SCHEMA)
    )
