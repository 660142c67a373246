"""States of alarms after ISA-18.2, derived from their timestamps in one place."""

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
    NORMAL: "no alarm, or returned to normal and acknowledged",
    UNACKNOWLEDGED: "the condition stands and nobody has acknowledged it",
    ACKNOWLEDGED: "the condition stands and somebody has acknowledged it",
    RETURNED: "returned to normal, not acknowledged",
    LATCHED: "returned to normal and acknowledged, but must be reset",
    SHELVED: "silenced by a person for a time, with a reason",
    SUPPRESSED: "suppressed by design: the alarm of its cause stands",
    OUT_OF_SERVICE: "taken out of service by a person, with a reason",
}
"""The states of ISA-18.2 and IEC 62682, with their meaning."""
QUIET: Final = (SUPPRESSED, SHELVED, OUT_OF_SERVICE)
"""States that are not annunciated."""


def state_of() -> pl.Expr:
    """Return the expression of an alarm's state; defined for every combination of timestamps.

    A person's decision (out of service, shelved) comes first. An acknowledged alarm that has returned is normal, unless
    it latches and was not reset. Otherwise an alarm with a standing cause is suppressed, and any other shows its own
    condition, acknowledged or not.
    """
    returned, acknowledged = pl.col("returned").is_not_null(), pl.col("acknowledged_wall").is_not_null()
    return (
        pl.when(pl.col("out_wall").is_not_null())
        .then(pl.lit(OUT_OF_SERVICE))
        .when(pl.col("shelved_until").is_not_null())
        .then(pl.lit(SHELVED))
        .when(returned & acknowledged & pl.col("latch").fill_null(value=False) & pl.col("reset_wall").is_null())
        .then(pl.lit(LATCHED))
        .when(returned & acknowledged)
        .then(pl.lit(NORMAL))
        .when(pl.col("under").is_not_null())
        .then(pl.lit(SUPPRESSED))
        .when(returned)
        .then(pl.lit(RETURNED))
        .when(acknowledged)
        .then(pl.lit(ACKNOWLEDGED))
        .otherwise(pl.lit(UNACKNOWLEDGED))
    )
