"""This file is what people do with alarms: in which state what is allowed, row by row, and why not. It is pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from broker.contract.actions import (
    MAX_SHELF_H,
    Acknowledge,
    Action,
    AlarmAction,
    InService,
    Note,
    Outcome,
    OutOfService,
    Reset,
    Shelve,
    Unacknowledge,
    Unshelve,
)
from broker.store.snapshot import PRIORITY_CODE
from processor.alarms.lifecycle import CHANGES, SCHEMA, note, settle
from processor.alarms.states import LATCHED, state_of
from processor.alarms.subjects import Subjects
from processor.engine.columns import Rules
from processor.rules import RULES

_GONE: Final = "over, or not known"
_SHELF: Final = ("shelved_until", "shelved_wall", "shelved_by", "shelved_why")
_OUT: Final = ("out_wall", "out_by", "out_why")
_ORDERED: Final = "out of service with its pump, gateway or part, which has to be put back"
Sets = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class _Deed:
    """What an action is called once done, why it is not allowed where it is not (null where it is), what it sets.

    `needs_why`: nobody may do it without a reason. An expression may use `now`, the therapy ms of the alarm's subject.
    """

    kind: str
    done: str
    why_not: Callable[[Any], pl.Expr]
    sets: Sets
    needs_why: bool = False


def _first(*reasons: tuple[pl.Expr, pl.Expr | str]) -> pl.Expr:
    """Return the reason of the first condition that holds, else null."""
    said = [pl.when(condition).then(pl.lit(why) if isinstance(why, str) else why) for condition, why in reasons]
    return pl.coalesce(*said) if said else pl.lit(None, pl.String)


def _longest_h() -> pl.Expr:
    hours = {PRIORITY_CODE[name]: hours for name, hours in MAX_SHELF_H.items()}
    return pl.col("priority").replace_strict(hours, return_dtype=pl.Float64)


_DEEDS: Final[dict[type, _Deed]] = {
    Acknowledge: _Deed(
        "acknowledged",
        "Acknowledged",
        lambda _: _first(
            (pl.col("acknowledged_wall").is_not_null(), pl.format("{} had acknowledged it", "acknowledged_by"))
        ),
        lambda a: {"acknowledged": pl.col("now"), "acknowledged_wall": a.at, "acknowledged_by": a.who},
    ),
    Unacknowledge: _Deed(
        "unacknowledged",
        "Took the acknowledgement back of",
        lambda _: _first((pl.col("acknowledged_wall").is_null(), "not acknowledged")),
        lambda _: dict.fromkeys(("acknowledged", "acknowledged_wall", "acknowledged_by")),
    ),
    Note: _Deed(
        "note",
        "Noted for",
        lambda _: _first(),
        lambda a: {"note": a.why, "note_wall": a.at, "note_by": a.who},
        needs_why=True,
    ),
    Shelve: _Deed(
        "shelved",
        "Shelved",
        lambda a: _first(
            (pl.col("out_wall").is_not_null(), "out of service"),
            (
                pl.lit(a.for_s) > _longest_h() * 3600.0,
                pl.format("longer than the {} h that its priority allows", _longest_h().cast(pl.Int64)),
            ),
        ),
        lambda a: {
            "shelved_until": pl.col("now") + round(a.for_s * 1000),
            "shelved_wall": a.at,
            "shelved_by": a.who,
            "shelved_why": a.why,
        },
        needs_why=True,
    ),
    Unshelve: _Deed(
        "unshelved",
        "Unshelved",
        lambda _: _first((pl.col("shelved_until").is_null(), "not shelved")),
        lambda _: dict.fromkeys(_SHELF),
    ),
    OutOfService: _Deed(
        "out_of_service",
        "Took out of service",
        lambda _: _first(
            (pl.col("out_wall").is_not_null(), pl.format("{} had taken it out of service", "out_by")),
        ),
        lambda a: {**dict.fromkeys(_SHELF), "out_wall": a.at, "out_by": a.who, "out_why": a.why},
        needs_why=True,
    ),
    InService: _Deed(
        "in_service",
        "Put back into service",
        lambda _: _first((pl.col("out_wall").is_null(), "in service"), (pl.col("out_order").is_not_null(), _ORDERED)),
        lambda _: dict.fromkeys(_OUT),
    ),
    Reset: _Deed(
        "reset",
        "Reset",
        lambda _: _first(
            (~pl.col("latch"), "not latched: it goes by itself"),
            (pl.col("returned").is_null(), "its condition stands"),
            (pl.col("acknowledged_wall").is_null(), "nobody has acknowledged it"),
            (pl.col("state") != LATCHED, "shelved or out of service"),
        ),
        lambda a: {"reset_wall": a.at},
    ),
}


def carry_out(
    alarms: pl.DataFrame, action: AlarmAction, *, subjects: Subjects, rules: Rules = RULES
) -> tuple[pl.DataFrame, pl.DataFrame, Outcome]:
    """Do what a person wants with the alarms they named, where it is allowed.

    Returns the alarms, what changed (`processor.alarms.lifecycle.CHANGES`) and what to answer.
    """
    deed = _DEEDS[type(action)]
    named = list(dict.fromkeys(action.alarms))
    if deed.needs_why and not action.why.strip():
        text = f"{_said(deed, 0, [])} It needs a reason or a text."
        return alarms, refusal(action, text), Outcome(id=action.id, done=0, refused=len(named), text=text)
    told = alarms.with_columns(subjects.now(alarms), state_of().alias("state"))
    wanted = pl.col("alarm").is_in(named)
    told = told.with_columns(pl.when(wanted).then(deed.why_not(action)).alias("why_not"))
    touched = wanted & pl.col("why_not").is_null()
    reasons = told.filter(wanted & ~touched)["why_not"].to_list()
    done = told.filter(touched)
    reasons += [_GONE] * (len(named) - done.height - len(reasons))
    changes: list[pl.DataFrame] = []
    note(changes, done, deed.kind, pl.col("now"), who=action.who, text=action.why or None, action=action.id,
         quiet=pl.lit(value=False))  # fmt: skip
    sets = {
        name: value if isinstance(value, pl.Expr) else pl.lit(value, SCHEMA[name])
        for name, value in deed.sets(action).items()
    }
    after = told.with_columns(
        pl.when(touched).then(value).otherwise(pl.col(name)).alias(name) for name, value in sets.items()
    ).select(*SCHEMA)
    outcome = Outcome(id=action.id, done=done.height, refused=len(reasons), text=_said(deed, done.height, reasons))
    if not changes:
        return alarms, refusal(action, outcome.text), outcome
    alarms, said = settle(alarms, after, changes, subjects=subjects, rules=rules, from_data=False)
    return alarms, said, outcome


def _said(deed: _Deed, done: int, reasons: list[str]) -> str:
    """Say of how many alarms it was done, and of how many not, and why."""
    count = f"{done:,} alarm{'' if done == 1 else 's'}" if done else "no alarm"
    refused = [f"{number:,} not: {why}" for why, number in Counter(reasons).most_common(3)]
    return ". ".join([f"{deed.done} {count}", *refused]) + "."


def refusal(action: Action, text: str) -> pl.DataFrame:
    """Return the change that says that nothing was done, and why."""
    said = {"kind": "refused", "who": action.who, "text": text, "action": action.id, "quiet": True}
    return pl.DataFrame([{**dict.fromkeys(CHANGES), **said}], CHANGES)
