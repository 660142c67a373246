"""Operator actions on alarms and on what is out of service: apply one, with the changes it makes and its outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from broker.contract.actions import AlarmAction, Outcome, ServiceAction
from broker.contract.cohorts import FLEET
from broker.contract.subjects import names_system
from processor.alarms import lifecycle, out_of_service
from processor.alarms.actions import carry_out, refusal
from processor.alarms.subjects import SUBJECT, Subjects
from processor.engine.columns import Rules

Find = Callable[[str], tuple[int | None, int | None]]
"""Returns the numbers of the pump and of the gateway of a name, each None if there is none."""


@dataclass(frozen=True)
class ActionResult:
    """The alarms and out-of-service orders after an action, its changes (`lifecycle.CHANGES`) and its outcome."""

    alarms: pl.DataFrame
    orders: pl.DataFrame
    changes: pl.DataFrame
    outcome: Outcome


def apply(
    alarms: pl.DataFrame, action: AlarmAction | ServiceAction, *, find: Find, subjects: Subjects, rules: Rules
) -> ActionResult:
    """Apply an action to alarms (acknowledge, shelve, …) or to orders (out of service, back in service).

    The orders are those of `subjects`. `find` looks up the subjects that a service action names.
    """
    if not isinstance(action, ServiceAction):
        alarms, changes, outcome = carry_out(alarms, action, subjects=subjects, rules=rules)
        return ActionResult(alarms, subjects.orders, changes, outcome)
    named = subjects.called(_known(action.subjects, alarms, find))
    orders, done, outcome = out_of_service.carry_out(subjects.orders, action, named, rules=rules)
    if not outcome.ok:
        return ActionResult(alarms, orders, refusal(action, outcome.text), outcome)
    alarms, changes = _follow(alarms, orders, done, subjects=subjects, rules=rules)
    return ActionResult(alarms, orders, changes, outcome)


def _known(names: list[str], alarms: pl.DataFrame, find: Find) -> pl.DataFrame:
    """Return the known subjects among these names (`SUBJECT`)."""
    others = set(alarms["other"].drop_nulls())
    rows: list[tuple[int | None, int | None, str | None, str | None]] = []
    for name in names:
        pump, gateway = find(name)
        if pump is not None:
            rows.append((pump, None, None, None))
        elif gateway is not None:
            rows.append((None, gateway, None, None))
        elif names_system(name):
            rows.append((None, None, name, "system"))
        elif name in others:
            rows.append((None, None, name, "cohort"))
        elif name == FLEET:
            rows.append((None, None, None, None))
    return pl.DataFrame(rows, SUBJECT, orient="row")


def end_expired_orders(
    alarms: pl.DataFrame, *, subjects: Subjects, rules: Rules
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Put subjects whose time out of service is over back into service; return alarms, orders and changes."""
    orders = subjects.orders
    if orders["until"].null_count() == orders.height:
        return alarms, orders, lifecycle.no_changes()
    orders, ended = out_of_service.ended(orders, subjects.now(orders))
    alarms, changes = _follow(alarms, orders, ended, subjects=subjects, rules=rules)
    return alarms, orders, changes


def _follow(
    alarms: pl.DataFrame, orders: pl.DataFrame, done: pl.DataFrame, *, subjects: Subjects, rules: Rules
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Let alarms follow changed orders; return them and the changes of both. `done` is what became of the orders."""
    if done.is_empty():
        return alarms, lifecycle.no_changes()
    subjects = replace(subjects, orders=orders)
    return lifecycle.settle(
        alarms, alarms, [lifecycle.order_changes(done)], subjects=subjects, rules=rules, from_data=False
    )
