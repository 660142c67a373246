"""Runs a load profile: generators, observer, stages and disturbances, and the figures of every stage."""

from __future__ import annotations

import asyncio
import math
import os
import platform
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Final

import psutil

from trials.load import judging
from trials.load.accounting import Account
from trials.load.followed import Followed
from trials.load.generator import Login
from trials.load.generators import GeneratorProcess, summed
from trials.load.judging import Injected, rules_of_faults
from trials.load.metrics import HOPS
from trials.load.observer import Observer, watching
from trials.load.painting import Painter
from trials.load.plan import Disturb, Progress, blocks_of
from trials.load.profile import Disturbance, Profile, Stage
from trials.load.resources import Resources
from trials.load.result import Result, settings_of
from trials.load.system import SystemUnderLoad

SETTLE_AFTER_S: Final = 60.0
"""A sample that is in no snapshot so long after it was due counts as lost."""
GRACE_S: Final = 20.0
"""Time after the last stage for what is on its way."""
JOIN_PATIENCE_S: Final = 120.0
"""Time beyond its ramp within which all gateways of a stage must be connected."""
LIBRARIES: Final = ("pumpwatch", "polars", "paho-mqtt", "hdrhistogram")


class LoadError(Exception):
    """A load test cannot go on; the text says why."""


@dataclass
class Live:
    """What a terminal or a page shows while a test runs."""

    stage: str
    pumps: int
    second: float
    seconds: float
    offered_per_s: float
    made_per_s: float
    connected: int
    sessions: int
    latency: dict[str, float | None]
    cores: dict[str, float]


@dataclass
class Runner:
    """One run of a profile against a system. `show` gets the state each second; `stop` ends it early.

    `now` is wall ms with fractions; generators run in `environment`.
    """

    profile: Profile
    name: str
    system: SystemUnderLoad
    stop: asyncio.Event
    now: Callable[[], float]
    environment: Mapping[str, str]
    show: Callable[[Live], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    chromium: bool = True
    followed: Followed = field(default_factory=Followed)
    generators: list[GeneratorProcess] = field(default_factory=list)
    injected: list[Injected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _rates: list[tuple[float, int, int]] = field(default_factory=list)

    async def run(self) -> Result:
        """Play all stages and return the result, also if it was interrupted. Raises `LoadError` and `LinkError`."""
        self._account = Account(self.profile, self.followed, self.now())
        found = rules_of_faults()
        self._rules = {fault: found.get(fault, {}) for fault in self.profile.faults}
        try:
            async with watching(self.system.monitor, self.followed) as observer:
                self._observer = observer
                await self._start_generators()
                parts = {**self.system.parts, **{f"generator {each.number}": each.pid for each in self.generators}}
                self._resources = Resources(parts, self.now)
                async with Painter.opened(self.system.dashboard if self.chromium else None, self.followed) as painter:
                    self._painter = painter
                    await self._play()
        finally:
            await asyncio.gather(*(each.stop() for each in self.generators), return_exceptions=True)
        self._account.settle(math.inf)
        return self._result(observer)

    async def _start_generators(self) -> None:
        login = Login(url=self.system.gateway_url, secret=self.system.gateway_secret)
        self.generators = [
            GeneratorProcess(number, login, self.followed, self._progress, self.environment)
            for number in range(self.profile.generators)
        ]
        for each in self.generators:
            await each.start()

    def _progress(self, _: GeneratorProcess, progress: Progress) -> None:
        self.injected += [Injected(pump, fault, at, self._rules[fault]) for pump, fault, at in progress.injected]
        self.notes += [text for text in progress.notes if text not in self.notes][:100]

    async def _play(self) -> None:
        disturbing: list[asyncio.Task[None]] = [
            asyncio.create_task(self._disturb(each)) for each in self.profile.disturbance
        ]
        ticking = asyncio.create_task(self._tick_on(), name="watch")
        stopping = asyncio.create_task(self.stop.wait(), name="stop")
        stages = asyncio.create_task(self._stages(), name="stages")
        try:
            await asyncio.wait({stages, ticking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if ticking.done():
                ticking.result()
            if stages.done():
                stages.result()
        finally:
            for task in (stages, ticking, stopping, *disturbing):
                task.cancel()
            await asyncio.gather(stages, ticking, stopping, *disturbing, return_exceptions=True)
            self._account.end(self.now())

    async def _stages(self) -> None:
        pumps = gateways = 0
        for number, stage in enumerate(self.profile.stage, start=1):
            for each, plan in zip(self.generators, blocks_of(self.profile, pumps, stage, gateways), strict=False):
                await each.order(plan)
                gateways += len(plan.names)
            pumps = stage.pumps
            await self._joined(number, stage)
            window = self._account.begin(stage, self.now())
            self.say(f"stage {number} of {len(self.profile.stage)}: {window.name}, {stage.hold:g} s")
            await asyncio.sleep(stage.hold)
            self._account.end(self.now())
        await asyncio.sleep(self._grace_s())

    def _grace_s(self) -> float:
        """Return how long to wait for what is on its way: as long as samples take, and a little more."""
        return min(GRACE_S, 2.0 + 2.0 * self.profile.interval)

    async def _joined(self, number: int, stage: Stage) -> None:
        """Wait until the gateways of a stage have joined and are connected."""
        latest = time.monotonic() + stage.ramp + JOIN_PATIENCE_S
        while True:
            await asyncio.sleep(0.25)
            for each in self.generators:
                each.check()
            ready = all(
                each.progress and each.progress.joined >= number and each.progress.connected == each.progress.sessions
                for each in self.generators[: max(1, min(len(self.generators), stage.pumps))]
            )
            if ready:
                return
            if time.monotonic() > latest:
                connected, sessions = summed(self.generators, "connected"), summed(self.generators, "sessions")
                raise LoadError(
                    f"{connected:,} of {sessions:,} gateways are connected {JOIN_PATIENCE_S:g} s after the ramp of "
                    f"{stage.pumps:,} pumps; the broker takes no more: {'; '.join(self.notes[-2:]) or 'no reason'}"
                )

    async def _disturb(self, disturbance: Disturbance) -> None:
        await asyncio.sleep(disturbance.at)
        self.say(f"{disturbance.kind} for {disturbance.hold:g} s")
        if disturbance.kind == "pause":
            await self._pause(disturbance)
            return
        order = Disturb(kind=disturbance.kind, share=disturbance.share, hold_s=disturbance.hold)
        for each in self.generators:
            await each.order(order)

    async def _pause(self, disturbance: Disturbance) -> None:
        """Stop a part and all that it started as a machine that hangs does, and let it go on."""
        pid = self.system.parts.get(disturbance.part)
        if pid is None:
            self.notes.append(f"{disturbance.part} is not a process of this machine and was not paused")
            return
        parent = psutil.Process(pid)
        processes = [parent, *parent.children(recursive=True)]
        for process in processes:
            process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(disturbance.hold)
        finally:
            for process in processes:
                process.send_signal(signal.SIGCONT)

    async def _tick_on(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._resources.sample()
            now = self.now()
            self._rates.append((now, summed(self.generators, "offered"), summed(self.generators, "made")))
            await asyncio.to_thread(self._account.settle, now - 1000 * SETTLE_AFTER_S)
            self.show(self._live(now))

    def _live(self, now: float) -> Live:
        window = self._account.windows[-1] if self._account.windows else None
        (then, offered, made), (_, offered_now, made_now) = self._rates[-min(6, len(self._rates))], self._rates[-1]
        took = max(1e-3, (now - then) / 1000)
        return Live(
            window.name if window else "joining",
            window.stage.pumps if window else self.profile.stage[0].pumps,
            round((now - self._account.begin_ms) / 1000, 1),
            self.profile.seconds,
            (offered_now - offered) / took,
            (made_now - made) / took,
            summed(self.generators, "connected"),
            summed(self.generators, "sessions"),
            self.followed.recent(now - 15_000, now - 3_000),
            {name: uses[-1].cores for name, uses in self._resources.uses.items() if uses},
        )

    def _result(self, observer: Observer) -> Result:
        clocks = [clock for each in self.generators if each.progress for clock in each.progress.clocks]
        stages = [
            self._account.stage(
                window,
                clocks=clocks,
                injected=self.injected,
                alarms=observer.alarms,
                resources=self._resources.between(window.begin_ms, window.end_ms),
            )
            for window in self._account.windows
        ]
        failed = next((stage for stage in stages if not stage.passed), None)
        calm = next((stage for stage in stages if stage.passed), None)
        whole = self._account.course()
        missing = [hop.name for hop in HOPS if not any(stage.latency[hop.name]["p50"] is not None for stage in stages)]
        return Result(
            profile=self.name,
            title=self.profile.title,
            began=datetime.fromtimestamp(self._account.begin_ms / 1000, UTC).isoformat(timespec="seconds"),
            machine={
                "cores": os.cpu_count(),
                "memory_mb": round(psutil.virtual_memory().total / 1024**2),
                "system": platform.platform(terse=True),
                "python": platform.python_version(),
            },
            versions={name: metadata.version(name) for name in LIBRARIES},
            settings=settings_of(self.profile),
            interrupted=self.stop.is_set(),
            stages=stages,
            course={} if whole is None else whole.to_dict(as_series=False),
            use={
                name: {
                    "second": [round((use.at - self._account.begin_ms) / 1000, 1) for use in uses],
                    "cores": [use.cores for use in uses],
                    "memory_mb": [use.memory_mb for use in uses],
                }
                for name, uses in self._resources.uses.items()
            },
            broker=dict(observer.counters),
            notes=[*self.notes, *self._doubts(observer)],
            not_measured=missing,
            blame=None if failed is None else judging.blame(failed, calm),
        )

    def _doubts(self, observer: Observer) -> list[str]:
        doubts = []
        if not observer.traced:
            doubts.append("the processor publishes no trace; start it with --trace to see what happens inside")
        if observer.unread:
            doubts.append(f"{observer.unread:,} messages for the observer could not be used")
        if self.followed.excess:
            doubts.append(f"{self.followed.excess:,} messages were not followed: too many were on their way")
        if self._painter.why:
            doubts.append(f"no browser: {self._painter.why}")
        return doubts
