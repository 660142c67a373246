"""Verdicts: void when the generator is saturated, failed without a success, and the part that gave way by name."""

from __future__ import annotations

import numpy as np
import pytest

from trials.load import judging
from trials.load.judging import Injected, alarm_figures, blame, checks, failures, void_reasons
from trials.load.metrics import HOPS, METRICS, PERCENTILES
from trials.load.observer import Raised
from trials.load.plan import BlockClock
from trials.load.profile import Threshold
from trials.load.result import StageResult

CALM = {name: 0.01 * (place + 1) for place, name in enumerate(hop.name for hop in HOPS)}
PARTS = ("generator", "broker", "processor", "dashboard")
HELD = {"generator": "sampled", "broker": "confirmed", "processor": "judged", "dashboard": "painted"}
"""The first hop that is late when a part is slow."""


def stage(late: dict[str, float] | None = None, **changes) -> StageResult:
    p99 = {**CALM, **(late or {})}
    values = {
        "name": "100 pumps", "pumps": 100, "begin_s": 0.0, "seconds": 10.0, "offered": 1000, "made": 1000,
        "judged": 1000, "shown": 1000, "offered_per_s": 100.0, "shown_per_s": 100.0,
        "latency": {hop: dict.fromkeys(PERCENTILES, value) for hop, value in p99.items()},
        "raw": {}, "curve": {}, "lost": {"shown": 0}, "duplicates": 0, "disorder": 0, "empty_seconds": 0,
        "alarms": {"missed": 0},
        "resources": {part: {"cores": 0.3, "memory_mb": 100.0} for part in ("broker", "processor", "dashboard")},
        "void": [], "checks": [], "failures": [],
    }  # fmt: skip
    return StageResult(**{**values, **changes})


def void(result: StageResult) -> list[str]:
    return void_reasons(result, interval_s=1.0, generator_cores=0.97, generators=1)


def test_a_run_is_void_when_samples_are_made_long_after_they_were_due():
    reasons = void(stage({"sampled": 0.6}))
    assert reasons[0].startswith("the generator made samples late: p99 0.60 s after they were due, allowed is 0.25 s")
    assert "use more generators" in reasons[-1]


def test_a_run_is_void_when_samples_that_were_due_were_not_made():
    assert "made 90.0 % of the samples that were due (900)" in void(stage(made=900))[0]


def test_a_generator_that_keeps_its_schedule_is_not_void_however_busy_it_is():
    assert void(stage()) == []


def test_a_stage_without_a_single_success_fails_even_without_thresholds():
    assert failures(stage(shown=0)) == ["no sample of this stage reached a snapshot"]
    assert not stage(failures=["no sample"]).passed


def test_a_broken_threshold_says_which_and_by_how_much():
    thresholds = (Threshold(metric="latency.judged.p99", below=0.05), Threshold(metric="loss", below=0))
    broken, kept = checks(stage({"judged": 2.0}), thresholds)
    assert (broken.metric, broken.measured, broken.kept) == ("latency.judged.p99", 2.0, False)
    assert kept.kept


def test_a_threshold_on_what_was_not_measured_is_broken():
    (check,) = checks(stage(latency={}), [Threshold(metric="latency.painted.p99", below=1)])
    assert check.measured is None
    assert not check.kept


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_that_a_threshold_may_name_can_be_asked_for(metric):
    stage().value(metric)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("slow", PARTS)
def test_the_part_that_is_slow_is_named(slow, seed):
    chance = np.random.default_rng(seed)
    names = [hop.name for hop in HOPS]
    held = names.index(HELD[slow])
    delay = chance.uniform(0.5, 5.0)
    late = {
        name: value + chance.uniform(0.0, 0.02) + (delay if place >= held else 0.0)
        for place, (name, value) in enumerate(CALM.items())
    }
    found = blame(stage(late), stage())
    assert found is not None
    assert found["part"] == slow
    assert f"{found['grown_s'][slow]:.2f} s" in found["evidence"][0]


def test_what_waits_before_a_full_processor_is_the_processors():
    late = {name: value + 3.0 for name, value in CALM.items() if name not in {"sampled", "published", "confirmed"}}
    full = {"processor": {"cores": 0.99, "memory_mb": 900.0}, "broker": {"cores": 0.2, "memory_mb": 100.0}}
    found = blame(stage(late, resources=full), stage())
    assert found is not None
    assert found["part"] == "processor"
    assert "(full)" in found["evidence"][1]


def test_alarms_are_expected_only_when_their_time_is_over_and_latency_counts_from_when_the_sample_was_due():
    clock = BlockClock(
        first=0, pumps=10, gateways=1, per_gateway=10, begins_ms=1000.0, start_ms=0, interval_s=1.0, speed=60.0
    )
    rules = {"motor_stall": 1.0}
    injected = [Injected(f"ITB-00000{number}", "motor_stall", 5_000.0, rules) for number in range(3)]
    alarms = [
        Raised("ITB-000000", "motor_stall", 60_000 * 10, 12_000),
        Raised("ITB-000001", "low_reservoir", 60_000 * 10, 12_000),
        Raised("ITB-000009", "motor_stall", 60_000 * 10, 12_000),
    ]
    percentile = np.percentile
    late = alarm_figures(injected, alarms, [clock], until_ms=70_000.0, speed=60.0, percentile=percentile)
    assert (late["faults"], late["expected"], late["seen"], late["missed"]) == (3, 3, 1, 2)
    assert late["delay.p50"] == 7.0
    assert late["latency.p50"] == 2.0
    early = alarm_figures(injected, alarms, [clock], until_ms=20_000.0, speed=60.0, percentile=percentile)
    assert (early["expected"], early["missed"]) == (0, 0)


def test_rules_are_known_for_the_faults_that_profiles_inject():
    found = judging.rules_of_faults()
    assert found["motor_stall"]
    assert found["catheter_occlusion"]
