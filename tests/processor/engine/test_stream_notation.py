"""Notation in which these tests write the samples of a pump."""

from __future__ import annotations

import pytest


def test_a_word_is_a_sample_a_dash_is_none_and_a_question_mark_is_unknown(stream):
    batch = stream("flow_ul_h", "10 10x2 - ? 4", every_s=30, battery_v="3")
    assert batch["flow_ul_h"].to_list() == [10, 10, 10, None, 4]
    assert batch["battery_v"].to_list() == [3] * 5
    assert batch["seq"].to_list() == [1, 2, 3, 5, 6]
    assert ((batch["time"] - batch["time"][0]) // 1000).to_list() == [0, 30, 60, 120, 150]
    assert batch["motor_ma"].null_count() == batch.height


def test_columns_of_different_length_are_an_error(stream):
    with pytest.raises(AssertionError, match="battery_v has 2 samples, flow_ul_h 3"):
        stream("flow_ul_h", "1 2 3", battery_v="3 3")
