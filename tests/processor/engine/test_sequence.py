"""Sequence gaps: a stale sample that fills a gap is late, any other is a duplicate, and the rest of a gap is lost."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from processor.engine import engine
from processor.engine.engine import StepResult
from processor.engine.sequence import REDELIVERED, Gaps
from processor.engine.waves import waves
from processor.intake.collected import BATCH_SCHEMA


def samples(*sent: tuple[int, int], pump: int = 0, boot: int | None = 1) -> pl.DataFrame:
    """Return samples of one pump: (minute, seq) each."""
    known = {
        "pump": [pump] * len(sent),
        "time": [minute * 60_000 for minute, _ in sent],
        "seq": [seq for _, seq in sent],
        "boot": [boot] * len(sent),
    }
    return pl.DataFrame(known, {name: BATCH_SCHEMA[name] for name in known}).select(
        pl.col(name) if name in known else pl.lit(None, dtype).alias(name) for name, dtype in BATCH_SCHEMA.items()
    )


def steps(batch: pl.DataFrame, max_gaps: int = 100) -> list[StepResult]:
    """Return the result of every step of the engine with a batch."""
    gaps, state = Gaps(max_gaps=max_gaps), engine.new_state(int(batch["pump"].max()) + 1, ())  # type: ignore[arg-type]
    results = []
    for wave in waves(batch):
        results.append(engine.step(state, wave, (), window_s=0, gaps=gaps))
        state, gaps = results[-1].state, results[-1].gaps
    return results


def follow_all(batch: pl.DataFrame, max_gaps: int = 100) -> tuple[Gaps, pl.DataFrame]:
    """Return the gaps and the state after a batch."""
    last = steps(batch, max_gaps)[-1]
    return last.gaps, last.state


def counted(state: pl.DataFrame) -> tuple[int, int, int]:
    """Return how many samples of pump 0 are lost, late, and duplicates."""
    missed, stale, late = state.select("missed", "stale", "late").row(0)
    return missed - late, late, stale - late


def test_samples_in_order_leave_no_gap():
    gaps, state = follow_all(samples((1, 1), (2, 2), (3, 3)))
    assert counted(state) == (0, 0, 0)
    assert gaps.open.is_empty()


def test_a_skipped_sample_is_lost_until_it_arrives_late():
    assert counted(follow_all(samples((1, 1), (4, 4)))[1]) == (2, 0, 0)
    assert counted(follow_all(samples((1, 1), (4, 4), (3, 3)))[1]) == (1, 1, 0)
    gaps, state = follow_all(samples((1, 1), (4, 4), (3, 3), (2, 2)))
    assert counted(state) == (0, 2, 0)
    assert gaps.open.is_empty()


def test_a_sample_received_before_is_a_duplicate_whether_it_was_the_last_or_an_older_one():
    assert counted(follow_all(samples((1, 1), (2, 2), (2, 2), (1, 1)))[1]) == (0, 0, 2)


def test_a_late_sample_that_arrives_again_is_a_duplicate():
    assert counted(follow_all(samples((1, 1), (5, 5), (3, 3), (3, 3)))[1]) == (2, 1, 1)


def test_a_sample_in_the_middle_of_a_gap_splits_it():
    gaps, _ = follow_all(samples((1, 1), (9, 9), (5, 5)))
    assert gaps.open.select("first", "last").rows() == [(2, 4), (6, 8)]


def test_a_gap_of_an_earlier_boot_is_filled_by_samples_of_that_boot_alone():
    before = samples((1, 1), (3, 3))
    rebooted = samples((10, 1), (11, 2), boot=2)
    assert counted(follow_all(pl.concat([before, rebooted, samples((2, 2), boot=2)]))[1]) == (1, 0, 1)
    assert counted(follow_all(pl.concat([before, rebooted, samples((2, 2), boot=1)]))[1]) == (0, 1, 0)


def test_a_pump_that_does_not_report_its_boot_fills_the_gap_of_its_last_one():
    assert counted(follow_all(pl.concat([samples((1, 1), (3, 3)), samples((2, 2), boot=None)]))[1]) == (0, 1, 0)


def test_each_pump_has_gaps_of_its_own():
    gaps, state = follow_all(pl.concat([samples((1, 1), (3, 3)), samples((1, 1), (2, 2), pump=1)]))
    assert counted(state) == (1, 0, 0)
    assert gaps.open["pump"].to_list() == [0]


def test_if_there_are_too_many_gaps_the_oldest_are_dropped_and_counted():
    gaps, state = follow_all(samples((1, 1), (3, 3), (5, 5), (7, 7), (2, 2), (6, 6)), max_gaps=2)
    assert gaps.forgotten == 1
    assert counted(state) == (2, 1, 1)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=16))
def test_lost_late_and_duplicate_samples_add_up_in_any_order(order: list[int]):
    gaps, state = follow_all(samples(*((seq, seq) for seq in order)))
    lost, late, duplicates = counted(state)
    after_first = {seq for seq in order if seq > order[0]}
    expected = set(range(order[0] + 1, max(order) + 1)) - after_first
    assert lost == len(expected)
    assert sum(last - first + 1 for first, last in gaps.open.select("first", "last").rows()) == lost
    assert state["samples"][0] + late + duplicates == len(order)


def test_a_step_names_the_gaps_that_its_wave_opened():
    step = steps(samples((1, 1), (4, 4)))[-1]
    assert step.skipped.rows() == [(0, 1, 2, 3)]
    assert step.gaps.open.equals(step.skipped)
    assert step.stale.is_empty()


def test_a_step_names_the_stale_samples_of_its_wave_and_which_of_them_were_late():
    several = pl.concat([samples((1, 1), (3, 3), pump=pump) for pump in range(3)])
    state, gaps = steps(several)[-1].state, steps(several)[-1].gaps
    wave = pl.concat([samples((2, 2)), samples((1, 1), pump=1), samples((4, 4), pump=2)])
    step = engine.step(state, wave, (), window_s=0, gaps=gaps)
    assert step.stale.select("pump", "seq").rows() == [(0, 2), (1, 1)]
    assert step.late["pump"].to_list() == [0]
    assert step.judged["pump"].to_list() == [2]
    assert step.gaps.open["pump"].to_list() == [1, 2]
    assert step.state.select("stale", "late").rows() == [(1, 1), (1, 0), (0, 0)]


def test_a_step_names_the_stale_samples_that_a_gateway_redelivered_and_no_newer_ones():
    several = pl.concat([samples((1, 1), (2, 2), pump=pump) for pump in range(3)])
    wave = pl.concat([samples((2, 2)), samples((1, 1), pump=1), samples((3, 3), pump=2)])
    redelivered = wave.with_columns(pl.Series(REDELIVERED, [True, False, True]))
    step = engine.step(steps(several)[-1].state, redelivered, (), window_s=0)
    assert step.redelivered["pump"].to_list() == [0]
    assert step.state[REDELIVERED].to_list() == [1, 0, 0]


def test_a_wave_of_nothing_but_stale_samples_leaves_nothing_to_judge():
    first = steps(samples((1, 1), (2, 2)))[-1]
    step = engine.step(first.state, samples((1, 1)), (), window_s=0)
    assert (step.judged.height, step.stale.height, step.skipped.height) == (0, 1, 0)
    assert step.judged.columns == [*step.state.columns, "pump"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=20))
def test_the_samples_named_by_all_steps_add_up_to_the_counters_of_the_state(order: list[tuple[int, int]]):
    results = steps(pl.concat([samples((seq, seq), pump=pump) for pump, seq in order]))
    state = results[-1].state
    skipped = pl.concat([result.skipped for result in results])
    for pump in range(state.height):
        of_pump = skipped.filter(pl.col("pump") == pump)
        assert (of_pump["last"] - of_pump["first"] + 1).sum() == state["missed"][pump]
        for name, frames in {"stale": [r.stale for r in results], "late": [r.late for r in results]}.items():
            assert sum((frame["pump"] == pump).sum() for frame in frames) == state[name][pump]
