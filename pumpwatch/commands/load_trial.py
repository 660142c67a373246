"""One run of a load test against its system, and the search for the knee from many."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import structs
from rich.console import Console

from broker.mqtt.address import LinkError
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.load_live import LiveView
from pumpwatch.commands.load_system import started
from pumpwatch.commands.load_target import Target, reach_dashboard
from pumpwatch.settings import environment
from trials.load.generators import GeneratorError
from trials.load.knee import FACTOR, Probe, find
from trials.load.plan import gateway_names
from trials.load.profile import MAX_PUMPS, MAX_SESSIONS, Profile, single
from trials.load.result import Result
from trials.load.runner import LoadError, NotConnectedError, Runner
from trials.load.system import SystemUnderLoad

UNITS: Final = {"pumps": "pumps", "sessions": "sessions", "messages": "JSON messages/s"}
FIRST: Final = {"sessions": 500, "messages": 1_000}
"""Where the search begins on an axis that is not the profile's own."""
BELOW: Final = 0.8
"""Where a search begins if the knee is known, as a share of it."""


@dataclass(frozen=True)
class Trial:
    """Runs profiles against one target. `now` is wall ms."""

    name: str
    console: Console
    target: Target
    live_file: Path | None
    now: Callable[[], float]
    browser: bool

    async def run(self, profile: Profile) -> Result:
        """Run a profile once; raises `CommandError`."""
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        with LiveView(self.console, self.live_file) as view:
            try:
                async with self._system(profile, view, stop) as system:
                    runner = Runner(
                        profile,
                        self.name,
                        system,
                        stop,
                        self.now,
                        environment(),
                        view.show,
                        view.say,
                        chromium=self.browser,
                    )
                    return await runner.run()
            except (LoadError, LinkError, GeneratorError) as error:
                raise CommandError(str(error)) from error

    @contextlib.asynccontextmanager
    async def _system(self, profile: Profile, view: LiveView, stop: asyncio.Event) -> AsyncIterator[SystemUnderLoad]:
        """Have the system until the end of the block: the one that is given, or one that is started."""
        count = sum(math.ceil(stage.pumps / profile.per_gateway) + profile.generators for stage in profile.stage)
        names = gateway_names(0, count)
        if self.target.given:
            if self.target.dashboard is not None:
                await reach_dashboard(self.target.dashboard)
            yield await asyncio.to_thread(self.target.system, names)
            return
        with tempfile.TemporaryDirectory(prefix="pumpwatch-load-") as folder:
            async with started(Path(folder), names, view.say, stop, dashboard=self.browser) as system:
                yield system


async def searches(profile: Profile, axis: str, trial: Trial, count: int, begins: int | None = None) -> list[Result]:
    """Find the knee `count` times; return the result of each search, that with the knee in the middle first.

    It has the knees of all as `loads`. The first search begins at a load, if one is given; a later one below the first
    knee: it need not find the neighbourhood again. Raises `CommandError`.
    """
    first = await search(profile, axis, trial, begins=begins)
    results = [first, *[await search(profile, axis, trial, near=_knee(first) or None) for _ in range(count - 1)]]
    results.sort(key=_knee)
    middle = results.pop((count - 1) // 2)
    if middle.knee is not None:
        middle.knee["loads"] = sorted(map(_knee, [middle, *results]))
    return [middle, *results]


def _knee(result: Result) -> int:
    return (result.knee or {}).get("load") or 0


async def search(
    profile: Profile, axis: str, trial: Trial, *, begins: int | None = None, near: int | None = None
) -> Result:
    """Find the knee on an axis of `UNITS`; return the result of its best probe, with the search in it.

    A load whose gateways the broker does not take is too much. The search `begins` at a load, or `near` a knee that is
    known, with smaller steps. Raises `CommandError`, also if no load could be tried.
    """
    last = profile.stage[-1]
    results: dict[int, Result] = {}
    refused: dict[int, str] = {}
    base = on_axis(profile, axis)

    async def probe(load: int) -> Probe:
        trial.console.print(f"probing {load:,} {UNITS[axis]}")
        pumps = max(1, round(load * base.interval)) if axis == "messages" else load
        one = single(pumps, base=base, ramp_s=last.ramp, hold_s=last.hold)
        try:
            results[load] = found = await trial.run(one)
        except CommandError as error:
            if not isinstance(error.__cause__, NotConnectedError):
                raise
            refused[load] = str(error)
            trial.console.print(refused[load], highlight=False)
            return Probe(load, carried=False)
        if found.interrupted:
            raise CommandError("interrupted: a search for the knee has no result before its end")
        return Probe(load, found.passed, found.void)

    most = MAX_SESSIONS if base.sessions else MAX_PUMPS
    first, factor = begins or FIRST.get(axis, profile.stage[0].pumps), FACTOR
    if near is not None:
        first, factor = max(1, round(BELOW * near)), 1 / BELOW
    knee = await find(min(first, most), most, probe, step=10 if base.sessions else 100, factor=factor)
    if not results:
        raise CommandError(f"no load was carried: {refused[min(refused)]}")
    good = results[knee.load] if knee.load is not None else results[min(results)]
    blames: dict[int, Any] = {load: {"part": "broker", "evidence": [why]} for load, why in refused.items()}
    blames |= {load: each.blame for load, each in results.items() if not each.passed}
    good.knee = {
        "axis": axis,
        "load": knee.load,
        "unit": UNITS[axis],
        "ceiling": knee.ceiling,
        "probes": [{"load": each.load, "carried": each.carried, "void": each.void} for each in knee.probes],
        "blame": blames[min(blames)] if blames else None,
    }
    return good


def on_axis(profile: Profile, axis: str) -> Profile:
    """Return the profile with what an axis needs.

    Sessions and messages carry one sample each, as JSON: a device with a session of its own has one at a time.
    """
    if axis == "sessions":
        return structs.replace(profile, sessions=True, payload="json")
    if axis == "messages":
        return structs.replace(profile, sessions=False, payload="json", pumps_per_gateway=100)
    return profile
