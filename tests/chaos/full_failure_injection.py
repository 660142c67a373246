"""A hundred blows under 5,000 samples a second: nothing is lost, nothing is twice, alarms are those of a calm run.

`make chaos` runs this, in about five minutes; CHAOS_SEED, CHAOS_BLOWS, CHAOS_PUMPS and CHAOS_TICKS change it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from .failure_injection import besiege, judge, plan, undisturbed
from .telemetry_feed import Run

SEED = int(os.environ.get("CHAOS_SEED", "5"))
BLOWS = int(os.environ.get("CHAOS_BLOWS", "100"))
PUMPS = int(os.environ.get("CHAOS_PUMPS", "1000"))
TICKS = int(os.environ.get("CHAOS_TICKS", "800"))


async def test_a_hundred_blows_lose_nothing(mosquitto: str, tmp_path: Path) -> None:
    run = Run(pumps=PUMPS, gateways=10, ticks=TICKS, period_s=0.2, seed=SEED, folder="")
    began = time.monotonic()
    siege = await besiege(tmp_path, run, list(plan(BLOWS, SEED, (0.2, 1.6))))
    took = time.monotonic() - began
    verdict = judge(siege, undisturbed(siege.run))
    print(f"\nseed {SEED}: {BLOWS} blows in {took:.0f} s, {PUMPS / run.period_s:,.0f} samples/s offered")
    for name, number in {**dict(sorted(siege.done.items())), **verdict.numbers}.items():
        print(f"  {name:<36} {number:>12,}")
    assert not verdict.wrong, "\n".join([*verdict.wrong, siege.said()])
