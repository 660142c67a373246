"""Coverage of the forecasts: how often the truth lies in the band, over a whole scenario.

The truth is the simulator's: a copy of the fleet continues from the moment of the forecast, with the conditions and
programs of that moment and nothing new, until the reservoir, the battery or the effect reaches its limit. Temporary
conditions such as a bolus or a fever are removed from the copy; posture continues at its mean.

    python -m trials.forecast_score every-fault --days 6
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from broker.contract import codec
from broker.display import terminal
from broker.store.export import no_formula
from broker.store.pump_table import BANDS, DOSE_BANDS, band
from simulator.playback.scenario import Scenario, load
from simulator.playback.simulation import Simulation
from trials.feed import FeedTick
from trials.forecast_truth import DAY_S, DOSE_AHEAD_H, F64, HOUR_S, Reference, batteries, deviate, doses, levels
from trials.offline_processor import OfflineProcessor
from trials.playback import START_MS

LEVEL_AHEAD_D: Final = 180.0
"""Later levels are not judged: no reservoir is left that long without a refill."""
WARM_UP_H: Final = 30.0
EVERY_H: Final = 1.0
TURN_S: Final = 900.0
"""Therapy time that the processor takes in at once."""
APART_H: Final = 6.0
LEVELS_EVERY: Final = 24
"""Doses are judged once an hour, reservoir and battery once in this many hours."""

CASES: Final[dict[str, pl.DataType]] = {
    "forecast": pl.String(),
    "at_h": pl.Float64(),
    "pump": pl.String(),
    "low": pl.Float64(),
    "mid": pl.Float64(),
    "high": pl.Float64(),
    "truth": pl.Float64(),
}


def cases(
    scenario: Scenario,
    days: float,
    progress: Callable[[range], Iterator[int]] = iter,
    *,
    datasheet_error: float = 0.0,
) -> pl.DataFrame:
    """Play a scenario and return every forecast that was judged (`CASES`); `progress` may show the ticks done.

    A forecast of a dose is judged if it foresees something within a day that has not happened yet, or if only the
    truth does; once per pump, until there was nothing to judge for `APART_H`. A forecast of a level or of the battery
    is judged if it has not happened yet. The pumps, but not the forecasts, deviate from the datasheet by
    `datasheet_error`.
    """
    start_ms = START_MS if scenario.start_ms is None else scenario.start_ms
    simulation = Simulation(scenario, start_ms=start_ms)
    residual_ml = deviate(simulation, datasheet_error)
    processor = OfflineProcessor(Simulation(scenario, start_ms=start_ms))
    reference = Reference(simulation.fleet)
    ticks, per_check = round(days * DAY_S / scenario.interval_s), max(1, round(EVERY_H * HOUR_S / scenario.interval_s))
    per_turn = max(1, round(TURN_S / scenario.interval_s))
    judged = []
    pending: list[FeedTick] = []
    for tick in progress(range(1, ticks + 1)):
        good, _ = codec.plausible(simulation.tick())
        reference.follow(simulation.fleet, scenario.interval_s / HOUR_S)
        pending.append(FeedTick(simulation.time_ms, good, 0))
        if tick % per_turn == 0 or tick % per_check == 0:
            processor.process(*pending)
            pending.clear()
        at_h = tick * scenario.interval_s / HOUR_S
        if tick % per_check or at_h < WARM_UP_H:
            continue
        forecasts = processor.forecasts(simulation.time_ms)
        truth = doses(simulation, reference)
        if (tick // per_check) % LEVELS_EVERY == 0:
            truth |= {**levels(simulation, residual_ml), **batteries(simulation)}
        judged += [_case(forecasts, name, values, simulation, at_h) for name, values in truth.items()]
    all_cases = pl.concat([pl.DataFrame(schema=CASES), *judged])
    of_dose = pl.col("forecast").is_in(DOSE_BANDS)
    foreseen = pl.col("mid") < DOSE_AHEAD_H
    last = pl.col("at_h").shift(1).over("forecast", "pump", foreseen, order_by="at_h")
    return all_cases.filter(~of_dose | (pl.col("at_h") - last > APART_H).fill_null(value=True))


def _case(forecasts: pl.DataFrame, name: str, truth: F64, simulation: Simulation, at_h: float) -> pl.DataFrame:
    low, mid, high = (forecasts[column].cast(pl.Float64) for column in band(name))
    columns = {
        "forecast": pl.repeat(name, forecasts.height, dtype=pl.String, eager=True),
        "at_h": pl.repeat(at_h, forecasts.height, dtype=pl.Float64, eager=True),
        "pump": simulation.serials,
        "low": low,
        "mid": mid,
        "high": high,
        "truth": pl.Series(truth),
    }
    frame = pl.DataFrame(columns, CASES)
    early, real = pl.col("low").fill_null(np.inf), pl.col("truth")
    if name in DOSE_BANDS:
        # Once its low end is reached, a band cannot fail any more: only forecasts of the future count.
        soon = (early > 0) & (pl.col("mid").fill_null(np.inf) < DOSE_AHEAD_H)
        missed = (early >= DOSE_AHEAD_H) & (real < DOSE_AHEAD_H)
        return frame.filter(soon | missed)
    ahead = LEVEL_AHEAD_D if name in {"low_d", "empty_d"} else np.inf
    return frame.filter((real > 0) & (real < ahead))


def coverage(judged: pl.DataFrame) -> pl.DataFrame:
    """Return, by forecast, the number of bands and the share of truths below, in and above them.

    `missed` counts doses that left their limits within a day without a forecast, `unknown` cases without a band.
    """
    of_dose, unknown = pl.col("forecast").is_in(DOSE_BANDS), pl.col("mid").is_null()
    missed = of_dose & (pl.col("mid") >= DOSE_AHEAD_H)
    banded = ~unknown & ~missed
    truth, low, high = pl.col("truth"), pl.col("low"), pl.col("high")
    counted = judged.group_by("forecast").agg(
        banded.sum().alias("bands"),
        (truth < low).filter(banded).mean().alias("below"),
        truth.is_between("low", "high").filter(banded).mean().alias("covered"),
        (truth > high).filter(banded).mean().alias("above"),
        (high - low).filter(banded).median().alias("width"),
        truth.filter(banded).median().alias("truth"),
        missed.sum().alias("missed"),
        unknown.sum().alias("unknown"),
    )
    return pl.DataFrame({"forecast": BANDS}).join(counted, on="forecast", how="left", maintain_order="left")


def main(arguments: list[str] | None = None) -> None:
    """Play a scenario and print how often the truth lay in the bands."""
    parser = argparse.ArgumentParser(prog="python -m trials.forecast_score", description=main.__doc__)
    parser.add_argument("scenario", help="name or file")
    parser.add_argument("--days", type=float, default=None)
    parser.add_argument("--pumps", type=int, default=None)
    parser.add_argument("--seed-shift", type=int, default=0)
    parser.add_argument("--interval", type=float, default=None, metavar="SECONDS", help="between a pump's samples")
    parser.add_argument(
        "--datasheet-error",
        type=float,
        default=0.0,
        metavar="SHARE",
        help="by how much each pump's battery capacity, current and residual volume are above or below the datasheet",
    )
    parser.add_argument("--cases", default=None, metavar="FILE", help="write every case here, as CSV")
    given = parser.parse_args(arguments)
    scenario = load(given.scenario)
    scenario = dataclasses.replace(
        scenario,
        pumps=given.pumps or scenario.pumps,
        seed=scenario.seed + given.seed_shift,
        interval_s=given.interval or scenario.interval_s,
    )
    judged = cases(
        scenario,
        given.days or scenario.days or 3.0,
        lambda ticks: iter(track(ticks, escape(given.scenario), transient=True)),
        datasheet_error=given.datasheet_error,
    )
    if given.cases:
        judged.with_columns(no_formula(pl.col(pl.String))).write_csv(given.cases)
    Console().print(_table(f"{given.scenario}: the truth in the 80 % band", coverage(judged)))


def _table(title: str, rows: pl.DataFrame) -> Table:
    columns = {name: {"justify": "left" if name == "forecast" else "right"} for name in rows.columns}
    cells = ((f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in row) for row in rows.iter_rows())
    return terminal.table(title, columns, cells)


if __name__ == "__main__":
    main()
