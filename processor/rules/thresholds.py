"""Thresholds of rules in words, from the measurements that their alarms record as evidence."""

from __future__ import annotations

from typing import Final

from broker.contract.subjects import SubjectKind
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import FLEET_SILENT, GATEWAY_RULES
from processor.rules.measures import Measure
from processor.rules.rule import Rule

SET: Final[dict[SubjectKind, str]] = {
    "pump": "for each pump from its program and baseline",
    "gateway": "from the number of its pumps",
    "fleet": "from the number of pumps",
    "cohort": "from the rest of the fleet",
    "system": "for each system",
}
"""How a limit is set that is no number, by whom the rule is about."""


def subject_kind(rule: Rule) -> SubjectKind:
    """Return what an alarm of this rule is about."""
    if rule is FLEET_SILENT:
        return "fleet"
    if rule in GATEWAY_RULES:
        return "gateway"
    if rule in COHORT_RULES:
        return "cohort"
    return "pump" if rule.detector is not None else "system"


def thresholds(rule: Rule) -> tuple[str, ...]:
    """Return a sentence for each measurement with a limit, the most telling first; none if no limit is a number."""
    about = subject_kind(rule)
    return tuple(_sentence(measure, about) for measure in rule.evidence if measure.limit is not None)


def labels(rule: Rule) -> tuple[str, ...]:
    """Return the measurements that an alarm of this rule records, each with its unit."""
    return tuple(f"{one.label} ({one.unit})" if one.unit else one.label for one in rule.evidence)


def _sentence(measure: Measure, about: SubjectKind) -> str:
    limit, expected = measure.limit, measure.expected
    if not isinstance(limit, float | int):
        return f"{measure.label}: limit set {SET[about]}"
    normal = f" (normally {_quantity(expected, measure)})" if isinstance(expected, float | int) else ""
    return f"{measure.label}: limit {_quantity(limit, measure)}{normal}"


def _quantity(value: float, measure: Measure) -> str:
    return f"{value:g} {measure.unit}".rstrip()
