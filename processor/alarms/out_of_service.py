"""Subjects that people take out of service in advance: a pump, a gateway, a cohort, a component or the fleet. Pure.

An order names a subject and, unless it covers all of them, one rule. While it stands, alarms of that subject are out of
service as soon as they are raised (`processor.alarms.lifecycle.settle`), and those that clear meanwhile are removed
without annunciation.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.actions import Outcome, PutBack, ServiceAction, TakeOut
from processor.alarms.subjects import ORDERS, SUBJECT
from processor.engine.columns import MS_PER_S, Rules

DONE: Final[dict[str, pl.DataType]] = {
    "kind": pl.String(),
    **SUBJECT,
    "rule": pl.String(),
    "time": pl.Int64(),
    "who": pl.String(),
    "text": pl.String(),
    "action": pl.String(),
}
"""Changed orders, for the journal; `time` is therapy ms."""
MAX_ORDERS: Final = 20_000
"""Limit of standing orders, far beyond what people manage; a modeling choice."""
MAX_REASONS: Final = 3
"""Reasons of refusal named in an outcome."""


def carry_out(
    orders: pl.DataFrame, action: ServiceAction, named: pl.DataFrame, *, rules: Rules
) -> tuple[pl.DataFrame, pl.DataFrame, Outcome]:
    """Apply an action to the subjects it names; return the orders, those that changed (`DONE`) and the outcome.

    `named` has the known subjects (`SUBJECT`), each with its name (`subject`) and its therapy `now`.
    """
    error = _error(orders, action, rules)
    if error:
        return orders, pl.DataFrame(schema=DONE), _outcome(action, pl.DataFrame(schema=DONE), [error])
    rule = pl.lit(action.rule, pl.String).alias("rule")
    subjects = named.unique("subject", maintain_order=True).with_columns(rule)
    key = [*SUBJECT, "rule"]
    standing = subjects.join(orders, on=key, how="semi", nulls_equal=True, maintain_order="left")
    unknown = len(set(action.subjects)) - subjects.height
    refused = ["unknown subject"] * unknown
    if isinstance(action, PutBack):
        refused += ["not out of service for this rule"] * (subjects.height - standing.height)
        done = _done("in_service", standing, action, pl.lit(action.why or "returned to service"))
        return orders.join(standing, on=key, how="anti", nulls_equal=True), done, _outcome(action, done, refused)
    fresh = subjects.join(standing, on=key, how="anti", nulls_equal=True, maintain_order="left")
    earlier = orders.join(standing, on=key, how="semi", nulls_equal=True)
    refused += [f"already taken out of service by {by}" for by in earlier["out_by"]]
    duration_ms = None if action.for_s is None else round(action.for_s * MS_PER_S)
    added = fresh.with_columns(
        (pl.col("now") + pl.lit(duration_ms, pl.Int64)).alias("until"),
        pl.lit(action.at).alias("out_wall"),
        pl.lit(action.who).alias("out_by"),
        pl.lit(action.why).alias("out_why"),
        pl.format("{}/{}", pl.lit(action.id), "subject").alias("out_order"),
    ).select(pl.col(name).cast(dtype) for name, dtype in ORDERS.items())
    done = _done("out_of_service", fresh, action, pl.lit(action.why))
    return pl.concat([orders, added]), done, _outcome(action, done, refused)


def ended(orders: pl.DataFrame, now: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the orders that still stand, and those that expired (`DONE`); `now` is each subject's therapy ms."""
    expired = (orders["until"] <= now).fill_null(value=False)
    if not expired.any():
        return orders, pl.DataFrame(schema=DONE)
    fields = {"kind": "in_service", "who": None, "text": "the time has elapsed", "action": None}
    ended_orders = orders.filter(expired).with_columns(
        pl.col("until").alias("time"), *(pl.lit(value, pl.String).alias(name) for name, value in fields.items())
    )
    return orders.filter(~expired), ended_orders.select(*DONE)


def covered(alarms: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Return the open alarms, out of service if an order covers them, back in service if none does any more.

    An alarm that a person took out of service by itself stays out.
    """
    if orders.is_empty() and alarms["out_order"].null_count() == alarms.height:
        return alarms
    columns = ["out_wall", "out_by", "out_why", "out_order"]
    of_rule = orders.filter(pl.col("rule").is_not_null()).select(*SUBJECT, "rule", *columns)
    of_all = orders.filter(pl.col("rule").is_null()).select(*SUBJECT, *columns)
    rows = alarms.join(
        of_rule, on=[*SUBJECT, "rule"], how="left", suffix="_rule", nulls_equal=True, maintain_order="left"
    ).join(of_all, on=list(SUBJECT), how="left", suffix="_all", nulls_equal=True, maintain_order="left")
    by_hand = pl.col("out_wall").is_not_null() & pl.col("out_order").is_null()
    return rows.with_columns(
        pl.when(by_hand).then(pl.col(name)).otherwise(_first(f"{name}_rule", f"{name}_all")).alias(name)
        for name in columns
    ).select(*alarms.columns)


def _first(of_rule: str, of_all: str) -> pl.Expr:
    """Return the column of the order for the rule if there is one, else of the order for all rules."""
    return pl.when(pl.col("out_order_rule").is_not_null()).then(of_rule).otherwise(of_all)


def _error(orders: pl.DataFrame, action: ServiceAction, rules: Rules) -> str:
    """Return why an action cannot be applied at all; "" if it can."""
    if isinstance(action, TakeOut) and not action.why.strip():
        return "enter a reason"
    if action.rule is not None and action.rule not in [rule.name for rule in rules]:
        return f"there is no rule {action.rule!r}; `pumpwatch rules` lists them"
    if isinstance(action, TakeOut) and orders.height + len(action.subjects) > MAX_ORDERS:
        return f"{orders.height:,} subjects are out of service; the limit is {MAX_ORDERS:,}"
    return ""


def _done(kind: str, rows: pl.DataFrame, action: ServiceAction, text: pl.Expr) -> pl.DataFrame:
    return rows.select(
        pl.lit(kind).alias("kind"),
        *SUBJECT,
        "rule",
        pl.col("now").alias("time"),
        pl.lit(action.who).alias("who"),
        pl.when(pl.col("pump").is_null()).then(pl.format("{}: {}", "subject", text)).otherwise(text).alias("text"),
        pl.lit(action.id).alias("action"),
    ).cast(DONE)  # type: ignore[arg-type]


def _outcome(action: ServiceAction, done: pl.DataFrame, refused: list[str]) -> Outcome:
    verb = "Returned to service" if isinstance(action, PutBack) else "Took out of service"
    what = "all alarms" if action.rule is None else f"the alarm {action.rule}"
    extent = f"{what} of {done.height:,} of {len(set(action.subjects)):,}" if done.height else "nothing"
    reasons = [f"Refused: {reason}" for reason in dict.fromkeys(refused[:MAX_REASONS])]
    return Outcome(id=action.id, done=done.height, refused=max(len(refused), not done.height),
                   text=". ".join([f"{verb} {extent}", *reasons]) + ".")  # fmt: skip
