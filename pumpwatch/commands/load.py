"""`pumpwatch load`: raise the load on a system, find where it breaks, and say what broke."""

from __future__ import annotations

import asyncio
import math
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import typer
from rich.console import Console

from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.settings import environment

if TYPE_CHECKING:
    from trials.load.profile import Profile
    from trials.load.result import Result

MAX_REPEATS = 20
LIMITS = 'a metric and its limit such as "latency.shown.p99=1.5"'


def wall_ms() -> float:
    """Return the wall clock in ms, with fractions."""
    return time.time_ns() / 1e6


def load(
    profile: Annotated[
        str,
        typer.Argument(
            metavar="[NAME|FILE]",
            callback=options.scenario_path,
            help="Packaged profile such as smoke, or a TOML file.",
            show_default=True,
        ),
    ] = "smoke",
    *,
    pumps: Annotated[
        int | None,
        typer.Option(
            "--pumps", min=1, max=1_000_000, help="One stage of so many pumps instead of the profile's stages."
        ),
    ] = None,
    hold: Annotated[
        str | None, typer.Option("--hold", metavar="TIME", help="How long each stage holds.", show_default=False)
    ] = None,
    ramp: Annotated[
        str | None,
        typer.Option("--ramp", metavar="TIME", help="How long each stage takes to join.", show_default=False),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            "--interval", metavar="TIME", help="Wall-clock time between a pump's samples.", show_default=False
        ),
    ] = None,
    payload: Annotated[
        Literal["arrow", "ndjson", "json"] | None,
        typer.Option("--payload", help="Encoding; json is one message for each sample.", show_default=False),
    ] = None,
    sessions: Annotated[
        bool | None,
        typer.Option(
            "--sessions/--gateways", help="An MQTT session for each pump, or shared ones.", show_default=False
        ),
    ] = None,
    generators: Annotated[
        int | None,
        typer.Option("--generators", min=1, max=16, help="Processes that send.", show_default=False),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="METRIC=NUMBER", help=f"Threshold, instead of the profile's: {LIMITS}."),
    ] = None,
    find_knee: Annotated[
        bool,
        typer.Option(
            "--find-knee", help="Find the most pumps that keep the thresholds, and name what gives way beyond."
        ),
    ] = False,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, max=MAX_REPEATS, help="Run it so often; figures are medians.")
    ] = 1,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="FILE",
            callback=options.path,
            help="Earlier --json to compare with.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", callback=options.path, help="Write the result as JSON.", show_default=False
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html", metavar="FILE", callback=options.path, help="Write a page with plots.", show_default=False
        ),
    ] = None,
    junit: Annotated[
        Path | None,
        typer.Option(
            "--junit",
            metavar="FILE",
            callback=options.path,
            help="Write the thresholds as JUnit XML.",
            show_default=False,
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Measure until a browser has painted it, if there is one.")
    ] = True,
) -> None:
    """Raise the load on a system that is started for it, and measure every hop from a sample's due time to the screen.

    Ends with 0 if every threshold was kept, 1 if not, 2 if the generator was saturated and the run is void.
    """
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
        generators=generators,
        limits=limit,
    )
    earlier = None if compare is None else _earlier(compare)
    from pumpwatch.commands import load_reports

    console = Console(stderr=True)
    if find_knee:
        results = asyncio.run(_search(chosen, profile, console, browser=browser))
    else:
        results = [asyncio.run(_once(chosen, profile, console, browser=browser)) for _ in range(repeat)]
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
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not (0 <= number < math.inf):
        raise typer.BadParameter(f"{text[:80]!r} is not {LIMITS}", param_hint="--limit")
    return name.strip(), number


def _earlier(path: Path) -> Result:
    from trials.load.result import Result

    try:
        return msgspec.json.decode(path.read_bytes(), type=Result)
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} is no result of pumpwatch load --json: {error}") from error


async def _once(profile: Profile, name: str, console: Console, *, browser: bool) -> Result:
    """Run a profile once against a system of its own."""
    from broker.mqtt.address import LinkError
    from pumpwatch.commands.load_live import LiveView
    from pumpwatch.commands.load_system import started
    from trials.load.generators import GeneratorError
    from trials.load.plan import gateway_names
    from trials.load.runner import LoadError, Runner

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    gateways = sum(
        math.ceil(new / profile.per_gateway) + profile.generators for new in (stage.pumps for stage in profile.stage)
    )
    with tempfile.TemporaryDirectory(prefix="pumpwatch-load-") as folder, LiveView(console) as view:
        try:
            async with started(Path(folder), gateway_names(0, gateways), view.say, stop, dashboard=browser) as system:
                runner = Runner(
                    profile, name, system, stop, wall_ms, environment(), view.show, view.say, chromium=browser
                )
                return await runner.run()
        except (LoadError, LinkError, GeneratorError) as error:
            raise CommandError(str(error)) from error


async def _search(profile: Profile, name: str, console: Console, *, browser: bool) -> list[Result]:
    """Find the knee; return the results of its probes, the last good one first."""
    from trials.load.knee import Probe, find
    from trials.load.profile import MAX_PUMPS, MAX_SESSIONS, single

    first, last = profile.stage[0], profile.stage[-1]
    results: dict[int, Result] = {}

    async def probe(pumps: int) -> Probe:
        console.print(f"probing {pumps:,} pumps")
        one = single(pumps, base=profile, ramp_s=last.ramp, hold_s=last.hold)
        results[pumps] = found = await _once(one, name, console, browser=browser)
        return Probe(pumps, found.passed, found.void)

    most = min(MAX_PUMPS, MAX_SESSIONS if profile.sessions else MAX_PUMPS)
    knee = await find(first.pumps, most, probe, step=1 if profile.sessions else 100)
    good = results[knee.load] if knee.load is not None else results[min(results)]
    broken = min((load for load in results if not results[load].passed), default=None)
    good.knee = {
        "pumps": knee.load,
        "ceiling": knee.ceiling,
        "probes": [{"pumps": each.load, "carried": each.carried, "void": each.void} for each in knee.probes],
        "blame": results[broken].blame if broken is not None else None,
    }
    return [good]
