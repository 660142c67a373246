"""This file compares, after a refill, the volume that arrived with the volume that was entered."""

from __future__ import annotations

from typing import Final, Literal

import polars as pl

from broker.contract.datasheet import RESIDUAL_ML
from processor.detectors import Detector, Memory, at_least, at_most
from processor.detectors.flag import reports

MISSED: Final = 0.45
"""Share of a refill that is missing when the needle was probably not in the port."""
WRONG: Final = 0.09
"""Share that is missing or too much when another volume was entered; on the bench more than a fifth is rejected."""
SETTLES_S: Final = 600.0
WATCHED_S: Final = 2700.0
NEVER_S: Final = 1e9
MAX_S: Final = 180 * 86_400.0
"""A reservoir is refilled after so long in any case (stability study of baclofen in pumps)."""


def refill(finding: Literal["missed", "wrong volume", "overdue"]) -> Detector:
    """Score the share of the last refill that did not arrive: most of it is "missed", less a "wrong volume"; or how
    long ago it was: "overdue".

    The pump computes its volume from what was entered and the program; in the first three quarters of an hour after a
    recorded refill that is compared with the measured level, before any drift can tell. What was found stays until the
    next refill. Says nothing of the volume where the computed one is not sent, and nothing before the first refill that
    was heard of.
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
    # The window of the refill is a mean of before and after; a pump that reports seldom is looked at once.
    looks = share.is_not_null() & (since < NEVER_S) & ((since <= WATCHED_S) | (memory("windows") == 0))
    windows = memory("windows") + 1.0
    missing = memory("missing") + (share - memory("missing")) / windows
    return {
        "since_s": pl.when(filled).then(0.0).otherwise(at_most(since, NEVER_S)),
        "windows": pl.when(filled).then(0.0).when(looks).then(windows),
        "missing": pl.when(filled).then(0.0).when(looks).then(missing),
    }
