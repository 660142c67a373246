"""Columns of the engine state that belong to a rule."""

from __future__ import annotations

from processor.engine import engine
from processor.rules import Rule


def columns_of(rule: Rule) -> list[str]:
    """Return the names of the score, of the time in state and of the memories of a rule."""
    memories = [f"{rule.detector.family or rule.name}.memory.{name}" for name in rule.detector.memory]
    return [engine.score_name(rule), engine.in_state_name(rule), *memories]
