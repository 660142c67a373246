"""`pumpwatch load`: raise the load on a system, find where it breaks, and say what broke."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import typer
from rich.console import Console

from pumpwatch.commands import load_options
from pumpwatch.commands.errors import CommandError

if TYPE_CHECKING:
    from trials.load.profile import Profile
    from trials.load.result import Result


def wall_ms() -> float:
    """Return the wall clock in ms, with fractions."""
    return time.time_ns() / 1e6


def load(
    profile: load_options.ProfileName = "smoke",
    *,
    pumps: load_options.Pumps = None,
    hold: load_options.Hold = None,
    ramp: load_options.Ramp = None,
    interval: load_options.Interval = None,
    payload: load_options.Payload = None,
    sessions: load_options.Sessions = None,
    generators: load_options.Generators = None,
    limit: load_options.Limit = None,
    find_knee: load_options.FindKnee = False,
    axis: load_options.Axis = "pumps",
    repeat: load_options.Repeat = 1,
    compare: load_options.Compare = None,
    json: load_options.Json = None,
    html: load_options.Html = None,
    junit: load_options.Junit = None,
    live_file: load_options.LiveFile = None,
    browser: load_options.Browser = True,
    broker: load_options.Broker = None,
    processor_data: load_options.ProcessorData = None,
    dashboard: load_options.Dashboard = None,
    gateway_broker: load_options.GatewayBroker = None,
    gateway_secret: load_options.GatewaySecret = None,
    i_know_what_i_do: load_options.Confirmed = None,
    workers: load_options.Workers = 0,
    worker: load_options.IsWorker = False,
) -> None:
    """Raise the load on a system, and measure every hop from a sample's due time to the screen.

    The system is started for it, or is the one that --processor-data or --broker names.

    Ends with 0 if every threshold was kept, 1 if not, 2 if the generator was saturated and the run is void.
    """
    from pumpwatch.commands.load_target import Target
    from pumpwatch.commands.load_trial import Trial, searches
    from pumpwatch.commands.load_worker import work

    target = Target(
        broker, processor_data, dashboard, gateway_broker, gateway_secret, i_know_what_i_do, max(workers, 0)
    )
    target.check()
    console = Console(stderr=True)
    if worker:
        asyncio.run(work(target, console, wall_ms))
        return
    from trials.load.profile import load as load_profile

    chosen = _profile(
        load_profile,
        profile,
        pumps=pumps,
        hold=hold,
        ramp=ramp,
        interval=interval,
        payload=payload,
        sessions=sessions,
        generators=workers or generators,
        limits=limit,
    )
    earlier = None if compare is None else _earlier(compare)
    from pumpwatch.commands import load_reports

    trial = Trial(profile, console, target, live_file, wall_ms, browser)
    if find_knee:
        results = asyncio.run(searches(chosen, axis, trial, repeat, pumps))
        result = results[0]
    else:
        results = [asyncio.run(trial.run(chosen)) for _ in range(repeat)]
        result = load_reports.median(results)
    load_reports.write(result, results, json=json, html=html, junit=junit)
    load_reports.show(result, console)
    if earlier is not None:
        load_reports.show_changes(earlier, results, console)
    raise typer.Exit(result.exit_code)


def _profile(
    read: Callable[[str], Profile], source: str, *, limits: list[str] | None, pumps: int | None, **given: Any
) -> Profile:
    """Return the profile with what the options override; raises a usage error."""
    from msgspec import structs

    from simulator.playback.notation import ScenarioError, parse_duration
    from trials.load.profile import Stage, Threshold, checked

    try:
        found = read(source)
        times = {key: parse_duration(given[key]) for key in ("hold", "ramp", "interval") if given[key] is not None}
        stages = tuple(
            structs.replace(stage, **{key: times[key] for key in ("hold", "ramp") if key in times})
            for stage in (found.stage if pumps is None else (Stage(pumps=pumps),))
        )
        changes: dict[str, Any] = {
            key: given[key] for key in ("payload", "sessions", "generators") if given[key] is not None
        }
        if "interval" in times:
            changes["interval"] = times["interval"]
        if limits:
            changes["threshold"] = tuple(Threshold(metric=name, below=value) for name, value in map(_limit, limits))
        return checked(structs.replace(found, stage=stages, **changes), source)
    except ScenarioError as error:
        raise typer.BadParameter(str(error)) from error


def _limit(text: str) -> tuple[str, float]:
    from trials.load.metrics import limit

    found = limit(text)
    if found is None:
        raise typer.BadParameter(f"{text[:80]!r} is not {load_options.LIMITS}", param_hint="--limit")
    return found


def _earlier(path: Path) -> Result:
    from trials.load.result import Result

    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} is no result of pumpwatch load --json: {error}") from error
