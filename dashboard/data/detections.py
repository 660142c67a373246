"""Detections after an injection from this browser: which alarms were raised on the injected pumps, and how soon."""

from __future__ import annotations

from typing import Any, Final

import polars as pl

MAX_INJECTIONS: Final = 20
MAX_PUMPS: Final = 500

DETECTIONS_SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "title": pl.String(),
    "priority": pl.Int8(),
    "raised": pl.Int64(),
}


def add_injection(known: Any, injection: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the list of injections kept in a browser with a new one in front; the oldest are dropped."""
    return [injection, *(known if isinstance(known, list) else [])][:MAX_INJECTIONS]


def detections(injection: dict[str, Any], alarms: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Return the alarms raised on the injected pumps since the injection (`DETECTIONS_SCHEMA`), the earliest first.

    Open alarms come from the snapshot, ended ones from the journal. `raised` is therapy ms.
    """
    pumps = [str(pump) for pump in injection.get("pumps") or []][:MAX_PUMPS]
    since = int(injection.get("time") or 0)
    open_alarms = alarms.select("alarm", "pump", "title", "priority", "raised")
    past = events.filter(pl.col("kind") == "raised").select("alarm", "pump", "title", "priority", raised=pl.col("time"))
    alarms = pl.concat([open_alarms, past]).unique("alarm", keep="first")
    caused = pl.col("pump").is_in(pumps) & (pl.col("raised") >= since)
    return alarms.filter(caused).sort("raised").select(*DETECTIONS_SCHEMA)


def summary(injection: dict[str, Any], alarms: pl.DataFrame, events: pl.DataFrame) -> dict[str, Any]:
    """Return how many pumps have alarms, which alarm was first, and after how many seconds (None: not yet detected)."""
    raised = detections(injection, alarms, events)
    first = raised.row(0, named=True) if raised.height else None
    return {
        "pumps": raised["pump"].n_unique(),
        "of": len(injection.get("pumps") or []),
        "titles": raised["title"].unique(maintain_order=True).to_list(),
        "first": first,
        "after_s": (first["raised"] - int(injection.get("time") or 0)) / 1000 if first else None,
    }
