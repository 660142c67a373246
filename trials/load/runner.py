"""Runs a load profile: generators, observer, stages and disturbances, and the figures of every stage."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import platform
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from typing import Final

import numpy as np
import polars as pl
import psutil

from broker.truth.expectations import expectations
from processor.rules import RULES
from processor.rules.rule import targets_of
from trials.load import judging
from trials.load.followed import Followed, Settled
from trials.load.generator import Login
from trials.load.generators import GeneratorProcess, summed
from trials.load.judging import Injected
from trials.load.latencies import Latencies, course
from trials.load.metrics import HOPS
from trials.load.observer import Observer, watching
from trials.load.painting import Painter
from trials.load.plan import BlockClock, BlockPlan, Disturb, Progress
from trials.load.profile import Disturbance, Profile, Stage
from trials.load.resources import Resources
from trials.load.result import Result, StageResult, settings_of
from trials.load.system import SystemUnderLoad

SETTLE_AFTER_S: Final = 60.0
"""A sample that is in no snapshot so long after it was due counts as lost."""
GRACE_S: Final = 20.0
"""Time after the last stage for what is on its way."""
JOIN_PATIENCE_S: Final = 120.0
"""Time beyond its ramp within which all gateways of a stage must be connected."""
PREFIX: Final = "load"
LIBRARIES: Final = ("pumpwatch", "polars", "paho-mqtt", "hdrhistogram")


class LoadError(Exception):
    """A load test cannot go on; the text says why."""


@dataclass
class Window:
    """A stage while it holds: from when to when, wall ms, and what was counted at both ends."""

    stage: Stage
    name: str
    begin_ms: float
    end_ms: float = math.inf
    latencies: Latencies = field(default_factory=Latencies)
    offered: int = 0
    made: int = 0
    judged: int = 0
    shown: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    disorder: int = 0
    empty_seconds: int = 0


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
    """One run of a profile against a system. `show` gets the state each second; `stop` ends it early."""

    profile: Profile
    name: str
    system: SystemUnderLoad
    stop: asyncio.Event
    show: Callable[[Live], None] = lambda _: None
    say: Callable[[str], None] = lambda _: None
    chromium: bool = True
    followed: Followed = field(default_factory=Followed)
    windows: list[Window] = field(default_factory=list)
    generators: list[GeneratorProcess] = field(default_factory=list)
    injected: list[Injected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _courses: list[pl.DataFrame] = field(default_factory=list)
    _rates: list[tuple[float, int, int]] = field(default_factory=list)

    async def run(self) -> Result:
        """Play all stages and return the result, also if it was interrupted. Raises `LoadError` and `LinkError`."""
        self._began, self._begin_ms = datetime.now(UTC), time.time_ns() / 1e6
        found = _rules_of_faults()
        self._rules = {fault: found.get(fault, {}) for fault in self.profile.faults}
        try:
            async with watching(self.system.monitor, self.followed) as observer:
                self._observer = observer
                await self._start_generators()
                parts = {**self.system.parts, **{f"generator {each.number}": each.pid for each in self.generators}}
                self._resources = Resources(parts)
                async with Painter.opened(self.system.dashboard if self.chromium else None, self.followed) as painter:
                    self._painter = painter
                    await self._play()
        finally:
            await asyncio.gather(*(each.stop() for each in self.generators), return_exceptions=True)
        self._settle(math.inf)
        return self._result(observer)

    async def _start_generators(self) -> None:
        login = Login(url=self.system.gateway_url, secret=self.system.gateway_secret)
        self.generators = [
            GeneratorProcess(number, login, self.followed, self._progress) for number in range(self.profile.generators)
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
            if self.windows and self.windows[-1].end_ms == math.inf:
                self.windows[-1].end_ms = time.time_ns() / 1e6

    async def _stages(self) -> None:
        pumps = gateways = 0
        for number, stage in enumerate(self.profile.stage, start=1):
            for each, plan in zip(self.generators, self._blocks(pumps, stage, gateways), strict=False):
                await each.order(plan)
                gateways += len(plan.names)
            pumps = stage.pumps
            await self._joined(number, stage)
            name = stage.name or f"{stage.pumps:,} pumps"
            self.windows.append(Window(stage, name, time.time_ns() / 1e6))
            self.say(f"stage {number} of {len(self.profile.stage)}: {name}, {stage.hold:g} s")
            await asyncio.sleep(stage.hold)
            self.windows[-1].end_ms = time.time_ns() / 1e6
        await asyncio.sleep(self._grace_s())

    def _grace_s(self) -> float:
        """Return how long to wait for what is on its way: as long as samples take, and a little more."""
        return min(GRACE_S, 2.0 + 2.0 * self.profile.interval)

    def _blocks(self, pumps: int, stage: Stage, gateways: int) -> Iterator[BlockPlan]:
        profile, new = self.profile, stage.pumps - pumps
        edges = np.linspace(0, new, min(len(self.generators), max(new, 1)) + 1).astype(int).tolist()
        for first, last in itertools.pairwise(edges):
            if first == last:
                continue
            count = math.ceil((last - first) / profile.per_gateway)
            yield BlockPlan(
                first=pumps + first,
                pumps=last - first,
                per_gateway=profile.per_gateway,
                names=tuple(gateway_names(gateways, count)),
                interval_s=profile.interval,
                speed=profile.speed,
                payload=profile.payload,
                seed=profile.seed,
                ramp_s=stage.ramp,
                faulty=profile.faulty,
                faults=profile.faults,
            )
            gateways += count

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
            now = time.time_ns() / 1e6
            self._rates.append((now, summed(self.generators, "offered"), summed(self.generators, "made")))
            await asyncio.to_thread(self._settle, now - 1000 * SETTLE_AFTER_S)
            self.show(self._live(now))

    def _live(self, now: float) -> Live:
        window = self.windows[-1] if self.windows else None
        (then, offered, made), (_, offered_now, made_now) = self._rates[-min(6, len(self._rates))], self._rates[-1]
        took = max(1e-3, (now - then) / 1000)
        return Live(
            window.name if window else "joining",
            window.stage.pumps if window else self.profile.stage[0].pumps,
            round((now - self._begin_ms) / 1000, 1),
            self.profile.seconds,
            (offered_now - offered) / took,
            (made_now - made) / took,
            summed(self.generators, "connected"),
            summed(self.generators, "sessions"),
            self.followed.recent(now - 15_000, now - 3_000),
            {name: uses[-1].cores for name, uses in self._resources.uses.items() if uses},
        )

    def _settle(self, before_ms: float) -> None:
        """Count what was due before a time to the stage in which it was due."""
        settled = self.followed.settled(before_ms)
        if not settled.rows.height:
            return
        self._courses.append(course(settled.rows, self._begin_ms, max(1.0, math.ceil(self.profile.seconds / 1800))))
        for window in self.windows:
            inside = settled.rows.filter(pl.col("due").is_between(window.begin_ms, window.end_ms, closed="left"))
            if inside.height:
                _count(window, Settled(inside, 0, 0))
        if self.windows:
            self.windows[-1].duplicates += settled.repeated
            self.windows[-1].disorder += settled.disordered

    def _result(self, observer: Observer) -> Result:
        clocks = [clock for each in self.generators if each.progress for clock in each.progress.clocks]
        stages = [self._stage(window, observer, clocks) for window in self.windows]
        failed = next((stage for stage in stages if not stage.passed), None)
        calm = next((stage for stage in stages if stage.passed), None)
        whole = pl.concat(self._courses).unique("second", keep="last").sort("second") if self._courses else None
        missing = [hop.name for hop in HOPS if not any(stage.latency[hop.name]["p50"] is not None for stage in stages)]
        return Result(
            profile=self.name,
            title=self.profile.title,
            began=self._began.isoformat(timespec="seconds"),
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
                    "second": [use.second for use in uses],
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

    def _stage(self, window: Window, observer: Observer, clocks: list[BlockClock]) -> StageResult:
        seconds = (window.end_ms - window.begin_ms) / 1000
        begin_s = (window.begin_ms - self._begin_ms) / 1000
        offset = self._resources.begin_s - (time.monotonic() - (time.time_ns() / 1e6 - self._begin_ms) / 1000)
        resources = self._resources.between(begin_s - offset, begin_s + seconds - offset)
        generator = [row["cores"] for name, row in resources.items() if name.startswith("generator")]
        offered = sum(clock.due_between(window.begin_ms, window.end_ms) for clock in clocks)
        latency = {name: each.percentiles() for name, each in window.latencies.corrected.items()}
        result = StageResult(
            name=window.name,
            pumps=window.stage.pumps,
            begin_s=round(begin_s, 1),
            seconds=round(seconds, 1),
            offered=offered,
            made=window.made,
            judged=window.judged,
            shown=window.shown,
            offered_per_s=round(offered / seconds, 1),
            shown_per_s=round(window.shown / seconds, 1),
            latency=latency,
            raw={name: each.percentiles() for name, each in window.latencies.raw.items()},
            curve={name: each.curve() for name, each in window.latencies.corrected.items()},
            lost=dict(window.lost),
            duplicates=window.duplicates,
            disorder=window.disorder,
            empty_seconds=window.empty_seconds,
            alarms=judging.alarm_figures(
                [each for each in self.injected if each.at < window.end_ms],
                observer.alarms,
                clocks,
                until_ms=window.end_ms,
                speed=self.profile.speed,
                percentile=np.percentile,
            ),
            resources=resources,
            void=[],
            checks=[],
            failures=[],
        )
        result.latency["alarm"] = {
            name: result.alarms[f"latency.{name}"] for name in ("p50", "p90", "p99", "p99.9", "max")
        }
        result.void = judging.void_reasons(
            result, interval_s=self.profile.interval, generator_cores=sum(generator), generators=len(self.generators)
        )
        result.failures = judging.failures(result)
        result.checks = judging.checks(result, self.profile.threshold)
        return result


def _count(window: Window, settled: Settled) -> None:
    rows = settled.rows
    window.latencies.add(rows)
    window.made += int(rows["samples"].sum())
    window.judged += int(rows.filter(pl.col("judged").is_not_null())["samples"].sum())
    window.shown += int(rows.filter(pl.col("shown").is_not_null())["samples"].sum())
    for hop in HOPS[1:-1]:
        window.lost[hop.name] = window.lost.get(hop.name, 0) + settled.lost_before(hop.name)
    seconds = rows.group_by((pl.col("due") // 1000).alias("second")).agg(pl.col("shown").is_not_null().any())
    window.empty_seconds += seconds.filter(~pl.col("shown")).height


def gateway_names(first: int, count: int) -> list[str]:
    """Return the names of the gateways of a load test, counted from `first`."""
    return [f"{PREFIX}-{first + number:05d}" for number in range(count)]


def _rules_of_faults() -> dict[str, dict[str, float]]:
    """Return for each fault the rules that find it, with the hours of therapy time that they may take."""
    hours = {rule.name: rule.detection_target_h for rule in RULES}
    table = expectations(targets_of(RULES), hours)
    found: dict[str, dict[str, float]] = {}
    for fault, rule, _, target, _ in table.iter_rows():
        found.setdefault(fault, {})[rule] = target
    return found
