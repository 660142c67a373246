"""Engine state, stepped by waves: order, gaps, duplicates, restarts and unknown values."""

from __future__ import annotations

import polars as pl
import pytest

from broker.contract.signals import SIGNAL_NAMES
from processor.detectors import Detector
from processor.detectors.limit import limit
from processor.detectors.residual import residual
from processor.engine import engine, epochs
from processor.engine.waves import waves
from processor.rules import RULES

LATER_MS = 3_600_000
LOW = limit("battery_v", below=2.75, span=0.25)
DEFICIT = residual("flow_ul_h", "commanded_ul_h", direction="below", share=0.25, floor=0.5, tau_s=600)


def later(batch: pl.DataFrame, by_ms: int = LATER_MS, **values: int | None) -> pl.DataFrame:
    """Return the same samples at another time, with other values in columns that the pump reports."""
    fixed = [pl.lit(value, pl.Int64).alias(name) for name, value in values.items()]
    return batch.with_columns(pl.col("time") + by_ms, *fixed)


def test_a_wave_contains_each_pump_at_most_once_and_keeps_the_order_of_its_samples(stream):
    first, second, third = (stream("flow_ul_h", words, pump=pump) for pump, words in enumerate(("1 2 3", "4 5", "6")))
    batch = pl.concat([second[:1], first, third, second[1:]])
    found = [list(zip(wave["pump"], wave["flow_ul_h"], strict=True)) for wave in waves(batch)]
    assert found == [[(1, 4), (0, 1), (2, 6)], [(0, 2), (1, 5)], [(0, 3)]]


def test_a_batch_with_one_sample_per_pump_is_one_wave_and_an_empty_batch_has_no_wave(stream):
    batch = pl.concat([stream("flow_ul_h", "1", pump=pump) for pump in (3, 0, 2)])
    assert [wave.equals(batch) for wave in waves(batch)] == [True]
    assert list(waves(batch.clear())) == []


def test_added_pumps_are_unknown_and_the_others_stay_as_they_were(stream, feed):
    state = feed(stream("flow_ul_h", "8 8.1"))
    grown = engine.grow(state, 3)
    assert grown[:1].equals(state)
    assert grown["samples"].to_list() == [2, 0, 0]
    assert grown.select(*engine.REPORTED, *SIGNAL_NAMES)[1:].null_count().sum_horizontal()[0] == 2 * (
        5 + len(SIGNAL_NAMES)
    )
    assert grown.schema == state.schema
    assert engine.grow(grown, 2) is grown


def test_the_last_sample_of_each_pump_is_the_state(stream, feed):
    state = feed(pl.concat([stream("flow_ul_h", "8 9"), stream("flow_ul_h", "4 5 ?", pump=1)]))
    assert state["flow_ul_h"].to_list() == [9, None]
    assert state["seq"].to_list() == [2, 3]
    assert state["samples"].to_list() == [2, 3]


def test_only_pumps_of_the_wave_are_judged(stream, feed):
    state = feed(pl.concat([stream("flow_ul_h", "8", pump=pump) for pump in range(4)]))
    judged = engine.step(state, later(stream("flow_ul_h", "9", pump=2))).judged
    assert (judged["pump"].to_list(), judged["flow_ul_h"].to_list()) == ([2], [9])
    assert engine.step(state, stream("flow_ul_h", "9", pump=2)).judged.height == 0


def test_skipped_samples_are_counted_by_their_seq(stream, feed):
    assert feed(stream("flow_ul_h", "8 8 - 8 - - 8"))["missed"][0] == 3
    assert feed(stream("flow_ul_h", "- - - 8 8"))["missed"][0] == 0
    assert feed(stream("flow_ul_h", "8 8 8", seq="5 ? 9"))["missed"][0] == 0


def test_a_new_boot_starts_a_new_count_of_samples(stream, feed):
    state = feed(stream("flow_ul_h", "8x3"))
    state = feed(later(stream("flow_ul_h", "8"), boot=2, seq=1000), state=state)
    assert (state["missed"][0], state["boot"][0]) == (0, 2)
    assert feed(later(stream("flow_ul_h", "8"), 2 * LATER_MS, boot=2, seq=1003), state=state)["missed"][0] == 2


def test_a_sample_that_is_not_newer_is_counted_and_otherwise_ignored(stream, feed):
    batch = stream("flow_ul_h", "8 9 10")
    state = feed(batch)
    replayed = feed(pl.concat([batch[1:2], batch]), state=state)
    assert replayed["stale"][0] == 4
    counters = ("stale", *epochs.SCHEMA)
    assert replayed.drop(counters).equals(state.drop(counters))


def test_a_stale_sample_in_a_wave_does_not_delay_the_others(stream, feed):
    state = feed(pl.concat([stream("flow_ul_h", "8", pump=pump) for pump in range(3)]))
    wave = pl.concat([later(stream("flow_ul_h", "9", pump=0)), stream("flow_ul_h", "9", pump=1)])
    step = engine.step(state, wave)
    assert step.state["flow_ul_h"].to_list() == [9, 8, 8]
    assert step.state["stale"].to_list() == [0, 1, 0]
    assert step.judged["pump"].to_list() == [0]


def test_a_reboot_with_the_clock_set_back_resets_the_memories(stream, feed, rule_of):
    rules = (rule_of(DEFICIT),)
    state = feed(stream("flow_ul_h", "4x20", commanded_ul_h="8"), rules)
    assert state["rule.memory.difference"][0] < -2
    state = feed(later(stream("flow_ul_h", "8", commanded_ul_h="8"), -LATER_MS, boot=2), rules, state)
    assert state["rule.memory.difference"][0] == 0
    assert state["rule.memory.expected"][0] == 8
    assert (state["samples"][0], state["stale"][0]) == (21, 0)


def test_a_reboot_with_the_clock_still_running_keeps_the_memories(stream, feed, rule_of):
    rules = (rule_of(DEFICIT),)
    learned = feed(stream("flow_ul_h", "4x20", commanded_ul_h="8"), rules)["rule.memory.difference"][0]
    state = feed(stream("flow_ul_h", "4x20", commanded_ul_h="8"), rules)
    state = feed(later(stream("flow_ul_h", "4", commanded_ul_h="8"), 20 * 60_000, boot=2), rules, state)
    assert state["rule.memory.difference"][0] == pytest.approx(learned - (4 + learned) * 0.0951626, rel=1e-4)


def test_samples_of_an_earlier_boot_are_stale(stream, feed):
    state = feed(later(stream("flow_ul_h", "8"), boot=2))
    assert feed(later(stream("flow_ul_h", "9"), 2 * LATER_MS, boot=1), state=state)["stale"][0] == 1


def test_a_pump_that_does_not_report_its_boot_is_still_in_the_last_one(stream, feed):
    state = feed(stream("flow_ul_h", "8 9 10", boot="5 ? ?"))
    assert (state["samples"][0], state["stale"][0], state["boot"][0]) == (3, 0, 5)


def test_an_unknown_signal_leaves_scores_and_memories_as_they_are(stream, feed, rule_of):
    rules = (rule_of(LOW, "low"), rule_of(DEFICIT, "deficit"))
    state = feed(stream("battery_v", "2.5x10", flow_ul_h="4", commanded_ul_h="8"), rules)
    unknown = feed(later(stream("battery_v", "?"), boot=1), rules, state)
    assert unknown["battery_v"][0] is None
    for name in ("low", "deficit", "deficit.memory.difference", "deficit.memory.expected"):
        assert unknown[name][0] == state[name][0] != 0


def test_the_duration_of_a_violation_is_counted_in_therapy_time_from_its_first_sample(stream, feed, rule_of):
    rules = (rule_of(LOW),)
    durations = [
        feed(stream("battery_v", words), rules)["rule.in_state_s"][0] for words in ("2.5", "3 2.5", "3 2.5 2.5 - 2.5")
    ]
    assert durations == [0, 0, 180]
    assert feed(stream("battery_v", "2.5 2.5 ? 2.5"), rules)["rule.in_state_s"][0] == 180
    assert feed(stream("battery_v", "2.5 2.5 3 3 3"), rules)["rule.in_state_s"][0] == 120


def test_an_hour_between_two_samples_counts_as_one_hour(stream, feed, rule_of):
    clock = Detector(
        lambda memory: memory("s"), {"s": 0.0}, lambda memory: {"s": memory("s") + pl.col("dt").fill_null(0.0)}
    )
    pair = pl.concat([stream("flow_ul_h", "60 60", every_s=3600, pump=pump) for pump in range(2)])
    assert feed(pair, (rule_of(clock),))["rule.memory.s"].to_list() == [3600, 3600]


def test_the_silence_of_a_single_pump_is_scored_as_among_many(stream, feed):
    state = feed(pl.concat([stream("flow_ul_h", "8x5", every_s=7.3 + 40 * pump, pump=pump) for pump in range(9)]))
    ages = pl.Series([4321.7 + pump for pump in range(9)], dtype=pl.Float32)
    many = engine.with_ages(state, ages)
    alone = [engine.with_ages(state[pump : pump + 1], ages[pump : pump + 1]) for pump in range(9)]
    assert pl.concat(alone).equals(many)
    assert many["pump_silent"][0] > 1


def test_the_state_keeps_its_columns(stream, feed):
    state = feed(stream("flow_ul_h", "8 9"))
    assert dict(state.schema) == engine.schema(RULES)
    assert dict(engine.with_ages(state, pl.Series([1.0], dtype=pl.Float32)).schema) == engine.schema(RULES)
