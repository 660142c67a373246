"""Knee finder: raises the load until it is too much, bisects, and repeats the last good step to be sure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

FACTOR: Final = 2.0
"""By how much the load is raised while all goes well."""
PRECISION: Final = 0.025
"""The knee is found when good and bad are closer than this share."""
VOTES: Final = 3
"""How often a load is tried at most before it counts as too much: most of its probes decide."""
MAX_PROBES: Final = 40


@dataclass(frozen=True)
class Probe:
    """One load that was tried, and whether it was carried; a void one says nothing about the system."""

    load: int
    carried: bool
    void: bool = False


@dataclass
class Knee:
    """The search so far. `load` is the most that was carried, twice; None if not even the first was.

    `ceiling` says that the search ended at the most that was allowed, or because the generator was saturated, so the
    system may carry more.
    """

    probes: list[Probe] = field(default_factory=list)
    load: int | None = None
    ceiling: str = ""


async def find(
    first: int, most: int, probe: Callable[[int], Awaitable[Probe]], *, step: int = 1, factor: float = FACTOR
) -> Knee:
    """Find the knee from `first` to `most`; loads are multiples of `step` and raised by `factor` while all goes well.

    One failure may be chance: a load that is not carried is tried again, and most of its probes decide. The best counts
    only if it is carried again at the end; otherwise the search goes on below it.
    """
    knee = Knee()
    good, bad = 0, 0

    async def once(load: int) -> bool:
        found = await probe(load)
        knee.probes.append(found)
        if found.void:
            knee.ceiling = f"the generator is saturated at {load:,}; use more generators or machines"
        return found.carried

    async def carried(load: int) -> bool:
        failed = 0
        for tried in range(1, VOTES + 1):
            if await once(load):
                if not failed or tried - failed > VOTES // 2:
                    return True
            else:
                failed += 1
            if failed > VOTES // 2 or len(knee.probes) >= MAX_PROBES:
                return False
        return False

    load = first
    while not bad and len(knee.probes) < MAX_PROBES:
        if not await carried(load):
            bad = load
            break
        good = load
        if load >= most:
            knee.ceiling = f"the system carries the most that was allowed, {most:,}"
            break
        load = min(most, _rounded(load * factor, step))
    sure = False
    while len(knee.probes) < MAX_PROBES:
        middle = _rounded((good + bad) / 2, step)
        if bad and good < middle < bad and bad - good > PRECISION * bad:
            if await carried(middle):
                good = middle
            else:
                bad = middle
            continue
        if not good or await once(good):
            sure = True
            break
        bad, good = good, max((each.load for each in knee.probes if each.carried and each.load < good), default=0)
    knee.load = (good or None) if sure else None
    if not sure:
        knee.ceiling = f"gave up after {MAX_PROBES} probes: the same loads are carried once and not again"
    return knee


def _rounded(load: float, step: int) -> int:
    return max(step, round(load / step) * step)
