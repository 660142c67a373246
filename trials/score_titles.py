"""Score with the titles of faults and rules in place of their names, as people read it."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from broker.display.names import words
from processor.rules import RULES
from processor.rules.cohorts import COHORT_RULES
from processor.rules.gateways import GATEWAY_RULES
from simulator.faults import FAULTS

FAULT_TITLES: Final = {name: fault.title for name, fault in FAULTS.items()}
RULE_TITLES: Final = {rule.name: rule.title for rule in (*RULES, *GATEWAY_RULES, *COHORT_RULES)}


def titled(report: dict[str, Any]) -> dict[str, Any]:
    """Return a report (`trials.score.report`) with titles; outages, which are no faults, read as words."""
    faults = {
        _fault(name): {**fault, "first": {_rule(rule): count for rule, count in fault["first"].items()}}
        for name, fault in report["faults"].items()
    }
    sweep = {"sweep": {_fault(name): found for name, found in report["sweep"].items()}} if "sweep" in report else {}
    return {
        **report,
        "faults": faults,
        "false": [{**row, "rule": _rule(row["rule"])} for row in report["false"]],
        "missed": [
            {**row, "fault": _fault(row["fault"]), "alarmed": _rules(row["alarmed"])} for row in report["missed"]
        ],
        **sweep,
    }


def with_titles(found: pl.DataFrame) -> pl.DataFrame:
    """Return a list of false alarms or of missed injections with titles."""
    changes = {"rule": _rule, "fault": _fault, "alarmed": _rules}
    return found.with_columns(
        pl.Series(name, [change(value) for value in found[name]], pl.String)
        for name, change in changes.items()
        if name in found.columns
    )


def _fault(name: str) -> str:
    return FAULT_TITLES.get(name) or words(name)


def _rule(name: str) -> str:
    return RULE_TITLES.get(name) or words(name)


def _rules(names: str) -> str:
    return ", ".join(_rule(name) for name in names.split(", ") if name)
