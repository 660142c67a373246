"""`pumpwatch score`: play a scenario offline and compare its alarms with the ground truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from broker.contract.ranges import MAX_SEED
from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.faults import duration
from pumpwatch.settings import DAYS, PUMPS, SEED

if TYPE_CHECKING:
    from simulator.playback.scenario import Scenario
    from trials.playback import Playback
    from trials.score import Score
DEFAULT_DAYS = 1.0
PROGRESS_EVERY = 20
"""Ticks between two updates of the progress bar."""
MIN_TICKS_FOR_PROCESS = 500
"""Runs of this many ticks simulate the fleet in a second process, which takes a second or two to start."""
FILE_WIDTH = 160
"""Columns of the tables in a file or a pipe."""


def score(
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|FILE]",
            callback=options.scenario_path,
            help="Bundled scenario such as lively-month, or a TOML file. Not needed for a sweep.",
            show_default=False,
        ),
    ] = None,
    *,
    json: Annotated[
        Path | None,
        typer.Option(
            "--json", metavar="FILE", callback=options.path, help="Write the full report as JSON.", show_default=False
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            callback=options.path,
            help="Write the report as an HTML page with plots.",
            show_default=False,
        ),
    ] = None,
    pumps: Annotated[
        int | None,
        typer.Option(
            "--pumps",
            min=PUMPS.ge,
            max=PUMPS.le,
            help="Number of pumps; in a sweep, pumps per fault and severity. Default: the scenario's; in a sweep 10.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            "--days",
            min=DAYS.ge,
            max=DAYS.le,
            help="Days of therapy time. Default: from the scenario, else 1; in a sweep 4.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            min=SEED.ge,
            max=SEED.le,
            help="Random seed. Default: from the scenario.",
            show_default=False,
        ),
    ] = None,
    seed_shift: Annotated[
        int, typer.Option("--seed-shift", min=SEED.ge, max=SEED.le, help="Added to the seed, for held-out runs.")
    ] = 0,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Find the smallest detectable severity of each fault.")
    ] = False,
    turn: Annotated[
        str,
        typer.Option(
            "--turn",
            metavar="TIME",
            help="Therapy time that the processor takes in at once: 15m plays several times as fast, and delays each "
            "alarm to the end of its turn. Default: one interval.",
            show_default=False,
        ),
    ] = "0s",
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="FAULT,FAULT", help="Sweep only these faults.", show_default=False),
    ] = None,
    listing: Annotated[bool, typer.Option("--list", help="List every false alarm and every missed injection.")] = False,
) -> None:
    """Play a scenario offline, as fast as possible, and score its alarms against the ground truth.

    Fleet, detection and alarms are those of the running system, without a broker and without waiting.
    """
    from trials import score as scores
    from trials import score_titles
    from trials import sweep as sweeps

    if scenario is None and not sweep:
        raise typer.BadParameter("name a scenario, such as lively-month, or give --sweep", param_hint="SCENARIO")
    plan = _scenario(scenario, None if sweep else pumps, seed, seed_shift)
    if sweep:
        plan = sweeps.ladder(plan, _faults(only), pumps or sweeps.PUMPS_EACH)
    name = scenario or "sweep"
    judged = scores.judge(_play(name, plan, days or plan.days or DEFAULT_DAYS, duration("--turn", turn)))
    report: dict[str, Any] = {"scenario": name, **scores.report(judged)}
    if sweep:
        report["sweep"] = sweeps.smallest(report)
    _show(report, judged, listing=listing)
    if json is not None:
        _write(json, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if html is not None:
        from pumpwatch.reports.score_report import page

        _write(html, page(score_titles.titled(report)).encode())


def _play(name: str, plan: Scenario, days: float, turn_s: float) -> Playback:
    """Play a scenario with a progress bar."""
    from trials.feed import FeedError
    from trials.playback import play

    separate_process = days * 86_400 / plan.interval_s >= MIN_TICKS_FOR_PROCESS
    try:
        with _progress(f"{name}: samples of {plan.pumps:,} pumps") as progress:
            return play(plan, days, progress=progress, separate_process=separate_process, turn_s=turn_s)
    except FeedError as error:
        raise CommandError(str(error)) from error


def _show(report: dict[str, Any], judged: Score, *, listing: bool) -> None:
    """Print the tables of a report, in full width if the output is a file."""
    from trials import score_table, score_titles

    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    console.print(score_table.tables(score_titles.titled(report)))
    if listing:
        console.print(score_table.lists(judged))


def _scenario(name: str | None, pumps: int | None, seed: int | None, seed_shift: int) -> Scenario:
    from simulator.playback.notation import ScenarioError, number
    from simulator.playback.scenario import default, load, selected_pumps

    try:
        plan = default() if name is None else load(name)
        shifted = number("seed", (plan.seed if seed is None else seed) + seed_shift, 0, MAX_SEED)
        plan = dataclasses.replace(plan, pumps=pumps or plan.pumps, seed=int(shifted))
        for place in range(len(plan.faults) + len(plan.events)):
            selected_pumps(plan, place)
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="SCENARIO") from error
    return plan


def _faults(only: str | None) -> list[str]:
    from simulator.faults import FAULTS
    from simulator.playback.notation import ScenarioError, known_fault

    if only is None:
        return [name for name, fault in FAULTS.items() if not fault.unseen]
    try:
        return [known_fault(name.strip()) for name in only.split(",")]
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)

        def update(done: int, total: int) -> None:
            if done % PROGRESS_EVERY == 0 or done == total:
                progress.update(task, completed=done, total=total)

        yield update


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}; choose another file") from error
