"""The alarm list: one row for each thing a person is told, and what they are told. A file holds a group of rows."""

from __future__ import annotations

from typing import Final

from processor.rules import battery, catheter, delivery, motor, reservoir, sensor, stream
from processor.rules.rule import Rule

RULES: Final = (
    *motor.RULES,
    *catheter.RULES,
    *delivery.RULES,
    *reservoir.RULES,
    *battery.RULES,
    *sensor.RULES,
    *stream.RULES,
)
"""Every rule, in no order of importance: priority and age decide what a person sees first."""

RULE_BY_NAME: Final = {rule.name: rule for rule in RULES}

__all__ = ["RULES", "RULE_BY_NAME", "Rule"]
