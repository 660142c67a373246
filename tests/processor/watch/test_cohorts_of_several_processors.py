"""Processors that have a fleet between them find about its cohorts what a single one finds, each finding once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from processor.alarms.hold import no_timers
from processor.alarms.subjects import Subjects
from processor.engine import engine
from processor.service import cohort_exchange
from processor.service.cohort_exchange import FILE, CohortExchange
from processor.watch.cohorts import FRESH_S, INTERVAL_S, OTHERS, CohortWatch
from tests.processor.watch.cohort_fleet import LOTS, PUMPS, START_MS, healthy, subjects

HALF = PUMPS // 2
NOW = START_MS + round(INTERVAL_S * 1000)
WHOLE = slice(0, PUMPS)


def part(of: slice, gateways: slice) -> Subjects:
    """The pumps and gateways of one processor, numbered by itself."""
    whole = subjects(NOW)
    return Subjects(
        whole.pumps[of],
        whole.owners[of] - gateways.start,
        whole.gateways[gateways],
        whole.clocks[gateways],
        facts=whole.facts[of],
    )


def scores(watch: CohortWatch, values: np.ndarray, of: Subjects) -> dict[str, float]:
    """Return the score of each cohort's surplus, by its name."""
    state = engine.new_state(len(values)).with_columns(
        pl.lit(10.0, pl.Float32).alias("flow_sensor.memory.commanded"),
        pl.Series("flow_sensor.memory.flow", 10.0 + values / 10.0, dtype=pl.Float32),
    )
    ages = pl.repeat(60.0, len(values), dtype=pl.Float32, eager=True)
    found = watch.scores(state, no_timers(), of, ages_s=ages).filter(pl.col("rule") == "cohort_over_delivery")
    named = [
        of.gateways[number] if number is not None else other
        for number, other in found.select("gateway", "other").rows()
    ]
    return {name: round(score, 4) for name, score in zip(named, found["score"], strict=True)}


def exchange(data: Path, number: int) -> CohortExchange:
    directory = data / "ranges" / f"{number:02d}" / "000001"
    directory.mkdir(parents=True, exist_ok=True)
    return CohortExchange(directory, data, first=number == 0)


@pytest.fixture
def values() -> np.ndarray:
    """A fleet in which a lot that is spread over all gateways delivers too much."""
    drifting = np.arange(PUMPS) % LOTS == 3
    return healthy() + 8.0 * drifting


def test_two_find_what_one_finds(tmp_path, values):
    whole = scores(CohortWatch(), values, part(WHOLE, slice(0, 4)))
    halves = [(slice(0, HALF), slice(0, 2)), (slice(HALF, PUMPS), slice(2, 4))]
    # Each publishes at every comparison, so at the second one it knows those of the other.
    for number, (pumps, gateways) in enumerate(halves):
        scores(CohortWatch(exchange=exchange(tmp_path, number)), values[pumps], part(pumps, gateways))
    found = [
        scores(CohortWatch(exchange=exchange(tmp_path, number)), values[pumps], part(pumps, gateways))
        for number, (pumps, gateways) in enumerate(halves)
    ]
    assert whole["lot L3"] >= 1
    assert found[0].keys() & found[1].keys() == set()
    assert found[0] | found[1] == whole
    assert set(found[1]) == {"ward-2", "ward-3"}


def test_a_file_that_is_damaged_or_old_is_left_out_and_of_very_many_pumps_a_part_is_read(tmp_path, values, monkeypatch):
    first, second = exchange(tmp_path, 0), exchange(tmp_path, 1)
    assert first.others(NOW).is_empty()
    scores(CohortWatch(exchange=second), values[:HALF], part(slice(0, HALF), slice(0, 2)))
    assert dict(first.others(NOW).schema) == OTHERS
    assert first.others(NOW).height == HALF
    assert first.others(NOW + round(FRESH_S * 1000) + 1).is_empty()
    monkeypatch.setattr(cohort_exchange, "MAX_OTHERS", HALF // 4)
    assert first.others(NOW).height == HALF // 4
    (second.data / FILE).write_bytes(b"damaged")
    assert first.others(NOW).is_empty()
    assert first.failures == 1


def test_a_range_without_pumps_compares_nothing_and_stops_nobody(tmp_path):
    alone = CohortWatch(exchange=exchange(tmp_path, 1))
    assert scores(alone, np.zeros(0), part(slice(0, 0), slice(0, 0))) == {}
    assert exchange(tmp_path, 0).others(NOW).is_empty()
