"""A million harmed payloads through the decoder: no crash, all accounted for, memory flat. Part of `make chaos`."""

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


def test_a_million_harmed_payloads_are_read_or_refused_and_memory_stays_flat() -> None:
    began, read, refused, both, warm = time.monotonic(), 0, 0, 0, 0.0
    for number, payload in enumerate(mutated(COUNT, SEED)):
        decoded = decode(payload)
        assert decoded.samples.height or decoded.rejected, payload
        read += bool(decoded.samples.height)
        refused += bool(decoded.rejected)
        both += bool(decoded.samples.height and decoded.rejected)
        if number == COUNT // 10:
            warm = memory_mb()
    growth = memory_mb() - warm
    print(f"\nseed {SEED}: {COUNT:,} harmed payloads in {time.monotonic() - began:.0f} s")
    for name, said in {
        "read in full": read - both,
        "read in part": both,
        "refused": refused - both,
    }.items():
        print(f"  {name:<36} {said:>12,}")
    print(f"  {'memory grew by, MB':<36} {growth:>12.1f}")
    assert read + refused - both == COUNT
    assert growth < MAX_GROWTH_MB
