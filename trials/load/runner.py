"""Runs a load profile: generators, observer, stages and disturbances, and the figures of every stage."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from trials.load.accounting import Account
from trials.load.disturbing import consume_slowly, pause
from trials.load.followed import Followed
from trials.load.generator import Login
from trials.load.generators import Generates, GeneratorProcess, summed
from trials.load.judging import Injected, rules_of_faults
from trials.load.live import Live, live_of
from trials.load.observer import watching
from trials.load.outcome import doubts, result_of
from trials.load.painting import Painter
from trials.load.plan import Disturb, Progress, blocks_of, enrolled_s
from trials.load.profile import Disturbance, Profile, Stage
from trials.load.resources import RUNNER, Resources
from trials.load.result import Result
from trials.load.system import SystemUnderLoad
from trials.load.workers import RemoteGenerator, WorkerLostError, gathered

SETTLE_AFTER_S: Final = 60.0
"""A sample that is in no snapshot so long after it was due counts as lost."""
SETTLE_EVERY_S: Final = 10.0
"""Samples are settled so many seconds at a time: each time costs a look at all that are on their way."""
RECENT_MS: Final = (8_000.0, 3_000.0)
"""Age of the samples that are shown while the test runs: long enough that they are on the screen."""
GRACE_S: Final = 20.0
"""Time after the last stage for what is on its way."""
AGREED_S: Final = 1.5
WORKERS_AGREED_S: Final = 4.0
"""Time from an order to join to the instant at which all generators begin, without the time to enroll the pumps."""
JOIN_PATIENCE_S: Final = 120.0
"""Time beyond its ramp within which all gateways of a stage must be connected."""


class LoadError(Exception):
    """A load test cannot go on; the text says why."""


class NotConnectedError(LoadError):
    """The broker did not take all gateways of a stage."""


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
    generators: list[Generates] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    injected: list[Injected] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _rates: list[tuple[float, int, int]] = field(default_factory=list)

    async def run(self) -> Result:
        """Play all stages and return the result, also if it was interrupted. Raises `LoadError` and `LinkError`."""
        self._account = Account(self.profile, self.followed, self.now())
        self.followed.processor_elsewhere = self.system.elsewhere
        found = rules_of_faults()
        self._rules = {fault: found.get(fault, {}) for fault in self.profile.faults}
        try:
            opening = self.system.dashboard if self.chromium else None
            async with (
                watching(self.system.monitor, self.followed, self.now) as observer,
                self._generating(),
                Painter.opened(opening, self.followed) as painter,
            ):
                try:
                    await self._play()
                except WorkerLostError as error:
                    self.lost.append(str(error))
        finally:
            await asyncio.gather(*(each.stop() for each in self.generators), return_exceptions=True)
        self._account.settle(math.inf)
        return result_of(
            self.profile,
            self.name,
            self._account,
            self._resources,
            observer,
            clocks=[clock for each in self.generators if each.progress for clock in each.progress.clocks],
            injected=self.injected,
            notes=[*self.notes, *doubts(observer, self.followed, painter.why)],
            interrupted=self.stop.is_set(),
            lost=self.lost,
            offsets=self._offsets(),
        )

    def _offsets(self) -> dict[str, dict[str, float]]:
        """Return what was measured of the clocks of other machines, ms."""
        found = {f"worker {each.name}": each.offsets() for each in self.generators if isinstance(each, RemoteGenerator)}
        offset = self.followed.bounds.offset if self.followed.processor_elsewhere else None
        if offset is not None:
            found["processor"] = {
                "ahead_ms": round(offset.ahead_ms, 3),
                "uncertainty_ms": round(offset.uncertainty_ms, 3),
            }
        return found

    @contextlib.asynccontextmanager
    async def _generating(self) -> AsyncIterator[None]:
        """Have generators until the end of the block: workers, or processes of this machine."""
        parts = {**self.system.parts, RUNNER: os.getpid()}
        self._resources = Resources(parts, self.now)
        if self.system.workers is None:
            await self._start_generators()
            processes = {f"generator {each.name}": each.pid for each in self.generators if hasattr(each, "pid")}
            self._resources = Resources({**parts, **processes}, self.now)
            yield
            return
        self.say(f"waiting for {self.profile.generators} workers at {self.system.workers.url}")
        async with gathered(
            self.system.workers, self.profile.generators, self.followed, self._progress, self.now
        ) as members:
            self.generators = list(members)
            for each in members:
                offset = each.offsets()
                self.say(
                    f"worker {each.name}: clock {offset['ahead_ms']:+.2f} ms, give or take "
                    f"{offset['uncertainty_ms']:.2f} ms"
                )
            yield

    async def _start_generators(self) -> None:
        login = Login(url=self.system.gateway_url, secret=self.system.gateway_secret)
        for number in range(self.profile.generators):
            process = GeneratorProcess(number, login, self.followed, self._progress, self.environment)
            self.generators.append(process)
            await process.start()

    def _progress(self, generator: Generates, progress: Progress) -> None:
        if isinstance(generator, RemoteGenerator):
            self._resources.report(f"generator {generator.name}", progress.cpu_s)
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
            for done in (ticking, stages):
                if done.done():
                    done.result()
        finally:
            for task in (stages, ticking, stopping, *disturbing):
                task.cancel()
            await asyncio.gather(stages, ticking, stopping, *disturbing, return_exceptions=True)
            self._account.end(self.now())

    async def _stages(self) -> None:
        pumps = gateways = 0
        for number, stage in enumerate(self.profile.stage, start=1):
            agreed_s = AGREED_S if self.system.workers is None else WORKERS_AGREED_S
            enrolling_s = enrolled_s(stage.pumps - pumps, self.profile.per_gateway)
            begins_ms = self.now() + 1000 * (agreed_s + enrolling_s)
            blocks = blocks_of(self.profile, pumps, stage, gateways, begins_ms)
            for each, plan in zip(self.generators, blocks, strict=False):
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
                raise NotConnectedError(
                    f"{connected:,} of {sessions:,} gateways are connected {JOIN_PATIENCE_S:g} s after the ramp of "
                    f"{stage.pumps:,} pumps; the broker takes no more: {'; '.join(self.notes[-2:]) or 'no reason'}"
                )

    async def _disturb(self, disturbance: Disturbance) -> None:
        await asyncio.sleep(disturbance.at)
        self.say(f"{disturbance.kind} for {disturbance.hold:g} s")
        if disturbance.kind == "slow_consumer":
            received = await consume_slowly(self.system.monitor, disturbance.hold, self.say)
            self.notes.append(f"the slow consumer read {received:,} messages in {disturbance.hold:g} s")
        elif disturbance.kind == "pause":
            pid = self.system.parts.get(disturbance.part)
            if pid is None:
                self.notes.append(f"{disturbance.part} is not a process of this machine and was not paused")
                return
            await pause(pid, disturbance.hold)
        else:
            order = Disturb(kind=disturbance.kind, share=disturbance.share, hold_s=disturbance.hold)
            for each in self.generators:
                await each.order(order)

    async def _tick_on(self) -> None:
        settled = self.now()
        while True:
            await asyncio.sleep(1.0)
            for each in self.generators:
                each.check()
            self._resources.sample()
            now = self.now()
            uses = {name: uses[-1].cores for name, uses in self._resources.uses.items() if uses}
            self._rates.append((now, summed(self.generators, "offered"), summed(self.generators, "made")))
            if now >= settled + 1000 * SETTLE_EVERY_S:
                settled = now
                await asyncio.to_thread(self._account.settle, now - 1000 * SETTLE_AFTER_S)
            latency = await asyncio.to_thread(self.followed.recent, *(now - age for age in RECENT_MS))
            self.show(live_of(self._account, self._rates, self.generators, latency, uses))
