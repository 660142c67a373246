"""How much room a sample takes, and how soon a long past is there: prints a table.

Room is measured on samples of the simulator, written as the processor writes them. The past of 90 days and 1,000 pumps
is made as roll-ups, for 130 million samples would take hours; beside it a last day of samples, not rolled up yet.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import polars as pl

from broker.contract.signals import SIGNALS
from broker.store import rollup
from broker.store.history import LINGER_MS, ROLLUP_ROW_GROUP, SETTLED_MS, History
from broker.store.segments import DAY_MS, HOUR_MS, day_name, trend
from simulator.playback.scenario import default, load
from simulator.playback.simulation import Simulation

START_MS = 1_767_225_600_000
PUMPS, DAYS, ASKED = 1000, 90, 20


def test_the_room_of_a_sample(tmp_path: Path) -> None:
    scenario = load("lively-month")
    simulation = Simulation(scenario, start_ms=START_MS)
    history, minutes, rows, chance = History(tmp_path), 2 * DAY_MS // (60_000 * 5), 0, np.random.default_rng(1)
    began = time.perf_counter()
    for minute in range(minutes):
        frame = simulation.tick().drop("index")
        sent = START_MS + minute * 5000 + np.arange(frame.height) // 25 * 80 + chance.integers(0, 4, frame.height)
        history.append(frame.with_columns(pl.Series("sent", sent)), minute * 5000)
        rows += frame.height
        while history.merge(minute * 5000):
            pass
    spread = history.bytes / rows
    history.append(frame.head(1).with_columns(pl.col("time") + 3 * DAY_MS), minutes * 5000)
    for wait in (SETTLED_MS, SETTLED_MS + LINGER_MS + 1):
        while history.merge(minutes * 5000 + wait):
            pass
    took = time.perf_counter() - began
    print(f"\n{rows:,} samples of {scenario.pumps} lively pumps; written and put together in {took:.1f} s")
    print(f"  {spread:.1f} bytes a sample as written, {history.bytes / rows:.1f} once the day is over")
    print(f"  {history.rollup_bytes / rows:.1f} more for the roll-ups by hour")


def short_past(data: Path) -> None:
    """Write 90 days of hours of 1,000 pumps, as noisy as sensors are."""
    chance = np.random.default_rng(7)
    pumps = pl.Series("pump", [f"ITB-{number:06d}" for number in range(PUMPS)])
    for day in range(DAYS):
        hours = pl.Series("time", START_MS + day * DAY_MS + np.arange(24) * HOUR_MS)
        rows = pl.DataFrame([pumps]).join(pl.DataFrame([hours]), how="cross")
        values = {
            f"{signal.name}.{kind}": np.round(chance.normal(10, 0.3, rows.height), signal.decimals).astype(np.float32)
            for signal in SIGNALS
            for kind in rollup.KINDS
        }
        made = rows.with_columns(pl.lit(60, pl.UInt32).alias("samples"), **{k: pl.Series(v) for k, v in values.items()})
        place = rollup.directory(data, rollup.HOUR) / day_name(START_MS + day * DAY_MS)
        place.mkdir(parents=True)
        made.select(*rollup.SCHEMA).write_parquet(place / "all-0-0.parquet", row_group_size=ROLLUP_ROW_GROUP)


def last_day(data: Path) -> None:
    """Write one more day of samples a minute, of which nothing is rolled up."""
    simulation = Simulation(default(pumps=PUMPS, interval_s=60), start_ms=START_MS + DAYS * DAY_MS)
    frames = [simulation.tick().drop("index") for _ in range(DAY_MS // 60_000 - 1)]
    History(data).append(pl.concat(frames), 1)


def test_the_past_of_90_days(tmp_path: Path) -> None:
    short_past(tmp_path)
    last_day(tmp_path)
    history = History(tmp_path)
    while history.merge(1):
        pass
    weeks = len(list(rollup.directory(tmp_path, rollup.HOUR).glob("week=*")))
    size = history.rollup_bytes / 1e6
    print(f"\n{PUMPS:,} pumps, {DAYS} days: {weeks} weeks put together and the days since, {size:.0f} MB")
    until = START_MS + (DAYS + 1) * DAY_MS
    asked = [f"ITB-{number:06d}" for number in np.random.default_rng(3).integers(0, PUMPS, ASKED)]
    for name, ask in {
        "90 days in hours": lambda pump: rollup.line(tmp_path, pump, until - 90 * DAY_MS, until),
        "7 days in hours": lambda pump: rollup.line(tmp_path, pump, until - 7 * DAY_MS, until),
        "a day of samples": lambda pump: trend(tmp_path, pump, until - DAY_MS, until),
    }.items():
        times = []
        for pump in asked:
            began = time.perf_counter()
            rows = ask(pump).height
            times.append((time.perf_counter() - began) * 1000)
        p50, p95 = np.percentile(times, (50, 95))
        print(f"\n{name} of one of {PUMPS:,} pumps: {p50:.0f} ms median, {p95:.0f} ms p95, {rows:,} points")
