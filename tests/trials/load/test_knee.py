"""The knee finder finds the most that is carried, repeats it, and says when the limit is not the system's."""

from __future__ import annotations

import pytest

from trials.load.knee import PRECISION, Probe, find


async def search(limit: float, *, first: int = 100, most: int = 1_000_000, step: int = 1):
    async def probe(load: int) -> Probe:
        return Probe(load, load <= limit)

    return await find(first, most, probe, step=step)


@pytest.mark.parametrize("limit", [100, 137, 950, 7_777, 123_456, 640_000])
async def test_the_knee_lies_within_five_percent(limit):
    knee = await search(limit)
    assert knee.load is not None
    assert limit * (1 - PRECISION) <= knee.load <= limit
    assert knee.probes[-1] == Probe(knee.load, carried=True), "the last good step is repeated"
    assert not knee.ceiling


async def test_three_searches_agree_within_five_percent():
    found = [(await search(10_000, first=first)).load or 0 for first in (100, 300, 700)]
    assert max(found) - min(found) <= PRECISION * max(found)


async def test_a_system_that_carries_all_that_is_allowed_has_its_knee_beyond():
    knee = await search(10**9, most=5_000)
    assert knee.load == 5_000
    assert "the most that was allowed, 5,000" in knee.ceiling


async def test_nothing_is_carried():
    assert (await search(0)).load is None


async def test_a_load_that_is_not_carried_again_is_not_the_knee():
    seen: dict[int, int] = {}

    async def probe(load: int) -> Probe:
        seen[load] = seen.get(load, 0) + 1
        return Probe(load, load <= 400 or (load == 800 and seen[load] == 1))

    knee = await find(100, 10_000, probe)
    assert knee.load == 400


async def test_a_system_that_carries_nothing_twice_has_no_knee():
    seen: dict[int, int] = {}

    async def probe(load: int) -> Probe:
        seen[load] = seen.get(load, 0) + 1
        return Probe(load, load <= 10_000 and seen[load] == 1)

    knee = await find(100, 1_000_000, probe)
    assert knee.load is None
    assert "gave up" in knee.ceiling


async def test_a_saturated_generator_is_named_as_the_limit():
    async def probe(load: int) -> Probe:
        return Probe(load, carried=load <= 200, void=load > 200)

    knee = await find(100, 10_000, probe)
    assert "the generator is saturated" in knee.ceiling


async def test_a_probe_that_fails_by_chance_does_not_lower_the_knee():
    tries: dict[int, int] = {}

    async def probe(load: int) -> Probe:
        tries[load] = tries.get(load, 0) + 1
        return Probe(load, load <= 1_000 and not (load == 800 and tries[load] == 1))

    knee = await find(100, 10_000, probe)
    assert knee.load is not None
    assert 950 <= knee.load <= 1_000
