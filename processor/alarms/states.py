"""This file says in which state an alarm is. The state is not stored but read from the alarm's times, in one place."""

from __future__ import annotations

from typing import Final

import polars as pl

NORMAL: Final = "normal"
UNACKNOWLEDGED: Final = "unacknowledged"
ACKNOWLEDGED: Final = "acknowledged"
RETURNED: Final = "returned"
LATCHED: Final = "latched"
SHELVED: Final = "shelved"
SUPPRESSED: Final = "suppressed"
OUT_OF_SERVICE: Final = "out_of_service"
STATES: Final = {
    NORMAL: "there is no alarm, or it is over and somebody has seen it",
    UNACKNOWLEDGED: "the condition stands and nobody has seen it",
    ACKNOWLEDGED: "the condition stands and somebody has seen it",
    RETURNED: "the condition is over and nobody has seen it",
    LATCHED: "the condition is over and seen, and somebody has to reset the alarm",
    SHELVED: "a person silenced it for a stated time and reason",
    SUPPRESSED: "another alarm explains it and holds it under it: suppressed by design",
    OUT_OF_SERVICE: "a person took it out of service for a stated reason",
}
"""The states of ISA-18.2 and IEC 62682, and what they mean."""
QUIET: Final = (SUPPRESSED, SHELVED, OUT_OF_SERVICE)
"""In these nobody is called."""


def state_of() -> pl.Expr:
    """Return the expression that names an alarm's state from its times; total, whatever is set.

    A person's decision (out of service, shelved) comes first; then what is over and seen is over, unless it is latched
    and waits for a reset; then what another alarm explains is held back; else it is its own condition, seen or not.
    """
    over, seen = pl.col("returned").is_not_null(), pl.col("acknowledged_wall").is_not_null()
    return (
        pl.when(pl.col("out_wall").is_not_null())
        .then(pl.lit(OUT_OF_SERVICE))
        .when(pl.col("shelved_until").is_not_null())
        .then(pl.lit(SHELVED))
        .when(over & seen & pl.col("latch").fill_null(value=False) & pl.col("reset_wall").is_null())
        .then(pl.lit(LATCHED))
        .when(over & seen)
        .then(pl.lit(NORMAL))
        .when(pl.col("under").is_not_null())
        .then(pl.lit(SUPPRESSED))
        .when(over)
        .then(pl.lit(RETURNED))
        .when(seen)
        .then(pl.lit(ACKNOWLEDGED))
        .otherwise(pl.lit(UNACKNOWLEDGED))
    )
