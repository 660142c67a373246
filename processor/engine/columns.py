"""Names of the state frame's columns that belong to rules: scores, time in state, memories."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from processor.detectors import Detector, Memory
from processor.rules import Rule

MS_PER_S: Final = 1000.0

Rules = tuple[Rule, ...]


def select(state: pl.DataFrame, *values: pl.Expr | str) -> pl.DataFrame:
    """Return these values of the state, computed from the columns that they need.

    Given the whole state, Polars would first copy all of its hundreds of columns into chunks of the same sizes.
    """
    needed = {name for value in values for name in ([value] if isinstance(value, str) else value.meta.root_names())}
    return state[[name for name in state.columns if name in needed] or state.columns[:1]].select(*values)


def score_name(rule: Rule) -> str:
    """Return the column of a rule's score."""
    return rule.name


def in_state_name(rule: Rule) -> str:
    """Return the column with the time (s) since the rule's score last crossed its limit, in either direction."""
    return f"{rule.name}.in_state_s"


def detector_of(rule: Rule) -> Detector:
    """Return the detector of a rule of pumps; raises `TypeError` for others."""
    if rule.detector is None:
        raise TypeError(f"rule {rule.name} has no detector: it is not scored for each pump")
    return rule.detector


def indicator_of(rule: Rule) -> pl.Expr:
    """Return the indicator of a rule about gateways, cohorts or Pumpwatch; raises `TypeError` for other rules."""
    if rule.indicator is None:
        raise TypeError(f"rule {rule.name} has no indicator: it is scored for each pump")
    return rule.indicator


def is_scored_by(rule: Rule, what: Literal["sample", "age"]) -> bool:
    """Return whether a rule is one of pumps that is scored from samples, or by the age of the last sample."""
    return rule.detector is not None and rule.detector.judges == what


def memory_of(rule: Rule) -> Memory:
    """Return the accessor of a rule's memory columns: its detector's own, or those of its family."""
    owner = (rule.detector.family if rule.detector else None) or rule.name
    return lambda name: pl.col(f"{owner}.memory.{name}")


def memory_start(rules: Rules) -> dict[str, float | None]:
    """Return every memory column with its start value; those shared by a family once."""
    return {
        f"{detector_of(rule).family or rule.name}.memory.{name}": start
        for rule in rules
        for name, start in detector_of(rule).memory.items()
    }
