"""Operator actions on the alarms and pumps of the fleet, each applied once."""

from __future__ import annotations

from typing import Final

import polars as pl

from broker.contract.actions import Action, Outcome, PumpAction, Transfer
from processor.alarms import lifecycle as alarm_list
from processor.alarms import operator_actions
from processor.alarms.own_part import own_part
from processor.fleet.state import FleetState
from processor.intake import retirement, transfer

MAX_ACTION_IDS: Final = 10_000
"""Number of recent action ids kept to ignore redelivered actions."""


def act(fleet: FleetState, action: Action, now: int) -> tuple[pl.DataFrame, Outcome]:
    """Apply an operator action once; a redelivered one, as after a crash, is answered and changes nothing."""
    if action.id in fleet.action_ids:
        outcome = Outcome(id=action.id, done=0, refused=0, text="Already done.")
        return alarm_list.no_changes(), outcome
    if fleet.shared:
        known = own_part(action, fleet.alarms, fleet.registry.find)
        if known is None:
            return alarm_list.no_changes(), Outcome(id=action.id, done=0, refused=0, text="")
        action = known
    if isinstance(action, PumpAction):
        _remember(fleet, action)
        if isinstance(action, Transfer):
            return alarm_list.no_changes(), transfer.apply(fleet.registry, action)
        return alarm_list.no_changes(), retirement.apply(fleet.registry, action, now)
    result = operator_actions.apply(
        fleet.alarms, action, find=fleet.registry.find, subjects=fleet.subjects(now), rules=fleet.listed
    )
    fleet.alarms, fleet.orders = result.alarms, result.orders
    _remember(fleet, action)
    return result.changes, result.outcome


def _remember(fleet: FleetState, action: Action) -> None:
    fleet.action_ids[action.id] = None
    while len(fleet.action_ids) > MAX_ACTION_IDS:
        del fleet.action_ids[next(iter(fleet.action_ids))]
