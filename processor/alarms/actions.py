"""Operator actions on alarms: what each requires, what it sets, and why it is refused. Pure."""

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

_GONE: Final = "no longer open"
_SHELF: Final = ("shelved_until", "shelved_wall", "shelved_by", "shelved_why")
_OUT: Final = ("out_wall", "out_by", "out_why")
_ORDERED: Final = "out of service with its pump, gateway or component; return that to service"
Sets = Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class _ActionSpec:
    """An operator action: its journal kind, its past tense, why it is refused (null: allowed), and what it sets.

    `needs_why`: a reason is required. Expressions may use `now`, the therapy ms of the alarm's subject.
    """

    kind: str
    done: str
    why_not: Callable[[Any], pl.Expr]
    sets: Sets
    needs_why: bool = False


def _first(*reasons: tuple[pl.Expr, pl.Expr | str]) -> pl.Expr:
    """Return the reason of the first condition that holds, else null."""
    given = [pl.when(condition).then(pl.lit(why) if isinstance(why, str) else why) for condition, why in reasons]
    return pl.coalesce(*given) if given else pl.lit(None, pl.String)


def _max_shelf_h() -> pl.Expr:
    hours = {PRIORITY_CODE[name]: hours for name, hours in MAX_SHELF_H.items()}
    return pl.col("priority").replace_strict(hours, return_dtype=pl.Float64)


_ACTIONS: Final[dict[type, _ActionSpec]] = {
    Acknowledge: _ActionSpec(
        "acknowledged",
        "Acknowledged",
        lambda _: _first(
            (pl.col("acknowledged_wall").is_not_null(), pl.format("already acknowledged by {}", "acknowledged_by"))
        ),
        lambda a: {"acknowledged": pl.col("now"), "acknowledged_wall": a.at, "acknowledged_by": a.who},
    ),
    Unacknowledge: _ActionSpec(
        "unacknowledged",
        "Withdrew the acknowledgment of",
        lambda _: _first((pl.col("acknowledged_wall").is_null(), "not acknowledged")),
        lambda _: dict.fromkeys(("acknowledged", "acknowledged_wall", "acknowledged_by")),
    ),
    Note: _ActionSpec(
        "note",
        "Added a note to",
        lambda _: _first(),
        lambda a: {"note": a.why, "note_wall": a.at, "note_by": a.who},
        needs_why=True,
    ),
    Shelve: _ActionSpec(
        "shelved",
        "Shelved",
        lambda a: _first(
            (pl.col("out_wall").is_not_null(), "out of service"),
            (
                pl.lit(a.for_s) > _max_shelf_h() * 3600.0,
                pl.format("longer than the {} h allowed for its priority", _max_shelf_h().cast(pl.Int64)),
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
    Unshelve: _ActionSpec(
        "unshelved",
        "Unshelved",
        lambda _: _first((pl.col("shelved_until").is_null(), "not shelved")),
        lambda _: dict.fromkeys(_SHELF),
    ),
    OutOfService: _ActionSpec(
        "out_of_service",
        "Took out of service",
        lambda _: _first(
            (pl.col("out_wall").is_not_null(), pl.format("already taken out of service by {}", "out_by")),
        ),
        lambda a: {**dict.fromkeys(_SHELF), "out_wall": a.at, "out_by": a.who, "out_why": a.why},
        needs_why=True,
    ),
    InService: _ActionSpec(
        "in_service",
        "Returned to service",
        lambda _: _first(
            (pl.col("out_wall").is_null(), "already in service"), (pl.col("out_order").is_not_null(), _ORDERED)
        ),
        lambda _: dict.fromkeys(_OUT),
    ),
    Reset: _ActionSpec(
        "reset",
        "Reset",
        lambda _: _first(
            (~pl.col("latch"), "not latching: it clears by itself"),
            (pl.col("returned").is_null(), "its condition still stands"),
            (pl.col("acknowledged_wall").is_null(), "not acknowledged"),
            (pl.col("state") != LATCHED, "shelved or out of service"),
        ),
        lambda a: {"reset_wall": a.at},
    ),
}


def carry_out(
    alarms: pl.DataFrame, action: AlarmAction, *, subjects: Subjects, rules: Rules = RULES
) -> tuple[pl.DataFrame, pl.DataFrame, Outcome]:
    """Apply an action to the alarms it names, if it is allowed for them.

    Returns the alarms, the changes (`processor.alarms.lifecycle.CHANGES`) and the outcome.
    """
    spec = _ACTIONS[type(action)]
    named = list(dict.fromkeys(action.alarms))
    if spec.needs_why and not action.why.strip():
        text = f"{_summary(spec, 0, [])} Enter a reason or a text."
        return alarms, refusal(action, text), Outcome(id=action.id, done=0, refused=len(named), text=text)
    rows = alarms.with_columns(subjects.now(alarms), state_of().alias("state"))
    selected = pl.col("alarm").is_in(named)
    rows = rows.with_columns(pl.when(selected).then(spec.why_not(action)).alias("why_not"))
    allowed = selected & pl.col("why_not").is_null()
    reasons = rows.filter(selected & ~allowed)["why_not"].to_list()
    done = rows.filter(allowed)
    reasons += [_GONE] * (len(named) - done.height - len(reasons))
    changes: list[pl.DataFrame] = []
    note(changes, done, spec.kind, pl.col("now"), who=action.who, text=action.why or None, action=action.id,
         quiet=pl.lit(value=False))  # fmt: skip
    sets = {
        name: value if isinstance(value, pl.Expr) else pl.lit(value, SCHEMA[name])
        for name, value in spec.sets(action).items()
    }
    after = rows.with_columns(
        pl.when(allowed).then(value).otherwise(pl.col(name)).alias(name) for name, value in sets.items()
    ).select(*SCHEMA)
    outcome = Outcome(id=action.id, done=done.height, refused=len(reasons), text=_summary(spec, done.height, reasons))
    if not changes:
        return alarms, refusal(action, outcome.text), outcome
    alarms, settled = settle(alarms, after, changes, subjects=subjects, rules=rules, from_data=False)
    return alarms, settled, outcome


def _summary(spec: _ActionSpec, done: int, reasons: list[str]) -> str:
    """Return for how many alarms the action was done, and for how many it was refused, with the reasons."""
    count = f"{done:,} alarm{'' if done == 1 else 's'}" if done else "no alarm"
    refused = [f"{number:,} refused: {why}" for why, number in Counter(reasons).most_common(3)]
    return ". ".join([f"{spec.done} {count}", *refused]) + "."


def refusal(action: Action, text: str) -> pl.DataFrame:
    """Return the change that records a refused action and the reason."""
    fields = {"kind": "refused", "who": action.who, "text": text, "action": action.id, "quiet": True}
    return pl.DataFrame([{**dict.fromkeys(CHANGES), **fields}], CHANGES)
