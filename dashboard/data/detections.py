"""This file answers the engineer's question: what did the system notice after the fault I put in, and how soon?"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

MAX_INJECTIONS: Final = 20
MAX_PUMPS: Final = 500

FOUND_SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "title": pl.String(),
    "priority": pl.Int8(),
    "raised": pl.Int64(),
}


def remembered(known: Any, injection: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a browser's list of injections with one more in front, bounded."""
    return [injection, *(known if isinstance(known, list) else [])][:MAX_INJECTIONS]


def found(injection: dict[str, Any], alarms: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the alarms that rose on the injected pumps since: `FOUND_SCHEMA`, the earliest first.

    Open alarms come from the snapshot, those over already from the journal. `raised` is therapy ms.
    """
    pumps = [str(pump) for pump in injection.get("pumps") or []][:MAX_PUMPS]
    since = int(injection.get("time") or 0)
    open_ones = alarms.select("alarm", "pump", "title", "priority", "raised")
    past = events.filter(pl.col("kind") == "raised").select("alarm", "pump", "title", "priority", raised=pl.col("time"))
    every = pl.concat([open_ones, past]).unique("alarm", keep="first")
    return every.filter(pl.col("pump").is_in(pumps) & (pl.col("raised") >= since)).sort("raised").select(*FOUND_SCHEMA)


def told(injection: dict[str, Any], alarms: pl.DataFrame, events: pl.DataFrame) -> dict[str, Any]:
    """Return the first finding of an injection in numbers: how many pumps, which alarm, after how many seconds."""
    seen = found(injection, alarms, events)
    first = seen.row(0, named=True) if seen.height else None
    return {
        "pumps": seen["pump"].n_unique(),
        "of": len(injection.get("pumps") or []),
        "titles": seen["title"].unique(maintain_order=True).to_list(),
        "first": first,
        "after_s": (first["raised"] - int(injection.get("time") or 0)) / 1000 if first else None,
    }
