"""A million mutated payloads through the decoder: no crash, all accounted for, memory flat. Part of `make chaos`."""

from __future__ import annotations

import os
import time
from pathlib import Path

from broker.contract.codec import decode

from .mutations import mutated

COUNT = int(os.environ.get("CHAOS_PAYLOADS", "1000000"))
SEED = int(os.environ.get("CHAOS_SEED", "5"))
MAX_GROWTH_MB = 64


def memory_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_a_million_mutated_payloads_are_accepted_or_rejected_and_memory_stays_flat() -> None:
    began, accepted, rejected, both, warm = time.monotonic(), 0, 0, 0, 0.0
    for number, payload in enumerate(mutated(COUNT, SEED)):
        decoded = decode(payload)
        assert decoded.samples.height or decoded.rejected, payload
        accepted += bool(decoded.samples.height)
        rejected += bool(decoded.rejected)
        both += bool(decoded.samples.height and decoded.rejected)
        if number == COUNT // 10:
            warm = memory_mb()
    growth = memory_mb() - warm
    print(f"\nseed {SEED}: {COUNT:,} mutated payloads in {time.monotonic() - began:.0f} s")
    for name, count in {
        "accepted in full": accepted - both,
        "accepted in part": both,
        "rejected": rejected - both,
    }.items():
        print(f"  {name:<36} {count:>12,}")
    print(f"  {'memory grew by, MB':<36} {growth:>12.1f}")
    assert accepted + rejected - both == COUNT
    assert growth < MAX_GROWTH_MB
