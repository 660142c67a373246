"""This file is what people take out of service before anything alarms: a pump or anything else alarms are about. Pure.

An order names a subject and, where it is not all of them, one rule. While it stands, alarms of that subject are out of
service as soon as they are raised (`processor.alarms.lifecycle.settle`), and whatever ends meanwhile goes without a word.
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
"""What became of orders, for the journal; `time` is therapy ms."""
MAX_ORDERS: Final = 20_000
"""As many as a person can have meant; a modelling choice."""
MAX_SAID: Final = 3


def carry_out(
    orders: pl.DataFrame, action: ServiceAction, named: pl.DataFrame, *, rules: Rules
) -> tuple[pl.DataFrame, pl.DataFrame, Outcome]:
    """Do what a person wants with the subjects they named; return the orders, what was done (`DONE`) and the answer.

    `named` has the subjects that are known (`SUBJECT`), what each is called (`subject`) and its therapy `now`.
    """
    wrong = _wrong(orders, action, rules)
    if wrong:
        return orders, pl.DataFrame(schema=DONE), _answer(action, pl.DataFrame(schema=DONE), [wrong])
    rule = pl.lit(action.rule, pl.String).alias("rule")
    wanted = named.unique("subject", maintain_order=True).with_columns(rule)
    key = [*SUBJECT, "rule"]
    there = wanted.join(orders, on=key, how="semi", nulls_equal=True, maintain_order="left")
    unknown = len(set(action.subjects)) - wanted.height
    refused = ["not known"] * unknown
    if isinstance(action, PutBack):
        lacking = wanted.height - there.height
        refused += ["not out of service in this way"] * lacking
        done = _done("in_service", there, action, pl.lit(action.why or "put back"))
        return orders.join(there, on=key, how="anti", nulls_equal=True), done, _answer(action, done, refused)
    fresh = wanted.join(there, on=key, how="anti", nulls_equal=True, maintain_order="left")
    refused += [f"{by} had taken it out" for by in orders.join(there, on=key, how="semi", nulls_equal=True)["out_by"]]
    lasts = None if action.for_s is None else round(action.for_s * MS_PER_S)
    added = fresh.with_columns(
        (pl.col("now") + pl.lit(lasts, pl.Int64)).alias("until"),
        pl.lit(action.at).alias("out_wall"),
        pl.lit(action.who).alias("out_by"),
        pl.lit(action.why).alias("out_why"),
        pl.format("{}/{}", pl.lit(action.id), "subject").alias("out_order"),
    ).select(pl.col(name).cast(dtype) for name, dtype in ORDERS.items())
    done = _done("out_of_service", fresh, action, pl.lit(action.why))
    return pl.concat([orders, added]), done, _answer(action, done, refused)


def ended(orders: pl.DataFrame, now: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the orders whose time is not over, and what ended (`DONE`); `now` is each subject's therapy ms."""
    over = (orders["until"] <= now).fill_null(value=False)
    if not over.any():
        return orders, pl.DataFrame(schema=DONE)
    said = {"kind": "in_service", "who": None, "text": "the time was over", "action": None}
    gone = orders.filter(over).with_columns(
        pl.col("until").alias("time"), *(pl.lit(value, pl.String).alias(name) for name, value in said.items())
    )
    return orders.filter(~over), gone.select(*DONE)


def covered(alarms: pl.DataFrame, orders: pl.DataFrame) -> pl.DataFrame:
    """Return the open alarms with what orders say of them: out of service where one stands, else not because of one.

    What a person took out by itself stays out.
    """
    if orders.is_empty() and alarms["out_order"].null_count() == alarms.height:
        return alarms
    said = ["out_wall", "out_by", "out_why", "out_order"]
    of_rule = orders.filter(pl.col("rule").is_not_null()).select(*SUBJECT, "rule", *said)
    of_all = orders.filter(pl.col("rule").is_null()).select(*SUBJECT, *said)
    told = alarms.join(
        of_rule, on=[*SUBJECT, "rule"], how="left", suffix="_rule", nulls_equal=True, maintain_order="left"
    ).join(of_all, on=list(SUBJECT), how="left", suffix="_all", nulls_equal=True, maintain_order="left")
    by_hand = pl.col("out_wall").is_not_null() & pl.col("out_order").is_null()
    return told.with_columns(
        pl.when(by_hand).then(pl.col(name)).otherwise(_first(f"{name}_rule", f"{name}_all")).alias(name)
        for name in said
    ).select(*alarms.columns)


def _first(of_rule: str, of_all: str) -> pl.Expr:
    """Take all of one order: that for the rule where there is one."""
    return pl.when(pl.col("out_order_rule").is_not_null()).then(of_rule).otherwise(of_all)


def _wrong(orders: pl.DataFrame, action: ServiceAction, rules: Rules) -> str:
    """Say why nothing of an action can be done; "" where it can."""
    if isinstance(action, TakeOut) and not action.why.strip():
        return "it needs a reason"
    if action.rule is not None and action.rule not in [rule.name for rule in rules]:
        return f"there is no rule {action.rule!r}; `pumpwatch rules` lists them"
    if isinstance(action, TakeOut) and orders.height + len(action.subjects) > MAX_ORDERS:
        return f"{orders.height:,} are out of service, and the most is {MAX_ORDERS:,}"
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


def _answer(action: ServiceAction, done: pl.DataFrame, refused: list[str]) -> Outcome:
    said = "Put back into service" if isinstance(action, PutBack) else "Took out of service"
    what = "all alarms" if action.rule is None else f"the alarm {action.rule}"
    many = f"{what} of {done.height:,} of {len(set(action.subjects)):,}" if done.height else "nothing"
    why = [f"Not done: {reason}" for reason in dict.fromkeys(refused[:MAX_SAID])]
    return Outcome(id=action.id, done=done.height, refused=max(len(refused), not done.height),
                   text=". ".join([f"{said} {many}", *why]) + ".")  # fmt: skip
