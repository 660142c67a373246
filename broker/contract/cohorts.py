"""Cohorts: names and members of the groups of pumps that share a model, a lot or a gateway.

The whole fleet is a cohort too: an alarm may be about it.
"""

from __future__ import annotations

from typing import Final

import polars as pl

NAMED: Final = ("model", "lot")
"""Properties that define cohorts, in addition to the gateway."""
FLEET: Final = "fleet"
"""Name of the whole fleet as the subject of an alarm."""
CROWDS: Final = {"gateway_silent": 0.5, "fleet_silent": 0.9}
"""Share of a gateway's pumps, or of the fleet, whose silence together raises one alarm, by rule; modelling choices."""
MAX_NAME: Final = 60
"""Characters of a model or lot, as given in a birth, that a cohort's name repeats."""
MEMBERS: Final[dict[str, pl.DataType]] = {"cohort": pl.String(), "pump": pl.String()}
NO_MEMBERS: Final = pl.DataFrame(schema=MEMBERS)
"""Members of cohorts, by the cohort's name as the subject of an alarm; a gateway's cohort has the gateway's name, and
`FLEET` contains all pumps."""


def cohort_name(kind: str, label: pl.Expr) -> pl.Expr:
    """Return the names of cohorts of one of `NAMED`, such as "lot B07"; null if the label is unknown.

    A name contains no slash, because an alarm's id is its subject up to the first slash.
    """
    return pl.format(f"{kind} {{}}", label.str.slice(0, MAX_NAME).str.replace_all("/", "-", literal=True))


def members_of(pumps: pl.DataFrame) -> pl.DataFrame:
    """Return the cohorts (`MEMBERS`) of pumps, from their `model`, `lot` and `gateway`."""
    names = (pl.col("gateway"), *(cohort_name(kind, pl.col(kind)) for kind in NAMED), pl.lit(FLEET))
    return pl.concat([pumps.select(name.alias("cohort"), "pump") for name in names]).drop_nulls()
