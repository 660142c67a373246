"""Nodes share ranges, hand them over, and take over those of one that dies; the processors are stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cluster import layout
from cluster import node as node_module
from cluster.leases import MERGER, ConflictError, Leases
from cluster.membership import Membership
from cluster.node import Elected, Node
from processor.service.fence import Fence
from processor.service.settings import Settings
from tests.cluster.test_leases import Clock, FakeStore

RANGES = 8


class CutStore(FakeStore):
    """A store that a test makes unreachable."""

    cut: bool = False

    async def get(self, key):
        if self.cut:
            raise OSError("no server answers")
        return await super().get(key)

    async def put(self, key, value, revision):
        if self.cut:
            raise OSError("no server answers")
        return await super().put(key, value, revision)


@dataclass
class Processors:
    """Stand-ins for processors: who runs on which directory; `fail` makes the next one fail."""

    running: set[Path] = field(default_factory=set)
    started: list[Path] = field(default_factory=list)
    fail: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    async def run(self, settings: Settings, stop: asyncio.Event, ready, vitals) -> None:
        with self.lock:
            self.started.append(settings.data)
            self.fail -= 1
            if self.fail >= 0:
                raise OSError("the disk refuses")
            assert settings.data not in self.running
            self.running.add(settings.data)
        ready("somewhere")
        fence = asyncio.create_task(Fence(settings.part.name, settings.part.still_mine).run())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({fence, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if fence.done():
                fence.result()
        finally:
            fence.cancel()
            stopping.cancel()
            with self.lock:
                self.running.discard(settings.data)


@pytest.fixture
def processors(monkeypatch: pytest.MonkeyPatch) -> Processors:
    found = Processors()
    monkeypatch.setattr(node_module.loop, "run", found.run)
    return found


def made(name: str, store: FakeStore, clock: Clock, data: Path, elected=()) -> Node:
    settings = Settings(broker="mqtt://127.0.0.1:1", data=data)
    return Node(data, RANGES, settings, Leases(store, name, clock), Membership(store, name, clock), clock, elected)


async def steps(clock: Clock, *nodes: Node, count: int = 1) -> None:
    """Let seconds pass, in each of which every node looks once."""
    for _ in range(count):
        clock.now_s += 1.0
        for node in nodes:
            await node._reached(node._step)
        await asyncio.sleep(0.05)


async def until(seen) -> None:
    async with asyncio.timeout(20):
        while not seen():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def ended(*nodes: Node) -> AsyncIterator[None]:
    try:
        yield
    finally:
        over = asyncio.Event()
        over.set()
        for node in nodes:
            await node.run(over, lambda: None)


async def test_two_nodes_share_the_ranges_and_a_dead_one_is_taken_over(tmp_path: Path, processors: Processors) -> None:
    store, clock = FakeStore(), Clock()
    a, b = made("a", store, clock, tmp_path), made("b", store, clock, tmp_path)
    async with ended(a, b):
        await steps(clock, a)
        await until(lambda: len(a.running) == RANGES)
        await steps(clock, a, b, count=2)
        await until(lambda: len(a.running) == RANGES // 2)
        await steps(clock, a, b, count=2)
        await until(lambda: sorted(a.running + b.running) == list(range(RANGES)))
        assert len(b.running) == RANGES // 2
        moved = b.running
        assert [layout.epochs(tmp_path, number)[-1] for number in range(RANGES)] == [
            2 if number in moved else 1 for number in range(RANGES)
        ]

        await steps(clock, b, count=7)
        await until(lambda: b.running == list(range(RANGES)))
        await until(lambda: not a.running)
        await steps(clock, a, b)
        assert a.lost == RANGES // 2


async def test_without_servers_a_node_stops_its_processors_and_takes_them_up_again_afterwards(
    tmp_path: Path, processors: Processors
) -> None:
    store, clock = CutStore(), Clock()
    node = made("a", store, clock, tmp_path)
    async with ended(node):
        await steps(clock, node)
        await until(lambda: len(node.running) == RANGES)
        store.cut = True
        await steps(clock, node, count=5)
        assert node.problems() == ["broker_away"]
        await until(lambda: not node.running)
        store.cut = False
        await steps(clock, node, count=8)
        await until(lambda: len(node.running) == RANGES)
        assert node.problems() == []
        assert layout.epochs(tmp_path, 0) == [1, 2]


async def test_a_processor_that_fails_is_started_again_in_the_directory_of_its_epoch(
    tmp_path: Path, processors: Processors
) -> None:
    store, clock = FakeStore(), Clock()
    node = made("a", store, clock, tmp_path)
    processors.fail = 1
    async with ended(node):
        await steps(clock, node)
        await until(lambda: len(node.running) == RANGES - 1)
        await steps(clock, node, count=3)
        await until(lambda: len(node.running) == RANGES)
        twice = [path for path in processors.started if processors.started.count(path) == 2]
        assert len(set(twice)) == 1


async def test_one_node_runs_the_merger_and_the_other_one_after_its_death(
    tmp_path: Path, processors: Processors
) -> None:
    store, clock, working = FakeStore(), Clock(), []

    def elected(name: str) -> tuple[Elected]:
        async def run(mine, stop: asyncio.Event) -> None:
            working.append(name)
            while mine() and not stop.is_set():
                await asyncio.sleep(0.02)
            working.remove(name)

        return (Elected(MERGER, "merger", run),)

    a, b = made("a", store, clock, tmp_path, elected("a")), made("b", store, clock, tmp_path, elected("b"))
    async with ended(a, b):
        await steps(clock, a, b, count=3)
        await until(lambda: working == ["a"])
        await steps(clock, b, count=7)
        await until(lambda: working == ["b"])
        with pytest.raises(ConflictError):
            await store.put("merger", b"", 1)
