"""A hundred failure injections at 5,000 samples a second: no loss, no duplicates, the alarms of an undisturbed run.

`make chaos` runs this, in about five minutes; CHAOS_SEED, CHAOS_FAILURES, CHAOS_PUMPS and CHAOS_TICKS change it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from .failure_injection import inject_failures, plan
from .telemetry_feed import Run
from .verdict import judge, undisturbed

SEED = int(os.environ.get("CHAOS_SEED", "5"))
FAILURES = int(os.environ.get("CHAOS_FAILURES", "100"))
PUMPS = int(os.environ.get("CHAOS_PUMPS", "1000"))
TICKS = int(os.environ.get("CHAOS_TICKS", "800"))


async def test_a_hundred_failure_injections_lose_nothing(mosquitto: str, tmp_path: Path) -> None:
    run = Run(pumps=PUMPS, gateways=10, ticks=TICKS, period_s=0.2, seed=SEED, folder="")
    began = time.monotonic()
    system = await inject_failures(tmp_path, run, list(plan(FAILURES, SEED, (0.2, 1.6))))
    duration_s = time.monotonic() - began
    verdict = judge(system.data, [system.run], system.acknowledged, undisturbed(system.run))
    print(f"\nseed {SEED}: {FAILURES} failures in {duration_s:.0f} s, {PUMPS / run.period_s:,.0f} samples/s offered")
    for name, number in {**dict(sorted(system.done.items())), **verdict.numbers}.items():
        print(f"  {name:<36} {number:>12,}")
    assert not verdict.violations, "\n".join([*verdict.violations, system.log_tails()])
