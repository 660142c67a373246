"""Servers that lost the leases, or have older ones: no epoch comes twice, and nobody takes a range too early."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from cluster import layout
from cluster.joining import JoinError, join
from cluster.leases import LEASE_S, NOBODY, Leases, Record, key_of
from cluster.lost_leases import RaisedLeases
from cluster.preflight import Identity, Server
from tests.cluster.test_leases import FakeStore

OURS = Identity("ward", 2)
SERVERS = [Server("one", "2.15.1", jetstream=True, synced=True)]


class Node:
    """A node with a clock of its own on a store of leases."""

    def __init__(self, name: str, store: FakeStore, data: Path) -> None:
        self.now_s = 0.0
        self.leases = Leases(RaisedLeases(store, data, OURS), name, lambda: self.now_s)


def used(data: Path, *epochs: int) -> None:
    """Make the directories of these epochs of range 0."""
    for epoch in epochs:
        layout.take_over(data, 0, epoch)


async def test_a_lost_lease_goes_on_with_the_next_epoch_of_the_directory_after_the_wait(tmp_path: Path) -> None:
    used(tmp_path, 6, 7)
    node = Node("one", FakeStore(), tmp_path)
    assert await node.leases.acquire(0) is None
    node.now_s += LEASE_S - 0.1
    assert await node.leases.acquire(0) is None
    node.now_s += 0.2
    lease = await node.leases.acquire(0)
    assert lease is not None
    assert lease.epoch == 8
    assert layout.take_over(tmp_path, 0, lease.epoch).name == "000008"


async def test_a_range_that_was_never_used_is_free_at_once(tmp_path: Path) -> None:
    node = Node("one", FakeStore(), tmp_path)
    lease = await node.leases.acquire(1)
    assert lease is not None
    assert lease.epoch == 1


@pytest.mark.parametrize("owner", [NOBODY, "two"])
async def test_an_older_lease_is_not_believed_even_if_it_says_that_the_range_is_free(
    tmp_path: Path, owner: str
) -> None:
    used(tmp_path, 5)
    store = FakeStore()
    await store.put(key_of(0), msgspec.json.encode(Record(owner, 3)), 0)
    node = Node("one", store, tmp_path)
    assert await node.leases.acquire(0) is None
    node.now_s += LEASE_S + 0.1
    lease = await node.leases.acquire(0)
    assert lease is not None
    assert lease.epoch == 6


async def test_an_owner_whose_lease_the_servers_forgot_does_not_renew_it(tmp_path: Path) -> None:
    store = FakeStore()
    owner = Node("one", store, tmp_path)
    lease = await owner.leases.acquire(0)
    assert lease is not None
    used(tmp_path, lease.epoch)
    assert await owner.leases.renew(0)
    forgetful = FakeStore()
    owner.leases.store = RaisedLeases(forgetful, tmp_path, OURS)
    assert not await owner.leases.renew(0)


async def test_an_owner_goes_on_if_the_older_lease_is_its_own_of_the_same_epoch(tmp_path: Path) -> None:
    store = FakeStore()
    owner = Node("one", store, tmp_path)
    lease = await owner.leases.acquire(0)
    assert lease is not None
    used(tmp_path, lease.epoch)
    older = FakeStore()
    await older.put(key_of(0), msgspec.json.encode(Record("one", lease.epoch)), 0)
    lease.revision += 100
    owner.leases.store = RaisedLeases(older, tmp_path, OURS)
    assert await owner.leases.renew(0)


async def test_the_servers_get_back_which_cluster_this_is(tmp_path: Path) -> None:
    ours = await join(FakeStore(), SERVERS, tmp_path / "a", 2)
    used(tmp_path / "a", 1)
    lost = FakeStore()
    await RaisedLeases(lost, tmp_path / "a", ours).get(key_of(0))
    with pytest.raises(JoinError, match="has not been used by a cluster"):
        await join(lost, SERVERS, tmp_path / "b", None)
    assert await join(lost, SERVERS, tmp_path / "a", None) == ours
