"""What the pump reports of itself."""

from __future__ import annotations

from processor import engine
from processor.detectors.flag import flagged

RESET_OR_END = flagged("reset", "eos")


def test_any_of_the_named_flags_is_a_violation_and_others_are_not(stream, told):
    reports = stream("flags", "0 2 32 34 1 64 255")
    assert told(RESET_OR_END, reports) == [0, 2, 2, 2, 0, 0, 2]


def test_a_pump_whose_flags_are_unknown_is_judged_by_the_last_ones(stream, told):
    assert told(RESET_OR_END, stream("flags", "? 2 ? ? 0")) == [0, 2, 2, 2, 0]


def test_a_flag_that_was_set_once_in_a_window_was_set_in_it(stream, rule_of):
    rules, state = (rule_of(RESET_OR_END),), engine.new_state(1, (rule_of(RESET_OR_END),))
    scores = []
    for wave in engine.waves(stream("flags", "0 0 2 0 0 0 0 0 0 0 0")):
        state, judged = engine.step(state, wave, rules, window_s=300)
        scores += judged["rule"].to_list()
    assert scores == [0, 2, 0]
