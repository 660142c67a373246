"""Windows in the time of a pump, as detectors see them: five minutes long, with one sample a minute."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl
import pytest

from processor.detectors import Detector
from processor.engine import engine
from processor.engine.waves import waves
from processor.engine.windows import WINDOW_S

MS = 1000
UNKNOWN = 999.0


@pytest.fixture(name="values_of")
def make_values_of(rule_of) -> Callable[..., list[float]]:
    """Return a function that gives, at the end of each window, the value of a column; `UNKNOWN` for null."""

    def values_of(batch: pl.DataFrame, name: str) -> list[float]:
        return judged(batch, name, rule_of)["rule"].to_list()

    return values_of


def judged(batch: pl.DataFrame, name: str, rule_of: Callable[..., object]) -> pl.DataFrame:
    rules = (rule_of(Detector(score=lambda _: pl.col(name).cast(pl.Float64).fill_null(UNKNOWN))),)
    state = engine.new_state(int(batch["pump"].max()) + 1, rules)
    rows = []
    for wave in waves(batch):
        step = engine.step(state, wave, rules, WINDOW_S)
        state = step.state
        rows.append(step.judged)
    return pl.concat(rows)


def test_the_first_sample_is_a_window_of_its_own_and_then_every_five_are_one(stream, values_of):
    assert values_of(stream("flow_ul_h", "8x13"), "count") == [1, 5, 5]
    assert values_of(stream("flow_ul_h", "8x13"), "dt") == [UNKNOWN, 300, 300]


def test_a_window_shows_the_mean_of_each_signal(stream, values_of):
    batch = stream("flow_ul_h", "8 1 2 3 4 5", pressure_mmhg="10 20x5")
    assert values_of(batch, "flow_ul_h") == pytest.approx([8, 3])
    assert values_of(batch, "pressure_mmhg") == pytest.approx([10, 20])


def test_an_unknown_sample_leaves_the_mean_unchanged(stream, values_of):
    assert values_of(stream("flow_ul_h", "8 ? 4 4 4 ?"), "flow_ul_h") == pytest.approx([8, 4])
    assert values_of(stream("flow_ul_h", "8 3 5 ? ? ?"), "flow_ul_h") == pytest.approx([8, 4])
    assert values_of(stream("flow_ul_h", "8 ?x5"), "flow_ul_h") == [8, UNKNOWN]


def test_a_window_carries_nothing_over_to_the_next_one(stream, values_of):
    batch = stream("flow_ul_h", "8 8x5 ?x5", flags="0 0 0 64 0 0 0x5")
    assert values_of(batch, "flow_ul_h") == [8, 8, UNKNOWN]
    assert values_of(batch, "flags") == [0, 64, 0]
    assert values_of(batch, "flow_repeats") == [0, 1, 0]


def test_repeated_readings_are_a_share_of_the_window(stream, values_of):
    assert values_of(stream("flow_ul_h", "8 8 8 9 8 8"), "flow_repeats") == pytest.approx([0, 3 / 5])
    assert values_of(stream("flow_ul_h", "8 8 ? 8 8 9"), "flow_repeats") == pytest.approx([0, 2 / 5])


def test_jumps_are_the_root_mean_square_of_the_change_from_sample_to_sample(stream, values_of):
    current = stream("motor_ma", "2 5 2 2 2 6")
    assert values_of(current, "motor_jump_ma") == pytest.approx([0, ((9 + 9 + 16) / 5) ** 0.5])
    assert values_of(stream("motor_ma", "2 5 ? 2 2 2"), "motor_jump_ma") == pytest.approx([0, (9 / 5) ** 0.5])


def test_a_step_of_the_program_is_not_a_jump_of_the_flow(stream, values_of):
    step = stream("flow_ul_h", "8 8 8 16 16 16", commanded_ul_h="8 8 8 16 16 16")
    assert values_of(step, "flow_jump_ul_h") == [0, 0]
    alone = stream("flow_ul_h", "8 8 8 16 16 16", commanded_ul_h="8")
    assert values_of(alone, "flow_jump_ul_h") == pytest.approx([0, (64 / 5) ** 0.5])


def test_the_flags_of_all_samples_of_a_window_are_combined(stream, values_of):
    assert values_of(stream("flags", "0 1 2 ? 64 2 0 0 0 0 0"), "flags") == [0, 1 + 2 + 64, 0]


def test_windows_of_all_pumps_are_aligned_to_one_grid(stream, rule_of):
    at = {pump: stream("flow_ul_h", "8x9", pump=pump) for pump in range(2)}
    later = at[1].with_columns(pl.col("time") + 130 * MS)
    grid = round(WINDOW_S * MS)
    ends = judged(pl.concat([at[0], later]), "count", rule_of)
    cuts = {pump: (ends.filter(pl.col("pump") == pump)["time"] // grid).to_list() for pump in range(2)}
    first = cuts[0][0]
    assert cuts == {0: [first, first + 1], 1: [first, first + 1, first + 2]}
    assert ends.filter(pl.col("pump") == 1)["rule"].to_list() == [1, 3, 5]


def test_a_pump_that_reports_hourly_has_one_window_per_sample(stream, values_of):
    hourly = stream("flow_ul_h", "8 9 - 11", every_s=3600)
    assert values_of(hourly, "flow_ul_h") == [8, 9, 11]
    assert values_of(hourly, "count") == [1, 1, 1]
    assert values_of(stream("flow_ul_h", "8 9 - 11", every_s=400), "dt") == [UNKNOWN, 400, 800]


def test_a_pump_whose_window_has_not_ended_is_not_judged(stream, rule_of):
    rules = (rule_of(Detector(score=lambda _: pl.col("flow_ul_h"))),)
    state = engine.new_state(1, rules)
    for wave in waves(stream("flow_ul_h", "8 1 2 3")):
        state = engine.step(state, wave, rules, WINDOW_S).state
    assert (state["rule"][0], state["flow_ul_h"][0], state["samples"][0]) == (8, 3, 4)


def test_a_reset_pump_starts_with_a_window_of_its_own(stream, values_of):
    before = stream("flow_ul_h", "8 2 2 2")
    after = stream("flow_ul_h", "5 6 6 6 6 6", boot="2").with_columns(pl.col("time") - 3_600_000)
    assert values_of(pl.concat([before, after]), "flow_ul_h") == pytest.approx([8, 5, 6])
    assert values_of(pl.concat([before, after]), "dt") == [UNKNOWN, UNKNOWN, 300]
