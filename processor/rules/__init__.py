"""Alarm rules: what raises an alarm, its priority, and what it says. One module per group of rules."""

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
"""Every rule about a single pump, in no order of importance: priority and age decide what is shown first."""

RULE_BY_NAME: Final = {rule.name: rule for rule in RULES}

__all__ = ["RULES", "RULE_BY_NAME", "Rule"]
