"""A batch is divided into waves: each pump once, its samples in order, whoever else sent what in between."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.engine import waves as waves_module
from processor.engine.waves import THIN_WAVE, defer, waves


def batch(pumps: list[int]) -> pl.DataFrame:
    return pl.DataFrame({"pump": pl.Series(pumps, dtype=pl.UInt32), "arrived": range(len(pumps))})


@settings(deadline=None)
@given(pumps=st.lists(st.integers(0, 8), max_size=60))
def test_each_sample_is_in_the_wave_of_its_place_among_those_of_its_pump(pumps):
    seen: dict[int, int] = {}
    expected: dict[int, list[tuple[int, int]]] = {}
    for arrived, pump in enumerate(pumps):
        expected.setdefault(seen.get(pump, 0), []).append((pump, arrived))
        seen[pump] = seen.get(pump, 0) + 1
    assert [wave.rows() for wave in waves(batch(pumps))] == list(expected.values())


@settings(deadline=None)
@given(pumps=st.lists(st.integers(0, 3), max_size=60), most=st.integers(1, 5))
def test_of_a_backlog_the_first_waves_are_due_and_the_others_wait_in_order(pumps, most):
    due, waiting = defer(batch(pumps), most)
    assert [wave.rows() for wave in waves(due)] == [wave.rows() for wave in waves(batch(pumps))][:most]
    assert sorted(due["arrived"].to_list() + waiting["arrived"].to_list()) == list(range(len(pumps)))
    assert waiting["arrived"].is_sorted()


def test_a_wave_of_very_many_pumps_is_several_of_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waves_module, "MAX_WAVE", 3)
    found = [wave.rows() for wave in waves(batch([4, 0, 1, 3, 2, 4, 1]))]
    assert found == [[(0, 1), (1, 2), (2, 4)], [(3, 3), (4, 0)], [(4, 5), (1, 6)]]


def test_a_wave_of_many_pumps_never_waits():
    due, waiting = defer(batch([*range(THIN_WAVE), *range(THIN_WAVE), 0, 0, 0]), 1)
    assert (due.height, waiting["pump"].to_list()) == (2 * THIN_WAVE + 1, [0, 0])
