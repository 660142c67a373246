"""Names of rules and faults as people know them: each has one title, that of its own file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import polars as pl

from broker.store.snapshot import Snapshot
from dashboard import formatting
from dashboard.data.fault_catalogue import catalogue

EVENTS: Final = {"mri": "MRI scan"}
"""Events of scenarios whose title is not their name in words."""


def rule_titles(snapshot: Snapshot) -> dict[str, str]:
    """Return the titles of rules by name: those that the processor has, and of every open alarm."""
    return {**snapshot.health.rules, **_titles(snapshot.rules), **_titles(snapshot.alarms)}


def rule_title(titles: Mapping[str, str], rule: str | None) -> str:
    """Return the title of a rule, its name in words if no table has it, "" without one."""
    return titles.get(rule or "") or formatting.title(rule or "")


def fault_title(fault: str, titles: Mapping[str, str] = MappingProxyType({})) -> str:
    """Return the title of a fault: that of the gateways' `titles`, else of the catalogue, else its name in words."""
    known = catalogue().get(fault)
    return titles.get(fault) or (known.title if known else formatting.title(fault))


def step_title(name: str) -> str:
    """Return the title of an entry of a scenario: of a fault, or of an event such as a refill."""
    return EVENTS.get(name) or fault_title(name)


def _titles(alarms: pl.DataFrame) -> dict[str, str]:
    return dict(alarms.select("rule", "title").drop_nulls().unique("rule").iter_rows())
