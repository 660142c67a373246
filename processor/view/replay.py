"""What detectors made of a pump's past: scores of chosen rules, and the range in which they expected its signals."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import polars as pl

from processor.detectors.catheter import FALLEN_MMHG, RISEN_MMHG
from processor.engine import replay
from processor.engine.columns import is_scored_by, memory_of, score_name
from processor.rules import RULES
from processor.rules.battery import DROP_V, SAG_V_MA
from processor.rules.rule import Rule

BASED_ON: Final = ("catheter_occlusion", "battery_drop")
"""Rules whose detectors learn the baselines of the expected ranges."""


@dataclass(frozen=True)
class Expected:
    """The range in which a signal is expected, from the memory of a rule's detector: beyond it the rule would alarm."""

    signal: str
    rule: str
    middle: pl.Expr
    below: float
    above: float


def _expected(rules: dict[str, Rule]) -> tuple[Expected, ...]:
    catheter, battery = (memory_of(rules[name]) for name in BASED_ON)
    loaded = battery("slow") - SAG_V_MA * pl.col("motor_ma")
    return (
        Expected("pressure_mmhg", BASED_ON[0], catheter("pressure_usual"), FALLEN_MMHG, RISEN_MMHG),
        Expected("battery_v", BASED_ON[1], loaded, DROP_V, DROP_V),
    )


_RULES: Final = {rule.name: rule for rule in RULES}
EXPECTED: Final = _expected(_RULES)


def replayed(
    samples: pl.DataFrame, rules: Collection[str], window_s: float, state: pl.DataFrame | None = None
) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    """Return what samples of one pump meant window by window, and the state to go on from, for the same rules.

    Columns: `time`, the score of each of the `rules` that judge samples, and `low.NAME` and `high.NAME` of each signal
    that is `EXPECTED` in a range, null while its baseline is unknown. Unknown names are left out.
    """
    chosen = tuple(rule for rule in RULES if rule.name in {*rules, *BASED_ON} and is_scored_by(rule, "sample"))
    rows = replay.judged(samples, chosen, window_s, state)
    scores = [score_name(rule) for rule in chosen if rule.name in rules]
    bands = [
        edge
        for one in EXPECTED
        for edge in (
            (one.middle - one.below).alias(f"low.{one.signal}"),
            (one.middle + one.above).alias(f"high.{one.signal}"),
        )
    ]
    return rows.select("time", *scores, *bands), rows.tail(1) if rows.height else state
