"""The reservoir against what flowed, by hand: an hour between samples, an average that goes half the way an hour."""

from __future__ import annotations

from math import log

import pytest
from processor.detectors.balance import balance

BALANCE = balance(share=0.1, floor_ul=30.0, tau_s=3600 / log(2))
HOURLY = {"every_s": 3600}


def test_what_leaves_the_reservoir_and_flows_out_adds_up(stream, told):
    even = stream("reservoir_ml", "10 9.94 9.88 9.82 9.76", flow_ul_h="60", **HOURLY)
    assert told(BALANCE, even) == pytest.approx([0] * 5, abs=1e-3)
    assert told(BALANCE, even, "delivered_ul") == pytest.approx([0, 60, 120, 180, 240])


def test_what_flows_without_leaving_the_reservoir_is_scored_after_the_first_hour(stream, told):
    stands = stream("reservoir_ml", "10x5", flow_ul_h="60", **HOURLY)
    assert told(BALANCE, stands, "sum_ul") == pytest.approx([10_000, 10_060, 10_060, 10_060, 10_060])
    assert told(BALANCE, stands, "gap_ul") == pytest.approx([0, 0, 30, 75, 127.5])
    assert told(BALANCE, stands) == pytest.approx([0, 0, 0, 1, 2.5])


def test_a_leak_is_scored_as_much_as_an_excess(stream, told):
    leak = stream("reservoir_ml", "10 10 9.94 9.88 9.82", flow_ul_h="0", **HOURLY)
    assert told(BALANCE, leak, "gap_ul") == pytest.approx([0, 0, -30, -75, -127.5], rel=1e-4)
    assert told(BALANCE, leak)[-1] == pytest.approx(2.5, rel=1e-4)


def test_of_a_large_volume_a_share_is_allowed(stream, told):
    stands = stream("reservoir_ml", "10x4", flow_ul_h="1000", **HOURLY)
    assert told(BALANCE, stands)[-1] == pytest.approx(500 / (0.1 * 2000))


def test_a_recorded_refill_begins_the_account_anew(stream, told):
    refill = stream("reservoir_ml", "10x4 20 20", flow_ul_h="60", flags="0 0 0 0 64 0", **HOURLY)
    assert told(BALANCE, refill, "sum_ul")[-2:] == pytest.approx([20_000, 20_060])
    assert told(BALANCE, refill, "gap_ul")[-2:] == [0, 0]


def test_a_gap_of_more_than_an_hour_begins_the_account_anew(stream, told):
    gap = stream("reservoir_ml", "10 10 10 - 8", flow_ul_h="60", **HOURLY)
    assert told(BALANCE, gap, "sum_ul")[-1] == pytest.approx(8000)
    assert told(BALANCE, gap, "delivered_ul")[-1] == 0
