"""The short form of `make chaos`: each part is killed once, and nothing is lost, twice or forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from .failure_injection import besiege, judge, undisturbed
from .telemetry_feed import Run

pytestmark = pytest.mark.broker
BLOWS = [
    (1.5, "kill", "gateway", 0.1),
    (1.0, "cut", "network", 0.0),
    (0.5, "ambush", "broker and processor", 0.1),
]
"""Seconds to wait before, what, on which part, and the pause until it is put right."""


@pytest.mark.usefixtures("mosquitto")
async def test_every_part_is_killed_and_nothing_is_lost_twice_or_forgotten(tmp_path: Path) -> None:
    run = Run(pumps=40, gateways=2, ticks=80, period_s=0.05, seed=3, folder="")
    siege = await besiege(tmp_path, run, BLOWS, dashboard=False)
    verdict = judge(siege, undisturbed(siege.run))
    assert not verdict.wrong, "\n".join([*verdict.wrong, siege.said()])
    assert verdict.numbers["samples in the history"] == 40 * 80
    assert verdict.numbers["alarms raised"] >= 4
    assert siege.acknowledged
