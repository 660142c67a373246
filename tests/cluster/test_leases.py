"""Leases: one owner at a time, taken over when the owner is silent, and shared fairly among the nodes."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from cluster.leases import LEASE_S, ConflictError, Entry, Leases, fair_share


@dataclass
class FakeStore:
    """A key-value store in memory."""

    values: dict[str, Entry] = field(default_factory=dict)
    revision: int = 0

    async def get(self, key: str) -> Entry | None:
        return self.values.get(key)

    async def put(self, key: str, value: bytes, revision: int) -> int:
        found = self.values.get(key)
        if (0 if found is None else found.revision) != revision:
            raise ConflictError(key)
        self.revision += 1
        self.values[key] = Entry(value, self.revision)
        return self.revision


@dataclass
class Clock:
    """A clock that a test moves."""

    now_s: float = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Pair:
    """Two nodes with one clock."""

    clock: Clock = field(default_factory=Clock)
    store: FakeStore = field(default_factory=FakeStore)

    def __post_init__(self) -> None:
        self.a, self.b = (Leases(self.store, name, self.clock) for name in ("a", "b"))


async def test_a_free_range_is_taken_by_one_of_two() -> None:
    pair = Pair()
    taken = await asyncio.gather(pair.a.acquire(0), pair.b.acquire(0))
    assert [lease is not None for lease in taken].count(True) == 1


async def test_a_range_whose_owner_renews_is_never_taken() -> None:
    pair = Pair()
    await pair.a.acquire(0)
    for _ in range(30):
        pair.clock.now_s += 1
        assert await pair.a.renew(0)
        assert await pair.b.acquire(0) is None


async def test_a_silent_owner_is_taken_over_with_the_next_epoch_after_its_own_time_is_over() -> None:
    pair = Pair()
    former = await pair.a.acquire(0)
    assert former is not None
    assert await pair.b.acquire(0) is None
    lease = None
    while lease is None:
        pair.clock.now_s += 0.5
        lease = await pair.b.acquire(0)
    assert pair.clock.now_s == LEASE_S
    assert (former.epoch, lease.epoch) == (1, 2)
    assert not former.mine(pair.clock.now_s)


async def test_a_node_that_was_stopped_and_wakes_up_does_not_renew() -> None:
    pair = Pair()
    await pair.a.acquire(0)
    pair.clock.now_s += 60
    assert not await pair.a.renew(0)
    assert pair.a.held == {}


async def test_a_lease_that_was_lost_stays_lost_when_the_same_node_takes_the_range_again() -> None:
    pair = Pair()
    former = await pair.a.acquire(0)
    assert former is not None
    assert await pair.a.acquire(0) is None
    pair.clock.now_s += 60
    lease = await pair.a.acquire(0)
    assert lease is not None
    assert lease.mine(pair.clock.now_s)
    assert not former.mine(pair.clock.now_s)


async def test_a_write_that_took_too_long_gives_no_time() -> None:
    pair = Pair()
    lease = await pair.a.acquire(0)
    assert lease is not None

    async def slow(key: str, value: bytes, revision: int) -> int:
        pair.clock.now_s += LEASE_S
        return await FakeStore.put(pair.store, key, value, revision)

    pair.clock.now_s += 1
    pair.store.put = slow  # type: ignore[method-assign]
    await pair.a.renew(0)
    assert not lease.mine(pair.clock.now_s)


async def test_a_range_that_is_given_back_is_taken_at_once_with_the_next_epoch() -> None:
    pair = Pair()
    await pair.a.acquire(0)
    await pair.a.release(0)
    lease = await pair.b.acquire(0)
    assert lease is not None
    assert lease.epoch == 2


async def test_giving_back_what_somebody_took_over_changes_nothing() -> None:
    pair = Pair()
    await pair.a.acquire(0)
    await pair.b.acquire(0)
    pair.clock.now_s += LEASE_S
    assert await pair.b.acquire(0)
    await pair.a.release(0)
    assert await pair.b.renew(0)


@pytest.mark.parametrize("seed", range(200))
async def test_no_two_nodes_ever_own_a_range_at_once_however_long_they_are_stopped(seed: int) -> None:
    chance, clock, store = random.Random(seed), Clock(), FakeStore()
    nodes = [Leases(store, str(number), clock) for number in range(4)]
    epochs: list[int] = []
    for _ in range(200):
        clock.now_s += chance.choice([0.1, 1.0, 6.0])
        node = chance.choice(nodes)
        if 0 in node.held:
            await node.renew(0)
        elif lease := await node.acquire(0):
            epochs.append(lease.epoch)
        owners = [node for node in nodes if 0 in node.held and node.held[0].mine(clock.now_s)]
        assert len(owners) <= 1
    assert epochs == sorted(set(epochs))


def test_shares_differ_by_one_at_most_and_cover_every_range() -> None:
    shares = fair_share(["a", "b", "c"], {}, 8)
    assert sorted(len(share) for share in shares.values()) == [2, 3, 3]
    assert sorted(number for share in shares.values() for number in share) == list(range(8))


def test_a_node_that_joins_gets_its_share_and_nothing_else_moves() -> None:
    owners = {number: "ab"[number % 2] for number in range(8)}
    shares = fair_share(["a", "b", "c"], owners, 8)
    assert len(shares["c"]) == 2
    assert all(owners[number] == name for name in "ab" for number in shares[name])


def test_the_ranges_of_a_node_that_left_are_shared_and_the_others_keep_theirs() -> None:
    owners = {number: "abcd"[number // 2] for number in range(8)}
    shares = fair_share(["a", "b", "c"], owners, 8)
    assert {"a": {0, 1}, "b": {2, 3}, "c": {4, 5}}.items() <= {
        name: set(share) & {number for number in range(8) if owners[number] == name} for name, share in shares.items()
    }.items()


def test_the_answer_does_not_depend_on_the_order_in_which_nodes_are_seen() -> None:
    assert fair_share(["b", "a", "b"], {0: "b"}, 4) == fair_share(["a", "b"], {0: "b"}, 4)


def test_more_nodes_than_ranges_leave_some_nodes_idle() -> None:
    assert sorted(len(share) for share in fair_share("abc", {}, 2).values()) == [0, 1, 1]


def test_without_nodes_nobody_owns_anything() -> None:
    assert fair_share([], {0: "gone"}, 4) == {}
