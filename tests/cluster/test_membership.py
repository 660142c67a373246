"""Membership: who is alive, as each node sees it by its own clock."""

from __future__ import annotations

import asyncio

import pytest

from cluster.leases import LEASE_S
from cluster.membership import FORGET_S, KEY, MAX_NODES, Membership, MembershipError
from tests.cluster.test_leases import Clock, FakeStore


async def test_nodes_see_each_other_until_one_is_silent() -> None:
    store, clock = FakeStore(), Clock()
    a, b = Membership(store, "a", clock), Membership(store, "b", clock)
    assert await a.beat() == {"a"}
    assert await b.beat() == {"a", "b"}
    for _ in range(2 * int(LEASE_S)):
        clock.now_s += 1.0
        seen = await b.beat()
    assert seen == {"b"}
    assert await a.beat() == {"a", "b"}, "one that comes back is there again"


async def test_many_that_write_at_the_same_time_are_all_there_after_a_few_seconds() -> None:
    store, clock = FakeStore(), Clock()
    nodes = [Membership(store, f"n{number}", clock) for number in range(16)]
    for _ in range(4):
        seen = await asyncio.gather(*(node.beat() for node in nodes))
        clock.now_s += 1.0
    assert all(each == {f"n{number}" for number in range(16)} for each in seen)


async def test_one_that_leaves_is_gone_at_once_and_one_that_is_silent_for_long_is_forgotten() -> None:
    store, clock = FakeStore(), Clock()
    a, b, c = (Membership(store, name, clock) for name in "abc")
    for node in (a, b, c):
        await node.beat()
    await b.leave()
    assert await a.beat() == {"a", "c"}
    clock.now_s += FORGET_S + 1
    await a.beat()
    clock.now_s += 1
    await a.beat()
    assert b'"c"' not in store.values[KEY].value


async def test_more_nodes_than_ranges_can_be_are_refused() -> None:
    store, clock = FakeStore(), Clock()
    for number in range(MAX_NODES):
        await Membership(store, f"n{number}", clock).beat()
    with pytest.raises(MembershipError, match="has 64 nodes already"):
        await Membership(store, "late", clock).beat()
