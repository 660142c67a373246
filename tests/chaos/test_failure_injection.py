"""Short form of `make chaos`: each component is killed once; samples and acknowledgments survive, none twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from .failure_injection import inject_failures
from .telemetry_feed import Run
from .verdict import judge, undisturbed

pytestmark = pytest.mark.broker
FAILURES = [
    (1.5, "kill", "gateway", 0.1),
    (1.0, "cut", "network", 0.0),
    (0.5, "kill both", "broker and processor", 0.1),
]
"""Seconds before the failure, its kind, the component, and seconds until recovery."""


@pytest.mark.usefixtures("mosquitto")
async def test_every_component_is_killed_and_nothing_is_lost_duplicated_or_forgotten(tmp_path: Path) -> None:
    run = Run(pumps=40, gateways=2, ticks=80, period_s=0.05, seed=3, folder="")
    system = await inject_failures(tmp_path, run, FAILURES, dashboard=False)
    verdict = judge(system.data, [system.run], system.acknowledged, undisturbed(system.run))
    assert not verdict.violations, "\n".join([*verdict.violations, system.log_tails()])
    assert verdict.numbers["samples in the history"] == 40 * 80
    assert verdict.numbers["alarms raised"] >= 4
    assert system.acknowledged
