"""Names of rules and faults as people know them: each has one title, that of its own file."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from broker.store.snapshot import Snapshot
from dashboard import formatting


def rule_titles(snapshot: Snapshot) -> dict[str, str]:
    """Return the titles of rules by name: those of the rules of pumps, and of every open alarm."""
    return {**snapshot.health.rules, **_titles(snapshot.alarms)}


def rule_title(titles: Mapping[str, str], rule: str | None) -> str:
    """Return the title of a rule, its name in words if no table has it, "" without one."""
    return titles.get(rule or "") or formatting.title(rule or "")


def fault_title(titles: Mapping[str, str], fault: str) -> str:
    """Return the title of a fault, its name in words if no gateway gave it one."""
    return titles.get(fault) or formatting.title(fault)


def _titles(alarms: pl.DataFrame) -> dict[str, str]:
    return dict(alarms.select("rule", "title").drop_nulls().unique("rule").iter_rows())
