"""Another program although no programmer wrote one: a sample a minute, each a window; 256 is a new program's flag."""

from __future__ import annotations

import pytest

from processor.detectors.program import program
from processor.engine import engine

CHANGED = program()


def test_a_number_that_stays_is_nothing(stream, told):
    assert told(CHANGED, stream("program", "7x10", flags="0")) == [0] * 10


def test_another_number_without_a_programmer_is_scored_until_one_writes_a_new_program(stream, told):
    reported = stream("program", "7x3 8x5 9x4", flags="0x8 256x2 0x2")
    assert told(CHANGED, reported) == [0] * 3 + [2] * 5 + [0] * 4


def test_a_program_that_a_programmer_wrote_is_nothing(stream, told):
    assert max(told(CHANGED, stream("program", "7x3 8x17", flags="0x3 256x10 0x7"))) == 0


def test_the_sample_that_tells_of_the_programmer_may_be_lost(stream, told):
    assert max(told(CHANGED, stream("program", "7x3 -x4 8x12", flags="0x3 256x10 0x6"))) == 0


def test_a_change_while_so_much_was_lost_that_the_programmer_may_have_been_is_not_held_against_the_pump(stream, told):
    assert max(told(CHANGED, stream("program", "7x3 -x12 8x5", flags="0"))) == 0
    assert told(CHANGED, stream("program", "7x3 -x5 8x5", flags="0"))[-1] == 2


def test_a_pump_that_reports_once_an_hour_is_judged_as_well(stream, told):
    hourly = stream("program", "7x3 8x3 9x3", flags="0x3 256 0x5", every_s=3600)
    assert told(CHANGED, hourly) == [0] * 6 + [2] * 3


@pytest.mark.parametrize("flags", ["0x3 2x4 0x3", "0x3 2x1 0x6"])
def test_what_runs_after_a_reset_is_for_the_alarm_of_the_reset(stream, told, flags):
    count = sum(int(word.partition("x")[2]) for word in flags.split())
    resets = int(flags.split()[1].partition("x")[2])
    numbers = f"7x3 8x{resets} 9x{count - 3 - resets}"
    assert max(told(CHANGED, stream("program", numbers, flags=flags))) == 0


def test_a_new_life_may_begin_with_any_number(stream, told):
    assert max(told(CHANGED, stream("program", "7x3 1x3", flags="0", boot="1x3 2x3"))) == 0


def test_a_pump_that_does_not_number_its_programs_is_left_alone(stream, told):
    assert max(told(CHANGED, stream("flow_ul_h", "8x5"))) == 0


def test_the_same_samples_again_say_nothing_new(stream, rule_of):
    rules = (rule_of(CHANGED),)
    written = stream("program", "7x3 8x3", flags="0x3 256x3")
    state = engine.new_state(1, rules)
    for wave in [*engine.waves(written), *engine.waves(written[:3])]:
        state = engine.step(state, wave, rules, window_s=0).state
    assert state["rule"].to_list() == [0]
