"""Program changes without a programmer: one sample a minute, each a window; flag 256 reports a new program."""

from __future__ import annotations

import pytest

from processor.detectors.program import program
from processor.engine import engine
from processor.engine.waves import waves

CHANGED = program()


def test_an_unchanged_number_scores_zero(stream, trace):
    assert trace(CHANGED, stream("program", "7x10", flags="0")) == [0] * 10


def test_a_new_number_without_a_programmer_is_scored_until_a_programmer_writes_a_program(stream, trace):
    reported = stream("program", "7x3 8x5 9x4", flags="0x8 256x2 0x2")
    assert trace(CHANGED, reported) == [0] * 3 + [2] * 5 + [0] * 4


def test_a_program_written_by_a_programmer_scores_zero(stream, trace):
    assert max(trace(CHANGED, stream("program", "7x3 8x17", flags="0x3 256x10 0x7"))) == 0


def test_the_first_sample_that_reports_the_programmer_may_be_lost(stream, trace):
    assert max(trace(CHANGED, stream("program", "7x3 -x4 8x12", flags="0x3 256x10 0x6"))) == 0


def test_a_change_during_a_gap_long_enough_for_a_session_scores_zero(stream, trace):
    assert max(trace(CHANGED, stream("program", "7x3 -x12 8x5", flags="0"))) == 0
    assert trace(CHANGED, stream("program", "7x3 -x5 8x5", flags="0"))[-1] == 2


def test_a_pump_that_reports_hourly_is_judged_too(stream, trace):
    hourly = stream("program", "7x3 8x3 9x3", flags="0x3 256 0x5", every_s=3600)
    assert trace(CHANGED, hourly) == [0] * 6 + [2] * 3


@pytest.mark.parametrize("flags", ["0x3 2x4 0x3", "0x3 2x1 0x6"])
def test_a_program_after_a_reset_is_left_to_the_reset_alarm(stream, trace, flags):
    count = sum(int(word.partition("x")[2]) for word in flags.split())
    resets = int(flags.split()[1].partition("x")[2])
    numbers = f"7x3 8x{resets} 9x{count - 3 - resets}"
    assert max(trace(CHANGED, stream("program", numbers, flags=flags))) == 0


def test_any_number_is_accepted_after_a_restart(stream, trace):
    assert max(trace(CHANGED, stream("program", "7x3 1x3", flags="0", boot="1x3 2x3"))) == 0


def test_a_pump_without_program_numbers_scores_zero(stream, trace):
    assert max(trace(CHANGED, stream("flow_ul_h", "8x5"))) == 0


def test_redelivered_samples_change_nothing(stream, rule_of):
    rules = (rule_of(CHANGED),)
    written = stream("program", "7x3 8x3", flags="0x3 256x3")
    state = engine.new_state(1, rules)
    for wave in [*waves(written), *waves(written[:3])]:
        state = engine.step(state, wave, rules, window_s=0).state
    assert state["rule"].to_list() == [0]
