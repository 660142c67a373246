"""This file is how cohorts are called, pumps that share a model, a lot or a gateway, and which pumps are in them.

The whole fleet is one, too: an alarm may be about it.
"""

from __future__ import annotations

from typing import Final

import polars as pl

NAMED: Final = ("model", "lot")
"""What pumps may share, and be a cohort by, beside their gateway."""
FLEET: Final = "fleet"
"""What the fleet is called as the subject of an alarm."""
CROWDS: Final = {"gateway_silent": 0.5, "fleet_silent": 0.9}
"""The alarms that so large a part of a gateway's pumps, or of the fleet's, raise together when silent, by rule;
modelling choices."""
MAX_NAME: Final = 60
"""A cohort's name repeats no more of what a birth says."""
MEMBERS: Final[dict[str, pl.DataType]] = {"cohort": pl.String(), "pump": pl.String()}
NO_MEMBERS: Final = pl.DataFrame(schema=MEMBERS)
"""Which pumps are in a cohort, by its name as the subject of an alarm; a gateway's cohort has the gateway's name, and
`FLEET` has all pumps."""


def cohort_name(kind: str, label: pl.Expr) -> pl.Expr:
    """Return what cohorts of one of `NAMED` are called, such as "lot B07"; null where the label is not known.

    A subject has no slash: it is what an alarm's id begins with, up to the first one.
    """
    return pl.format(f"{kind} {{}}", label.str.slice(0, MAX_NAME).str.replace_all("/", "-", literal=True))


def members_of(pumps: pl.DataFrame) -> pl.DataFrame:
    """Return the cohorts of pumps (`MEMBERS`), from their `model`, `lot` and `gateway`."""
    names = (pl.col("gateway"), *(cohort_name(kind, pl.col(kind)) for kind in NAMED), pl.lit(FLEET))
    return pl.concat([pumps.select(name.alias("cohort"), "pump") for name in names]).drop_nulls()
