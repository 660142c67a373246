"""Joining: the first node gives cluster and data directory one identity, and later ones must find the same."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cluster.joining import DEFAULT_RANGES, FILE, JoinError, in_directory, join
from cluster.preflight import Server, Unreachable
from tests.cluster.test_leases import FakeStore

SERVERS = [Server("one", "2.15.1", jetstream=True, synced=True)]


async def test_nodes_that_start_at_the_same_time_agree_on_one_identity(tmp_path: Path) -> None:
    store = FakeStore()
    found = await asyncio.gather(*(join(store, SERVERS, tmp_path, None) for _ in range(8)))
    assert len({each.cluster for each in found}) == 1
    assert found[0].ranges == DEFAULT_RANGES
    assert in_directory(tmp_path) == found[0]
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


async def test_a_node_that_comes_later_takes_the_number_of_ranges_that_there_is(tmp_path: Path) -> None:
    store = FakeStore()
    await join(store, SERVERS, tmp_path, 4)
    assert (await join(store, SERVERS, tmp_path, None)).ranges == 4
    with pytest.raises(JoinError, match="has 4 ranges, but 8 were asked for"):
        await join(store, SERVERS, tmp_path, 8)


async def test_two_clusters_on_one_data_directory_are_refused(tmp_path: Path) -> None:
    first, second = FakeStore(), FakeStore()
    await join(first, SERVERS, tmp_path / "a", None)
    await join(second, SERVERS, tmp_path / "b", None)
    with pytest.raises(JoinError, match="two clusters on one data directory"):
        await join(second, SERVERS, tmp_path / "a", None)
    with pytest.raises(JoinError, match="has not been used by a cluster"):
        await join(second, SERVERS, tmp_path / "c", None)


async def test_the_records_of_a_single_processor_are_not_taken_for_those_of_a_cluster(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    with pytest.raises(JoinError, match="records of a single processor"):
        await join(FakeStore(), SERVERS, tmp_path, None)


async def test_servers_that_cannot_be_used_and_a_file_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    away = Unreachable("http://db:8222", "refused")
    with pytest.raises(JoinError, match="The NATS server http://db:8222 is unreachable"):
        await join(FakeStore(), [away], tmp_path, None)
    (tmp_path / FILE).write_text("{")
    with pytest.raises(JoinError, match=r"cluster\.json cannot be read"):
        await join(FakeStore(), SERVERS, tmp_path, None)
