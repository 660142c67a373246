"""Thresholds of rules in words, from the measurements that their alarms record as evidence."""

from __future__ import annotations

from processor.rules.measures import Measure
from processor.rules.rule import Rule


def thresholds(rule: Rule) -> tuple[str, ...]:
    """Return a sentence for each measurement with a limit, the most telling first; none if no limit is a number."""
    return tuple(_sentence(measure) for measure in rule.evidence if measure.limit is not None)


def labels(rule: Rule) -> tuple[str, ...]:
    """Return the measurements that an alarm of this rule records, each with its unit."""
    return tuple(f"{one.label} ({one.unit})" if one.unit else one.label for one in rule.evidence)


def _sentence(measure: Measure) -> str:
    limit, expected = measure.limit, measure.expected
    if not isinstance(limit, float | int):
        return f"{measure.label}: limit set for each pump from its program and baseline"
    normal = f" (normally {_quantity(expected, measure)})" if isinstance(expected, float | int) else ""
    return f"{measure.label}: limit {_quantity(limit, measure)}{normal}"


def _quantity(value: float, measure: Measure) -> str:
    return f"{value:g} {measure.unit}".rstrip()
