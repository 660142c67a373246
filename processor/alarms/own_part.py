"""Own part of an operator action, if several processors have a fleet between them and all of them hear it. Pure.

Each applies what concerns its own pumps, and says nothing about the names that it does not know: another knows them, or
none does, which only who asked can tell from all answers.
"""

from __future__ import annotations

import msgspec
import polars as pl

from broker.contract.actions import Action, PumpAction, ServiceAction
from broker.contract.cohorts import FLEET
from broker.contract.subjects import names_system
from processor.alarms.operator_actions import Find


def own_part(action: Action, alarms: pl.DataFrame, find: Find) -> Action | None:
    """Return the action with those names only that are known here, None if none is; `alarms` are the open ones.

    An alarm is known if it is open or its subject is; findings about cohorts, the fleet and parts of Pumpwatch may be
    known to several processors.
    """

    def has(name: str) -> bool:
        return find(name) != (None, None)

    if isinstance(action, PumpAction):
        pumps = [name for name in action.pumps if find(name)[0] is not None]
        return msgspec.structs.replace(action, pumps=pumps) if pumps else None
    if isinstance(action, ServiceAction):
        others = set(alarms["other"].drop_nulls())
        subjects = [
            each for each in action.subjects if has(each) or each in others or each == FLEET or names_system(each)
        ]
        return msgspec.structs.replace(action, subjects=subjects) if subjects else None
    opened = set(alarms["alarm"].filter(alarms["alarm"].is_in(action.alarms)))
    named = [name for name in action.alarms if name in opened or has(name.partition("/")[0])]
    return msgspec.structs.replace(action, alarms=named) if named else None
