"""Ground truth of the simulated fleet as tables: which pump has which fault, how severe, since when."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import polars as pl

from simulator.faults import FAULTS
from simulator.fleet.state import F32
from simulator.playback.event_kinds import EVENTS, MISSED_AFTER_S
from simulator.playback.injection import Affected, Injections

SCHEMA: Final[dict[str, pl.DataType]] = {
    "pump": pl.String(),
    "fault": pl.String(),
    "severity": pl.Float32(),
    "since": pl.Int64(),
}
"""`since` is therapy time, ms UTC."""


def active(injections: Injections, serials: pl.Series, start_ms: int, now_s: float) -> pl.DataFrame:
    """Return the faults (`SCHEMA`) with their severities `now_s` seconds after the start."""
    return _table(_faults(injections), serials, start_ms, lambda affected: affected.severity_at(now_s))


def injected(injections: Injections, serials: pl.Series, start_ms: int) -> pl.DataFrame:
    """Return the faults (`SCHEMA`) with their severities after the ramp, and outages that are long enough to count."""
    outages = {
        name: affected
        for name, affected in injections.affected.items()
        if name in EVENTS and EVENTS[name].in_ground_truth
    }
    long = {name: affected.keep(affected.hold_s >= MISSED_AFTER_S) for name, affected in outages.items()}
    return _table(_faults(injections) | long, serials, start_ms, lambda affected: affected.severity)


def _faults(injections: Injections) -> dict[str, Affected]:
    return {name: affected for name, affected in injections.affected.items() if name in FAULTS}


def _table(
    faults: dict[str, Affected], serials: pl.Series, start_ms: int, severity: Callable[[Affected], F32]
) -> pl.DataFrame:
    rows = [
        pl.DataFrame(
            {
                "pump": serials.gather(affected.index),
                "fault": pl.repeat(name, len(affected.index), dtype=pl.String, eager=True),
                "severity": severity(affected),
                "since": start_ms + np.round(affected.since_s * 1000).astype(np.int64),
            }
        )
        for name, affected in sorted(faults.items())
    ]
    return pl.concat([pl.DataFrame(schema=SCHEMA), *rows])
