"""Outcome of a load test: the result put together from what the runner, the observer and the generators know."""

from __future__ import annotations

import itertools
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final

import psutil

from trials.load import judging
from trials.load.accounting import Account
from trials.load.capacity import exponents
from trials.load.followed import Followed
from trials.load.judging import Injected
from trials.load.metrics import HOPS
from trials.load.observer import Observer
from trials.load.plan import BlockClock
from trials.load.profile import Profile
from trials.load.resources import Resources
from trials.load.result import Result, settings_of

RESOURCES: Final = ("cores", "memory_mb", "switches_per_s", "written_mb_per_s")
"""What is known of each part over time."""
LIBRARIES: Final = ("pumpwatch", "polars", "paho-mqtt", "hdrhistogram")


def machine() -> dict[str, Any]:
    """Return what the report says about this machine."""
    return {
        "cores": os.cpu_count(),
        "memory_mb": round(psutil.virtual_memory().total / 1024**2),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
    }


def result_of(
    profile: Profile,
    name: str,
    account: Account,
    resources: Resources,
    observer: Observer,
    *,
    clocks: Sequence[BlockClock],
    injected: Sequence[Injected],
    notes: Sequence[str],
    interrupted: bool,
    lost: Sequence[str],
    offsets: dict[str, dict[str, float]],
) -> Result:
    """Return the result of a run. `lost` says which workers ended, which makes it void; `offsets` are of clocks."""
    stages = [
        account.stage(
            window,
            clocks=clocks,
            injected=injected,
            alarms=observer.alarms,
            resources=resources.between(window.begin_ms, window.end_ms),
        )
        for window in account.windows
    ]
    failed = next((stage for stage in stages if not stage.passed), None)
    calm = next((stage for stage in stages if stage.passed), None)
    whole = account.course()
    missing = [hop.name for hop in HOPS if not any(stage.latency[hop.name]["p50"] is not None for stage in stages)]
    return Result(
        profile=name,
        title=profile.title,
        began=datetime.fromtimestamp(account.begin_ms / 1000, UTC).isoformat(timespec="seconds"),
        machine=machine(),
        versions={library: metadata.version(library) for library in LIBRARIES},
        settings=settings_of(profile),
        interrupted=interrupted,
        void_reasons=list(lost),
        stages=stages,
        course={} if whole is None else whole.to_dict(as_series=False),
        use={
            part: {
                "second": [_second(use.at, account.begin_ms) for use in uses],
                **{name: [getattr(use, name) for use in uses] for name in RESOURCES},
            }
            for part, uses in resources.uses.items()
        },
        broker=dict(observer.counters),
        broker_course={
            name: counter_course(name, points, account.begin_ms) for name, points in observer.courses.items()
        },
        broker_peaks=dict(observer.peaks),
        clock_offsets=offsets,
        capacity=exponents(stages),
        notes=list(notes),
        not_measured=missing,
        blame=None if failed is None else judging.blame(failed, calm),
    )


def _second(at_ms: float, begin_ms: float) -> float:
    return round((at_ms - begin_ms) / 1000, 1)


def counter_course(name: str, points: Sequence[tuple[float, float]], begin_ms: float) -> dict[str, list[float]]:
    """Return a counter over time; bytes in MB a second between two points, as the broker counts them in all."""
    if not name.startswith("bytes"):
        return {"second": [_second(at, begin_ms) for at, _ in points], "value": [value for _, value in points]}
    steps = [(then, now) for then, now in itertools.pairwise(points) if now[0] > then[0]]
    return {
        "second": [_second(now[0], begin_ms) for _, now in steps],
        "value": [round((now[1] - then[1]) / 1000 / (now[0] - then[0]), 4) for then, now in steps],
    }


def doubts(observer: Observer, followed: Followed, why_no_browser: str) -> list[str]:
    """Return what a reader should know about how far the figures can be trusted."""
    found = []
    if not observer.traced:
        found.append("the processor publishes no trace; start it with --trace to see what happens inside")
    if observer.unread:
        found.append(f"{observer.unread:,} messages for the observer could not be used")
    if followed.excess:
        found.append(f"{followed.excess:,} messages were not followed: too many were on their way")
    if why_no_browser:
        found.append(f"no browser: {why_no_browser}")
    return found
