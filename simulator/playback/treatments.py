"""Treatments of a simulated fleet: refills that are due, and boluses that flow on top of the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from simulator.fleet import program, therapy
from simulator.fleet.state import U32, Fleet
from simulator.fleet.therapy import Extra, Fill
from simulator.playback.notation import ScenarioError

BOLUS_S: Final = 1800.0
"""Duration of a bolus that is an event."""


class Treatments:
    """Refills due in the next interval and boluses under way; times in therapy seconds since the start."""

    def __init__(self, fleet: Fleet, serials: pl.Series) -> None:
        """Begin without treatments."""
        self._fleet, self._serials = fleet, serials
        self._refills: list[tuple[U32, Fill]] = []
        self._boluses = therapy.NO_EXTRA

    def refill(self, fills: Sequence[tuple[U32, Fill]], after: str, now_s: float) -> None:
        """Refill pumps in the next interval, with a bridge or a priming bolus where the concentration changes.

        `after` is as in `broker.contract.commands.Refill`. Raises `TreatmentError`.
        """
        boluses = therapy.NO_EXTRA
        for index, fill in fills:
            therapy.check_fill(self._fleet, index, fill)
            changed = index[self._fleet.concentration_ug_ml[index] != np.float32(fill.entered_ug_ml)]
            changed = changed[self._fleet.mode[changed] == program.RUNNING]
            if after == "bridge":
                boluses = boluses.join(therapy.bridge(self._fleet, changed, fill.entered_ug_ml, now_s))
            elif after == "prime":
                boluses = boluses.join(therapy.prime(self._fleet, changed, now_s))
        self._add(boluses, now_s)
        self._refills += fills

    def refill_to_capacity(self, index: U32) -> None:
        """Fill the reservoirs of these pumps in the next interval with drug of the same concentration."""
        fleet = self._fleet
        kinds = np.stack([fleet.reservoir_capacity_ml[index], fleet.concentration_ug_ml[index]], axis=1)
        kinds = kinds.astype(np.float64)
        for capacity_ml, ug_ml in np.unique(kinds, axis=0).tolist():
            pumps = index[np.all(kinds == (capacity_ml, ug_ml), axis=1)]
            self._refills.append((pumps, Fill(capacity_ml, ug_ml, capacity_ml, ug_ml)))

    def bolus(self, index: U32, dose_ug: float, over_s: float, now_s: float) -> None:
        """Begin a bolus. Raises `TreatmentError`, or `ScenarioError` if a pump is giving one already."""
        self._add(therapy.bolus(self._fleet, index, dose_ug, over_s, now_s), now_s)

    def bolus_if_possible(self, index: U32, dose_ug: float, now_s: float) -> None:
        """Begin a bolus on those of these pumps that run and are not giving one already."""
        busy, stopped = self._boluses.left(now_s).index, self._fleet.mode[index] == program.STOPPED
        able = index[~np.isin(index, busy) & ~stopped]
        self._boluses = self._boluses.join(therapy.bolus(self._fleet, able, dose_ug, BOLUS_S, now_s))

    def stop_boluses(self, index: U32) -> None:
        """End the boluses of these pumps."""
        self._boluses = self._boluses.without(index)

    def apply(self, now_s: float, dt_s: float) -> U32:
        """Apply what is due in the interval that ends at `now_s`, and return the pumps, in the order of treatment."""
        treated = [np.empty(0, np.uint32)]
        for index, fill in self._refills:
            therapy.fill(self._fleet, index, fill)
            treated.append(index)
        self._refills.clear()
        if len(self._boluses.index):
            treated.append(self._boluses.flow(self._fleet, now_s - dt_s, dt_s))
            self._boluses = self._boluses.left(now_s)
        return np.concatenate(treated)

    def _add(self, boluses: Extra, now_s: float) -> None:
        busy = np.isin(boluses.index, self._boluses.left(now_s).index)
        if busy.any():
            raise ScenarioError(
                f"{self._serials[int(boluses.index[busy][0])]} already has a bolus running; wait until it ends"
            )
        self._boluses = self._boluses.join(boluses)
