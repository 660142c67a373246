"""Gaps are remembered by number: what fills one came late, what fills none came twice, and the rest is lost."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.engine import engine
from processor.engine.sequence import Gaps, follow
from processor.intake.inbox import BATCH_SCHEMA


def samples(*said: tuple[int, int], pump: int = 0, boot: int | None = 1) -> pl.DataFrame:
    """Return samples of one pump: (minute, seq) each."""
    known = {
        "pump": [pump] * len(said),
        "time": [minute * 60_000 for minute, _ in said],
        "seq": [seq for _, seq in said],
        "boot": [boot] * len(said),
    }
    return pl.DataFrame(known, {name: BATCH_SCHEMA[name] for name in known}).select(
        pl.col(name) if name in known else pl.lit(None, dtype).alias(name) for name, dtype in BATCH_SCHEMA.items()
    )


def follow_all(batch: pl.DataFrame, most: int = 100) -> tuple[Gaps, pl.DataFrame]:
    """Return the books and the state after a batch."""
    gaps, state = Gaps(), engine.new_state(int(batch["pump"].max()) + 1, ())  # type: ignore[arg-type]
    for wave in engine.waves(batch):
        before = state
        state, _ = engine.step(state, wave, (), window_s=0)
        gaps, state = follow(gaps, before, state, wave, most)
    return gaps, state


def counted(state: pl.DataFrame) -> tuple[int, int, int]:
    """Return of pump 0 what is lost, came late, and came twice."""
    missed, stale, late = state.select("missed", "stale", "late").row(0)
    return missed - late, late, stale - late


def test_what_comes_in_order_leaves_nothing_in_the_books():
    gaps, state = follow_all(samples((1, 1), (2, 2), (3, 3)))
    assert counted(state) == (0, 0, 0)
    assert gaps.open.is_empty()


def test_a_skipped_sample_is_lost_until_it_comes_late():
    assert counted(follow_all(samples((1, 1), (4, 4)))[1]) == (2, 0, 0)
    assert counted(follow_all(samples((1, 1), (4, 4), (3, 3)))[1]) == (1, 1, 0)
    gaps, state = follow_all(samples((1, 1), (4, 4), (3, 3), (2, 2)))
    assert counted(state) == (0, 2, 0)
    assert gaps.open.is_empty()


def test_what_came_before_comes_twice_whether_it_was_the_last_or_an_older_one():
    assert counted(follow_all(samples((1, 1), (2, 2), (2, 2), (1, 1)))[1]) == (0, 0, 2)


def test_what_came_late_and_comes_again_comes_twice():
    assert counted(follow_all(samples((1, 1), (5, 5), (3, 3), (3, 3)))[1]) == (2, 1, 1)


def test_a_sample_in_the_middle_of_a_gap_parts_it():
    gaps, _ = follow_all(samples((1, 1), (9, 9), (5, 5)))
    assert gaps.open.select("first", "last").rows() == [(2, 4), (6, 8)]


def test_a_gap_of_an_earlier_life_is_filled_by_samples_of_that_life_alone():
    before = samples((1, 1), (3, 3))
    again = samples((10, 1), (11, 2), boot=2)
    assert counted(follow_all(pl.concat([before, again, samples((2, 2), boot=2)]))[1]) == (1, 0, 1)
    assert counted(follow_all(pl.concat([before, again, samples((2, 2), boot=1)]))[1]) == (0, 1, 0)


def test_a_pump_that_leaves_its_boot_unsaid_fills_the_gap_of_its_life():
    assert counted(follow_all(pl.concat([samples((1, 1), (3, 3)), samples((2, 2), boot=None)]))[1]) == (0, 1, 0)


def test_each_pump_has_gaps_of_its_own():
    gaps, state = follow_all(pl.concat([samples((1, 1), (3, 3)), samples((1, 1), (2, 2), pump=1)]))
    assert counted(state) == (1, 0, 0)
    assert gaps.open["pump"].to_list() == [0]


def test_the_oldest_gaps_are_forgotten_where_there_are_too_many_and_that_is_counted():
    gaps, state = follow_all(samples((1, 1), (3, 3), (5, 5), (7, 7), (2, 2), (6, 6)), most=2)
    assert gaps.forgotten == 1
    assert counted(state) == (2, 1, 1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=16))
def test_lost_late_and_twice_add_up_in_any_order(order: list[int]):
    gaps, state = follow_all(samples(*((seq, seq) for seq in order)))
    lost, late, twice = counted(state)
    after_first = {seq for seq in order if seq > order[0]}
    expected = set(range(order[0] + 1, max(order) + 1)) - after_first
    assert lost == len(expected)
    assert sum(last - first + 1 for first, last in gaps.open.select("first", "last").rows()) == lost
    assert state["samples"][0] + late + twice == len(order)
