"""A drift of a whole lot, from simulated pumps to the score: one cohort alarm detects it."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from simulator.playback.scenario import ScheduledFault, default
from trials import playback, score

HOUR = 3600.0


def test_a_drift_too_small_for_alarms_of_single_pumps_is_identified_by_one_cohort_alarm():
    drift = ScheduledFault("over_infusion", None, None, HOUR, 0.0, None, (0.07,), lot="B02")
    scenario = replace(default(pumps=260, interval_s=300.0, seed=8), faults=(drift,))
    result = score.judge(playback.play(scenario, 0.2))
    assert result.matched.alarms.select("pump", "rule", "verdict").rows() == [
        ("lot B02", "cohort_over_delivery", "correct")
    ]
    injections = result.matched.injections
    assert injections.height >= 10
    assert injections["right_cause"].all()
    assert injections["delay_h"].max() < 3
    assert score.recall(result, 0.05)["detected"] == 1
    assert result.matched.alarms.filter(pl.col("verdict") == "false").is_empty()
