"""A fixed limit."""

from __future__ import annotations

import pytest

from processor.detectors.limit import limit


def test_the_score_is_one_at_the_limit_plus_one_per_span_beyond(stream, trace):
    low = limit("battery_v", below=2.75, span=0.2)
    assert trace(low, stream("battery_v", "3.6 2.85 2.75 2.55 2.35")) == pytest.approx([0, 0.5, 1, 2, 3], abs=1e-5)


def test_a_limit_may_be_above_or_on_both_sides(stream, trace):
    both = limit("temperature_c", below=34, above=39, span=2)
    assert trace(both, stream("temperature_c", "37 39 41 34 30")) == pytest.approx([0, 1, 2, 1, 3])


def test_an_unknown_value_leaves_the_score_unchanged(stream, trace):
    low = limit("battery_v", below=2.75, span=0.25)
    assert trace(low, stream("battery_v", "? 2.5 ? 3")) == pytest.approx([0, 2, 2, 0])
