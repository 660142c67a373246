"""A former owner of a range that is stopped at any point of its work, and wakes up when another one has the range.

The owners are processors on real files with real leases; clock, broker and the store of the leases are stand-ins. The
owner is stopped inside one of its calls to disk, lease or broker: then its lease ends, another node takes the range
over and works, and only then the call returns.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl
import pytest

from broker.store import journal_query, segments
from broker.store.history import History
from cluster import layout
from cluster.leases import LEASE_S, Lease, Leases
from cluster.merging.journals import Journals
from processor.service.store import Store
from tests.cluster.test_leases import Clock, FakeStore
from tests.processor.service.test_crash import SERIALS, START_MS, Broker, Processor, story

DISK: Final = ((os, "fsync"), (os, "fdatasync"), (Path, "replace"), (Path, "unlink"))
WRITERS: Final = ((Store, "_write_entries"), (History, "append"))
NEVER: Final = 10**9
"""A gap for an owner that is not stopped."""
ALLOWED: Final = "still mine, said"
"""The point at which an owner is stopped right after it was told that its lease is valid."""


@dataclass
class Points:
    """The points that owners reach; after so many as `gaps` says, `stopped` happens before the owner goes on.

    Nothing is counted from then on until the next call of `resume`.
    """

    gaps: Iterator[int]
    stopped: Callable[[str], None]
    count: int = 0
    _left: int = 0
    _counting: bool = False

    def resume(self) -> None:
        """Count from now on."""
        if not self._counting:
            self._left, self._counting = next(self.gaps), True

    def reach(self, name: str) -> None:
        """Reach a point."""
        if not self._counting:
            return
        self.count += 1
        self._left -= 1
        if not self._left:
            self._counting = False
            self.stopped(name)

    @contextlib.contextmanager
    def watched(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """Make every call to the disk two points, before and after it."""

        def around(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                self.reach(f"before {name}")
                result = real(*args, **kwargs)
                self.reach(f"after {name}")
                return result

            return call

        with monkeypatch.context() as patch:
            for owner, name in (*DISK, *WRITERS):
                patch.setattr(owner, name, around(name, getattr(owner, name)))
            yield


@dataclass
class Session:
    """The MQTT session of one owner; `sent` is what it still wrote after another one had the range."""

    broker: Broker
    reach: Callable[[str], None]
    over: Callable[[], bool]
    alive: bool = True
    sent: list[str] = field(default_factory=list)

    def acknowledge(self, mids: list[int]) -> None:
        self._writes("acknowledge")
        for mid in mids:
            self.broker.held.pop(mid, None)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._writes("publish")
        self.broker.publish(topic, payload)

    def publish_retained(self, messages: Iterable[tuple[str, bytes]]) -> None:
        if found := list(messages):
            self._writes("confirm")
            self.broker.publish_retained(found)

    def _writes(self, what: str) -> None:
        self.reach(what)
        if self.over():
            self.sent.append(what)


@dataclass(frozen=True)
class Try:
    """An owner that was `stopped` at a point; what readers saw before it woke up, and when it had ended."""

    stopped: str
    former: Processor
    before: dict[str, object]
    after: dict[str, object]


@dataclass
class Range:
    """A cluster with one range; each owner is stopped some time, and the next node takes over."""

    data: Path
    gaps: Iterator[int]
    clock: Clock = field(default_factory=Clock)
    broker: Broker = field(default_factory=Broker)
    store: FakeStore = field(default_factory=FakeStore)
    tries: list[Try] = field(default_factory=list)
    owner: Processor = field(init=False)
    _stopped: tuple[str, Processor, dict[str, object]] | None = None

    def __post_init__(self) -> None:
        self.points = Points(self.gaps, self._stop)
        self.now = itertools.count(START_MS, 20_000)

    async def begin(self) -> None:
        """Let the first node take the range."""
        self._node = self._next_node()
        lease = await self._node.acquire(0)
        assert lease is not None
        self.owner = self._processor(lease, next(self.now))

    def _next_node(self) -> Leases:
        return Leases(self.store, f"node {len(self.tries)}", self.clock)

    def _processor(self, lease: Lease, now: int) -> Processor:
        made = Processor(layout.take_over(self.data, 0, lease.epoch), self.broker, now)
        made.committer.link = Session(self.broker, self.points.reach, lambda: made is not self.owner)  # type: ignore[assignment]

        def still_mine() -> bool:
            mine = lease.mine(self.clock())
            self.points.reach(ALLOWED)
            return mine

        made.committer.still_mine = still_mine
        return made

    def _stop(self, name: str) -> None:
        """The owner stands still: its lease ends, and the next one takes over, in a thread as it has the event loop."""
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._take_over(name))
            except BaseException as error:  # noqa: BLE001 (a thread tells nobody)
                failed.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        if failed:
            raise failed[0]

    async def _take_over(self, name: str) -> None:
        self._node, former = self._next_node(), self.owner
        await self._node.owner(0)
        self.clock.now_s += LEASE_S
        lease = await self._node.acquire(0)
        assert lease is not None
        self.owner = self._processor(lease, former.now)
        await self.owner.process()
        self._stopped = name, former, self.view()

    async def step(self, happens: Callable[[Broker, Any], None]) -> None:
        """Let something happen and the owner take it in; a former owner finishes what it was doing, and ends."""
        happens(self.broker, self.owner.pipeline)
        self.clock.now_s += 1
        await self._node.renew(0)
        self.owner.queue.receive(list(self.broker.held.values())[-1:])
        await self._work(self.owner, next(self.now))

    async def _work(self, owner: Processor, now: int) -> None:
        owner.now = now
        self.points.resume()
        await owner.process()
        owner.committer.confirm()
        if self._stopped is None:
            return
        # Its loop may judge another batch before it finds out that it is to end.
        name, former, before = self._stopped
        former.queue.receive(list(self.broker.held.values()))
        former.now += 20_000
        await former.process()
        former.committer.confirm()
        former.end()
        self.tries.append(Try(name, former, before, self.view()))
        self._stopped = None
        self.owner.queue.receive(list(self.broker.held.values()))
        await self._work(self.owner, next(self.now))

    def view(self) -> dict[str, object]:
        """Return what readers see of the range, the files of its owner, and what was confirmed."""
        journals = Journals(self.data, 1)
        journals.step()
        journals.close()
        return {
            "samples": [segments.trend(self.data, serial, 0).rows() for serial in SERIALS],
            "entries": journal_query.entries(self.data, journal_query.Query(limit=1_000)).rows(),
            "files": layout._state_of(layout.epoch_directory(self.data, 0, layout.epochs(self.data, 0)[-1])),
            "published": list(self.broker.published),
            "acknowledged": sorted(self.broker.held),
        }

    def outcome(self) -> dict[str, object]:
        """Return what all led to; an acknowledgment bears the time at which an owner had it at last."""
        self.view()
        entries = journal_query.entries(self.data, journal_query.Query(limit=1_000))
        kinds = entries.filter(pl.col("alarm").is_not_null()).with_columns(
            pl.when(pl.col("kind") != "acknowledged").then("time").alias("time")
        )
        return {
            "samples": [segments.trend(self.data, serial, 0).rows() for serial in SERIALS],
            "alarms": kinds.select("alarm", "kind", "time", "who").sort("alarm", "kind").rows(),
            "acknowledged": self.owner.pipeline.alarms["acknowledged_by"].to_list(),
            "left with the broker": list(self.broker.held),
        }


async def play(data: Path, monkeypatch: pytest.MonkeyPatch, gaps: Iterator[int], steps: int | None = None) -> Range:
    """Play the story of the crash tests, or its first `steps`; after so many points as `gaps` says, the owner stops."""
    played = Range(data, gaps)
    with played.points.watched(monkeypatch):
        await played.begin()
        for happens in itertools.islice(story(), steps):
            await played.step(happens)
    await played.owner.committer.finish()
    played.owner.end()
    return played


def check(played: Range, expected: dict[str, object], where: str) -> None:
    """Check that no former owner changed anything, and that all led to what is expected."""
    for number, each in enumerate(played.tries):
        text = f"{where}, try {number}, stopped at: {each.stopped}"
        # Who was just told that the lease is valid may still confirm: that is durable, and the next owner has it.
        told = each.stopped in (ALLOWED, "acknowledge", "confirm", "publish")
        for key in ("samples", "entries", "files") if told else each.before:
            assert each.after[key] == each.before[key], f"{text}: {key}"
        assert told or not each.former.committer.link.sent, text  # type: ignore[attr-defined]
    found = played.outcome()
    for key, value in expected.items():
        assert found[key] == value, f"{where}: {key}"
