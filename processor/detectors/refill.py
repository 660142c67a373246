"""Refill detector: the measured against the entered volume after a refill, and the time since the last refill."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from broker.contract.datasheet import RESIDUAL_ML
from processor.detectors import Detector, Memory, at_least, at_most
from processor.detectors.flag import reports

MISSED: Final = 0.45
"""Missing share of a refill at which the needle was probably not in the port; modeling choice."""
WRONG: Final = 0.09
"""Missing or excess share of a refill at the limit of a wrong entry; modeling choice (on the bench, more than a
fifth is rejected)."""
WATCHED_S: Final = 2700.0
"""Time after a refill during which volumes are compared, before drift can matter; modeling choice."""
NEVER_S: Final = 1e9
MAX_S: Final = 180 * 86_400.0
"""Longest recommended refill interval (stability study of baclofen in pumps, Neuromodulation 2023)."""


def refill(finding: Literal["missed", "wrong volume", "overdue"]) -> Detector:
    """Score one finding about the last refill.

    "missed": about half of it or more did not arrive. "wrong volume": less than that is missing, or there is an excess.
    "overdue": it was too long ago. The pump computes its volume from the entered volume and the program; for
    `WATCHED_S` after a recorded refill this is compared with the measured level. The finding stands until the next
    refill. The volume is unknown if the pump does not report its computed volume. Scores 0 before the first recorded
    refill.
    """

    def score(memory: Memory) -> pl.Expr:
        if finding == "overdue":
            return pl.when(memory("since_s") < NEVER_S).then(memory("since_s") / MAX_S).otherwise(0.0)
        known = 0.0 * pl.col("reservoir_ml") + 0.0 * pl.col("computed_ml")
        missing = memory("missing")
        if finding == "missed":
            return at_least(missing / MISSED, 0.0) + known
        return pl.when(missing < MISSED).then(missing.abs() / WRONG).otherwise(0.0) + known

    return Detector(score, {"since_s": NEVER_S, "windows": 0.0, "missing": 0.0}, _learn, family="refill")


def _learn(memory: Memory) -> dict[str, pl.Expr]:
    filled = reports("refill")
    since = memory("since_s") + pl.col("dt").fill_null(0.0)
    entered = at_least(pl.col("computed_ml") - RESIDUAL_ML, 1.0)
    share = (pl.col("computed_ml") - pl.col("reservoir_ml")) / entered
    # The window of the refill itself mixes before and after; a pump that reports seldom is compared once.
    compared = share.is_not_null() & (since < NEVER_S) & ((since <= WATCHED_S) | (memory("windows") == 0))
    windows = memory("windows") + 1.0
    missing = memory("missing") + (share - memory("missing")) / windows
    return {
        "since_s": pl.when(filled).then(0.0).otherwise(at_most(since, NEVER_S)),
        "windows": pl.when(filled).then(0.0).when(compared).then(windows),
        "missing": pl.when(filled).then(0.0).when(compared).then(missing),
    }
