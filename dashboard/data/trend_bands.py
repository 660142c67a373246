"""Ranges in which a pump's signals were expected, drawn behind its curves.

Flow: the program, give or take the accuracy of the datasheet. Reservoir: the volume that the pump computes, give or
take that accuracy on what it has delivered since the fill. Catheter pressure and battery: the baseline that the
detectors had learned, as far as their rules let it go. None is drawn after the end of service.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from broker.contract.datasheet import FLOW_ACCURACY
from broker.contract.signals import FLAG_BIT
from dashboard.data.trends import Curve

FLOW: Final = "commanded_ul_h"
RESERVOIR: Final = "reservoir_ml"
JUDGED: Final = ("pressure_mmhg", "battery_v")
REFILL_ML: Final = 0.5
"""A computed volume that rises by more was filled; modeling choice."""


@dataclass(frozen=True)
class Band:
    """Lower and upper edge by therapy time (ms); `steps` if the edges hold until the next point."""

    time: NDArray[np.float64]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    steps: bool = False

    def shifted(self, by_ms: int) -> Band:
        """Return the same with every time later by `by_ms`."""
        return replace(self, time=self.time + by_ms)

    def until(self, end: float) -> Band:
        """Return the part up to a time."""
        kept = self.time <= end
        return replace(self, time=self.time[kept], low=self.low[kept], high=self.high[kept])


def bands(
    curves: Mapping[str, Curve],
    samples: pl.DataFrame,
    judged: pl.DataFrame | None = None,
    capacity_ml: float | None = None,
) -> dict[str, Band]:
    """Return the expected band of each signal that has one.

    `curves` are the pump's, from its `samples`; `judged` is what the detectors made of them (`Replays.of`);
    `capacity_ml` is what the reservoir holds when it is full, which it was before the first refill in sight.
    """
    flow, computed = curves[FLOW], curves["computed_ml"]
    found = {
        FLOW: Band(flow.time, _times(flow.value, 1 - FLOW_ACCURACY), _times(flow.value, 1 + FLOW_ACCURACY), steps=True)
    }
    if capacity_ml is not None and computed.time.size:
        found[RESERVOIR] = _reservoir(computed, capacity_ml)
    for signal in JUDGED:
        if judged is None:
            break
        edges = judged.select("time", f"low.{signal}", f"high.{signal}").drop_nulls()
        if edges.height:
            low, high = (edges[f"{edge}.{signal}"].to_numpy().astype(np.float32) for edge in ("low", "high"))
            found[signal] = Band(edges["time"].to_numpy().astype(np.float64), low, high)
    ended = _service_ended(samples)
    return found if ended is None else {signal: band.until(ended) for signal, band in found.items()}


def _times(values: NDArray[np.float32], factor: float) -> NDArray[np.float32]:
    return (values * np.float32(factor)).astype(np.float32)


def _reservoir(computed: Curve, capacity_ml: float) -> Band:
    known = np.isfinite(computed.value)
    values = np.where(known, computed.value, np.interp(computed.time, computed.time[known], computed.value[known]))
    filled = np.concatenate(([False], np.diff(values) > REFILL_ML))
    fills = np.maximum.accumulate(np.where(filled, np.arange(values.size), -1))
    fill = np.where(fills >= 0, values[np.maximum(fills, 0)], capacity_ml)
    margin = FLOW_ACCURACY * np.clip(fill - values, 0.0, None)
    low, high = (
        np.where(known, edge, np.nan).astype(np.float32)
        for edge in (np.clip(values - margin, 0.0, None), values + margin)
    )
    return Band(computed.time, low, high)


def _service_ended(samples: pl.DataFrame) -> float | None:
    """Return when the pump first reported the end of its service; roll-ups have no flags."""
    if "flags" not in samples.columns:
        return None
    ended = samples.filter((pl.col("flags") & FLAG_BIT["eos"]) != 0)["time"]
    return None if ended.is_empty() else float(ended[0])
