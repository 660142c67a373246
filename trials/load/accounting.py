"""Accounting of a load test: which stage a sample belongs to, and the figures of each stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from trials.load import judging
from trials.load.followed import Followed, Settled
from trials.load.judging import Injected
from trials.load.latencies import Latencies, course
from trials.load.metrics import HOPS, PERCENTILES
from trials.load.observer import Raised
from trials.load.plan import BlockClock
from trials.load.profile import Profile, Stage
from trials.load.result import StageResult

MAX_POINTS = 1800
"""Points of the course over time; a long run gets longer steps."""


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
class Account:
    """The stages of a run that began at `begin_ms` (wall), and what became of the samples due in each."""

    profile: Profile
    followed: Followed
    begin_ms: float
    windows: list[Window] = field(default_factory=list)
    _courses: list[pl.DataFrame] = field(default_factory=list)

    def begin(self, stage: Stage, at_ms: float) -> Window:
        """Begin to count samples to a stage."""
        window = Window(stage, stage.name or f"{stage.pumps:,} pumps", at_ms)
        self.windows.append(window)
        return window

    def end(self, at_ms: float) -> None:
        """End the stage that is running, if one is."""
        if self.windows and self.windows[-1].end_ms == math.inf:
            self.windows[-1].end_ms = at_ms

    def settle(self, before_ms: float) -> None:
        """Count what was due before a time to the stage in which it was due."""
        settled = self.followed.settled(before_ms)
        if not settled.rows.height:
            return
        self._courses.append(
            course(settled.rows, self.begin_ms, max(1.0, math.ceil(self.profile.seconds / MAX_POINTS)))
        )
        for window in self.windows:
            inside = settled.rows.filter(pl.col("due").is_between(window.begin_ms, window.end_ms, closed="left"))
            if inside.height:
                _count(window, Settled(inside, 0, 0))
        if self.windows:
            self.windows[-1].duplicates += settled.repeated
            self.windows[-1].disorder += settled.disordered

    def course(self) -> pl.DataFrame | None:
        """Return the latencies over time (`trials.load.latencies.course`), None if there are none."""
        return pl.concat(self._courses).unique("second", keep="last").sort("second") if self._courses else None

    def stage(
        self,
        window: Window,
        *,
        clocks: Sequence[BlockClock],
        injected: Sequence[Injected],
        alarms: Sequence[Raised],
        resources: dict[str, dict[str, float]],
    ) -> StageResult:
        """Return the figures of a stage, with `resources` of the time in which it held."""
        seconds = (window.end_ms - window.begin_ms) / 1000
        begin_s = (window.begin_ms - self.begin_ms) / 1000
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
                [each for each in injected if each.at < window.end_ms],
                alarms,
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
        result.latency["alarm"] = {name: result.alarms[f"latency.{name}"] for name in PERCENTILES}
        result.void = judging.void_reasons(
            result, interval_s=self.profile.interval, generator_cores=sum(generator), generators=self.profile.generators
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
