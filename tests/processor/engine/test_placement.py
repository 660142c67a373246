"""Rows of a wave are read from and written to the state as if each pump were placed by itself."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.engine.placement import MAX_CHUNKS, MAX_RUNS, SMALL, Places, ascending

HEIGHT = 2 * SMALL


def state(height: int = HEIGHT) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "row": np.arange(height),
            "flow": np.arange(height, dtype=np.float32),
            "seq": pl.int_range(height, eager=True).replace([3, height - 1], [None, None]),
        }
    )


def one_by_one(before: pl.DataFrame, pumps: list[int], rows: pl.DataFrame) -> pl.DataFrame:
    numbers = pl.Series(pumps, dtype=pl.UInt32)
    return before.with_columns(before[name].clone().scatter(numbers, rows[name]) for name in rows.columns)


runs = st.lists(
    st.tuples(st.integers(0, HEIGHT - 1), st.integers(1, 4000), st.integers(1, 3)), min_size=1, max_size=2 * MAX_RUNS
)


@settings(max_examples=50, deadline=None)
@given(writes=st.lists(runs, min_size=1, max_size=4))
def test_rows_are_where_they_belong_however_the_pumps_are_scattered(writes):
    expected = actual = state()
    for number, found in enumerate(writes):
        pumps = sorted({at for first, length, step in found for at in range(first, min(first + length, HEIGHT), step)})
        places = Places.of(pl.Series(pumps, dtype=pl.UInt32), HEIGHT)
        assert places.read(actual).equals(expected[pumps])
        rows = expected[pumps].select(pl.col("flow") + number + 0.5, pl.lit(None, pl.Int64).alias("seq"))
        expected, actual = one_by_one(expected, pumps, rows), places.write(actual, rows)
        assert actual.equals(expected)


@pytest.mark.parametrize("height", [1, 7, SMALL])
def test_a_small_state_stays_in_one_chunk(height):
    before = state(height)
    pumps = pl.Series(range(0, height, 2), dtype=pl.UInt32)
    rows = before[pumps].with_columns(pl.col("flow") * 2)
    after = Places.of(pumps, height).write(before, rows)
    assert after.equals(one_by_one(before, pumps.to_list(), rows))
    assert set(after.n_chunks("all")) == {1}


def test_no_pumps_change_nothing():
    before = state()
    places = Places.of(pl.Series([], dtype=pl.UInt32), HEIGHT)
    assert places.read(before).equals(before.clear())
    assert places.write(before, before.clear()).equals(before)


def test_columns_do_not_fall_apart_into_ever_more_chunks():
    after = state()
    for first in range(0, HEIGHT - 10, 97):
        pumps = pl.Series(range(first, first + 10), dtype=pl.UInt32)
        after = Places.of(pumps, HEIGHT).write(after, after[pumps])
    assert max(after.n_chunks("all")) <= MAX_CHUNKS
    assert after.equals(state())


def test_a_wave_is_put_in_the_order_of_its_pumps():
    wave = pl.DataFrame({"pump": pl.Series([5, 6, 1, 2, 9], dtype=pl.UInt32), "flow": [5.0, 6.0, 1.0, 2.0, 9.0]})
    assert ascending(wave)["flow"].to_list() == [1.0, 2.0, 5.0, 6.0, 9.0]
    assert ascending(wave[:2]).equals(wave[:2])
