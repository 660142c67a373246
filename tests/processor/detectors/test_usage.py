"""Usage of a pump, by hand."""

from __future__ import annotations

import pytest

from processor.detectors.usage import usage

DUE = usage(due_days=5.0)
DAY = "20x36 5x36"
"""Half a day at 20 µL/h and half at 5, a sample every 20 minutes: 12.5 µL/h on average."""


@pytest.fixture
def used(stream, trace):
    def memory(commanded: str, column: str = "day_ul_h", *, flow: str = "10", program: str = "1", **signals: str):
        """Return a memory column after each sample, one every 20 minutes."""
        detector = usage(due_days=5.0)
        batch = stream("commanded_ul_h", commanded, flow_ul_h=flow, program=program, every_s=1200, **signals)
        return trace_of_family(trace, detector, batch, column)

    return memory


def trace_of_family(trace, detector, batch, column):
    from dataclasses import replace

    return trace(replace(detector, family=None), batch, column)


def test_steps_within_the_day_do_not_show_in_the_daily_mean(used):
    means = used(f"20 {DAY} {DAY} 20x10")
    assert means[:72] == [None] * 72
    assert means[73:] == pytest.approx([12.5] * len(means[73:]), rel=0.01)


def test_a_new_program_scales_the_daily_mean_at_once(used):
    means = used(f"20 {DAY} 20x5 30x3", program="1x78 2x3")
    assert means[-1] == pytest.approx(1.5 * 12.5, rel=0.01)
    assert means[78] == pytest.approx(12.5, rel=0.01)


def test_a_new_level_of_flow_starts_a_new_average(used):
    shares = used("10x60", "flow_ul_h", flow="10x50 4x10")
    assert shares[49] == pytest.approx(10)
    assert shares[51:] == pytest.approx([4.0] * 9)
    brief = used("10x60", "flow_ul_h", flow="10x50 4 10x9")
    assert min(brief) > 9.5


def test_the_effect_halves_in_a_half_life_without_flow(used):
    effects = used("10x10", "effect_middle", flow="0x10")
    assert effects[9] == pytest.approx(0.5, rel=1e-4)


def test_a_refill_falls_due_when_the_given_days_are_left(stream, trace):
    from dataclasses import replace

    due = replace(DUE, family=None)
    level = stream("reservoir_ml", "14x75 3.2 3.1", commanded_ul_h="10", flow_ul_h="10", program="1", every_s=1200)
    scores = trace(due, level)
    assert max(scores[:75]) < 0.2
    assert scores[75:] == pytest.approx([1.2 / 1.2, 1.2 / 1.1], rel=1e-3)
