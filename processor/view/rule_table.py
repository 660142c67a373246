"""Table of rules in the snapshot: what the dashboard says about each rule (`RULES_SCHEMA`)."""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from broker.store.rule_facts import RULES_SCHEMA
from broker.store.snapshot import PRIORITY_CODE
from processor.engine.columns import Rules
from processor.rules.thresholds import labels, subject_kind, thresholds


@lru_cache(maxsize=4)
def rule_table(rules: Rules) -> pl.DataFrame:
    """Return one row per rule; the same frame for the same rules, so that a snapshot writes it once."""
    rows = [
        {
            "rule": rule.name,
            "title": rule.title,
            "subject_kind": subject_kind(rule),
            "priority": PRIORITY_CODE[rule.priority],
            "meaning": rule.meaning,
            "action": rule.action,
            "time_to_respond": rule.time_to_respond,
            "rationale": rule.rationale,
            "thresholds": list(thresholds(rule)),
            "deadband": rule.deadband,
            "on_delay_s": rule.on_delay_s,
            "off_delay_s": rule.off_delay_s,
            "wall_clock": rule.uses_wall_clock,
            "latch": rule.latch,
            "detection_target_h": rule.detection_target_h,
            "evidence": list(labels(rule)),
            "rules_out": [f"{one.cause}: {one.because}" for one in rule.rules_out],
            "identifies": list(rule.identifies),
            "detects": list(rule.detects),
            "suppresses": list(rule.explains),
            "suppressed_by": [other.name for other in rules if rule.name in other.explains],
            "mdc": rule.mdc,
        }
        for rule in rules
    ]
    return pl.DataFrame(rows, RULES_SCHEMA)
