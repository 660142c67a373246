"""A lot that drifts together, on pumps of the simulator before the whole processor: one alarm finds it, and counts."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from simulator.playback.scenario import ScheduledFault, default
from trials import playback, score

HOUR = 3600.0


def test_a_lot_of_which_no_pump_would_alarm_by_itself_is_found_by_one_alarm_that_names_the_cause():
    drift = ScheduledFault("over_infusion", None, None, HOUR, 0.0, None, (0.07,), lot="B02")
    scenario = replace(default(pumps=260, interval_s=300.0, seed=8), faults=(drift,))
    told = score.judge(playback.play(scenario, 0.2))
    assert told.found.alarms.select("pump", "rule", "verdict").rows() == [("lot B02", "cohort_over_delivery", "right")]
    injections = told.found.injections
    assert injections.height >= 10
    assert injections["right_cause"].all()
    assert injections["delay_h"].max() < 3
    assert score.recall(told, 0.05)["detected"] == 1
    assert told.found.alarms.filter(pl.col("verdict") == "false").is_empty()
