"""This file names the columns of the state frame that belong to rules: scores, how long, memories."""

from __future__ import annotations

from typing import Final

import polars as pl

from processor.detectors import Memory
from processor.rules import Rule

MS_PER_S: Final = 1000.0

Rules = tuple[Rule, ...]


def score_name(rule: Rule) -> str:
    """Return the column of a rule's score."""
    return rule.name


def held_name(rule: Rule) -> str:
    """Return the column that says for how long (s) the rule has been violated, or not, without a change."""
    return f"{rule.name}.held"


def memory_of(rule: Rule) -> Memory:
    """Return the accessor by which a rule's detector reaches its memory columns: its own, or its family's."""
    owner = rule.detector.family or rule.name
    return lambda name: pl.col(f"{owner}.memory.{name}")


def memory_start(rules: Rules) -> dict[str, float | None]:
    """Return every memory column with its start value; what a family shares is there once."""
    return {
        f"{rule.detector.family or rule.name}.memory.{name}": start
        for rule in rules
        for name, start in rule.detector.memory.items()
    }
