"""Conditions that the pump reports by flags."""

from __future__ import annotations

from processor.detectors.flag import early, flagged
from processor.engine import engine
from processor.engine.waves import waves

RESET_OR_END = flagged("reset", "eos")


def test_only_the_named_flags_are_scored(stream, trace):
    reports = stream("flags", "0 2 32 34 1 64 255")
    assert trace(RESET_OR_END, reports) == [0, 2, 2, 2, 0, 0, 2]


def test_unknown_flags_leave_the_score_unchanged(stream, trace):
    assert trace(RESET_OR_END, stream("flags", "? 2 ? ? 0")) == [0, 2, 2, 2, 0]


def test_a_flag_set_once_in_a_window_counts_for_the_window(stream, rule_of):
    rules, state = (rule_of(RESET_OR_END),), engine.new_state(1, (rule_of(RESET_OR_END),))
    scores = []
    for wave in waves(stream("flags", "0 0 2 0 0 0 0 0 0 0 0")):
        step = engine.step(state, wave, rules, window_s=300)
        state = step.state
        scores += step.judged["rule"].to_list()
    assert scores == [0, 2, 0]


def test_a_report_is_early_if_the_load_corrected_voltage_is_that_of_a_good_battery(stream, trace):
    premature = early("eri", "battery_v", above=3.0, load="motor_ma", per_load=0.03)
    reports = stream("battery_v", "3.1 3.1 2.95 2.8 ? 3.1", motor_ma="3", flags="0 16 16 16 16 0")
    assert trace(premature, reports) == [0, 2, 2, 0, 0, 0]
