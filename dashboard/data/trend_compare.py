"""What one pump's trends are compared with: another pump, or the pumps of its model as median and 5–95 % band."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from broker.contract.signals import SIGNAL_NAMES
from broker.store import rollup, segments
from broker.store.snapshot import Snapshot
from dashboard.data.trends import Curve, curves
from dashboard.languages import tr_later

COHORT: Final = "cohort"
ITSELF: Final = tr_later("this is the pump itself; enter another serial")
NO_PUMP: Final = tr_later("no pump {pump}; enter a serial as in the list of pumps")
NO_SAMPLES: Final = tr_later("{pump} has no samples in this range")
NO_MODEL: Final = tr_later("the model of this pump is unknown, so there are no pumps to compare with")
TOO_FEW: Final = tr_later("other pumps of model {model} with samples: {count}; at least {least} are needed")
MEDIAN: Final = tr_later("model {model}: median and 5–95 % of {count} pumps")
WORDS: Final = (ITSELF, NO_PUMP, NO_SAMPLES, NO_MODEL, TOO_FEW, MEDIAN)
"""What a comparison says; it is kept for all viewers, so `tr_sentence` translates it where it is shown."""
"""Compare with the pumps of the same model."""
MAX_MEMBERS: Final = 60
"""Pumps of a cohort that are read: those nearest in the list of pumps, which are neighbours in the files."""
MIN_MEMBERS: Final = 5
MAX_READ: Final = 2_000_000
"""About so many samples are read for a comparison; with more of each pump, fewer pumps are."""
STEPS: Final = 160
"""Intervals of a range in which the cohort is summarized."""
SHARES: Final = (0.05, 0.5, 0.95)
HOURLY_FROM_MS: Final = 2 * 24 * 3_600_000
MAX_KEPT: Final = 8
MAX_SERIAL: Final = 100


@dataclass(frozen=True)
class Comparison:
    """What to draw beside a pump's own curves: a line by signal, the edges of the band if it is a cohort, its name."""

    name: str = ""
    lines: dict[str, Curve] = field(default_factory=dict)
    low: dict[str, Curve] = field(default_factory=dict)
    high: dict[str, Curve] = field(default_factory=dict)
    problem: str = ""

    def shifted(self, by_ms: int) -> Comparison:
        """Return the same with every time later by `by_ms`."""
        lines, low, high = (
            {name: Curve(one.time + by_ms, one.value) for name, one in part.items()}
            for part in (self.lines, self.low, self.high)
        )
        return Comparison(self.name, lines, low, high, self.problem)


NONE: Final = Comparison()


def members(snapshot: Snapshot, serial: str, most: int = MAX_MEMBERS) -> list[str]:
    """Return the pumps of the same model behind gateways of the same speed, the nearest in the list, without itself."""
    row, facts = snapshot.table.row(serial), snapshot.table.facts
    if row is None:
        return []
    own = facts.row(row, named=True)
    speeds = snapshot.gateways.select("gateway", "speed")
    mine = speeds.filter(pl.col("gateway") == (own["gateway"] or ""))["speed"]
    alike = speeds.filter(pl.col("speed").is_in(mine.implode()))["gateway"] if mine.len() else speeds["gateway"]
    same = facts.with_row_index("row").filter(
        (pl.col("model").cast(pl.String) == (own["model"] or ""))
        & pl.col("gateway").cast(pl.String).is_in(alike.implode())
        & (pl.col("row") != row)
    )
    distance = np.abs(same["row"].to_numpy().astype(np.int64) - row)
    nearest = np.argsort(distance, kind="stable")[:most]
    return sorted(same["pump"].gather(nearest).to_list())


def cohort(means: pl.DataFrame, model: str, since_ms: int, step_ms: int) -> Comparison:
    """Return median and 5–95 % band over pumps from the means (`pump`, `time`, signals) of each pump in each step."""
    pumps = means["pump"].n_unique()
    if pumps < MIN_MEMBERS:
        return Comparison(problem=TOO_FEW.format(count=pumps, model=model, least=MIN_MEMBERS))
    step = (pl.col("time") - since_ms) // step_ms
    grid = means.with_columns((step * step_ms + since_ms + step_ms // 2).alias("time"))
    per_pump = grid.group_by("pump", "time").agg(pl.col(SIGNAL_NAMES).mean())
    low, mid, high = (
        curves(per_pump.group_by("time").agg(pl.col(SIGNAL_NAMES).quantile(share, "linear")).sort("time"))
        for share in SHARES
    )
    return Comparison(MEDIAN.format(model=model, count=pumps), mid, low, high)


@dataclass
class Comparisons:
    """Reads what is compared with from a data directory; keeps the latest cohorts, which all viewers share."""

    data: Path
    trend: Callable[[str, int, int], pl.DataFrame]
    _kept: dict[tuple[Any, ...], Comparison] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, snapshot: Snapshot, serial: str, chosen: str, window: tuple[int, int], samples: int) -> Comparison:
        """Return what a pump is compared with in a range of therapy time (ms).

        `chosen` is "", `COHORT` or a serial; `samples` is the number of the pump's own samples in the range.
        """
        if not chosen:
            return NONE
        if chosen != COHORT:
            return self._other(snapshot, serial, chosen, window)
        step = max(1000, (window[1] - window[0]) // STEPS)
        since, until = window[0] // step * step, window[1] // step * step
        most = max(MIN_MEMBERS, min(MAX_MEMBERS, MAX_READ // max(1, samples)))
        key = (serial, since, until, most)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._cohort(snapshot, serial, (since, until), step, most)
                while len(self._kept) > MAX_KEPT:
                    del self._kept[next(iter(self._kept))]
            return self._kept[key]

    def _other(self, snapshot: Snapshot, serial: str, chosen: str, window: tuple[int, int]) -> Comparison:
        if chosen == serial:
            return Comparison(problem=ITSELF)
        if snapshot.table.row(chosen) is None:
            return Comparison(problem=NO_PUMP.format(pump=chosen[:MAX_SERIAL]))
        samples = self.trend(chosen, *window)
        if samples.is_empty():
            return Comparison(problem=NO_SAMPLES.format(pump=chosen))
        return Comparison(chosen, curves(samples))

    def _cohort(self, snapshot: Snapshot, serial: str, window: tuple[int, int], step: int, most: int) -> Comparison:
        row = snapshot.table.row(serial)
        model = None if row is None else snapshot.table.facts["model"][row]
        if model is None:
            return Comparison(problem=NO_MODEL)
        pumps = members(snapshot, serial, most)
        if window[1] - window[0] < HOURLY_FROM_MS:
            return cohort(segments.means(self.data, pumps, *window, step), str(model), window[0], step)
        hourly = rollup.rolled(self.data, pumps, *window, kinds=("mean",))
        means = hourly.select("pump", "time", *(pl.col(f"{name}.mean").alias(name) for name in SIGNAL_NAMES))
        return cohort(means, str(model), window[0], max(step, rollup.HOUR.ms))
