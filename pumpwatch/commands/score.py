"""This file has the command that scores the alarms against what was really wrong."""

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

from pumpwatch.commands.errors import CommandError

if TYPE_CHECKING:
    from simulator.playback.scenario import Scenario

DEFAULT_DAYS = 1.0
TOLD_EVERY = 20
LONG = 500
"""From so many ticks on it is worth to play the fleet in a process of its own, which takes a second or two to begin."""
FILE_WIDTH = 160
"""Columns of the tables in a file or a pipe."""


def score(
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|FILE]",
            help="What goes wrong, and when: lively-month, or a TOML file. A sweep needs none.",
            show_default=False,
        ),
    ] = None,
    *,
    json: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all of it here, as JSON.", show_default=False)
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page with plots here.", show_default=False),
    ] = None,
    pumps: Annotated[
        int | None,
        typer.Option(
            "--pumps",
            min=1,
            help="How many pumps; in a sweep, how many for each severity of each fault. Default: as the scenario "
            "says; in a sweep 10.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            "--days",
            min=0.001,
            help="Days of therapy time. Default: as the scenario says, else 1; in a sweep 4.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed",
            min=0,
            help="Another fleet and another chance. Default: as the scenario says.",
            show_default=False,
        ),
    ] = None,
    seed_shift: Annotated[
        int, typer.Option("--seed-shift", min=0, help="Added to the seed, for runs on which nothing was tuned.")
    ] = 0,
    sweep: Annotated[
        bool, typer.Option("--sweep", help="Find the smallest severity of each fault that is still found.")
    ] = False,
    turn: Annotated[
        str,
        typer.Option(
            "--turn",
            metavar="TIME",
            help="The processor takes in so much therapy time at once: 15m plays several times as fast, and an alarm "
            "is up at the end of its turn, later by so much at most. Default: each interval by itself.",
            show_default=False,
        ),
    ] = "0s",
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="FAULT,FAULT", help="Sweep these faults alone.", show_default=False),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="List each false alarm and each injection that was missed.")
    ] = False,
) -> None:
    """Play a scenario offline, as fast as it goes, and score the alarms against what was really wrong.

    Fleet, detection and alarms are those of the running system, without broker and without waiting.
    """
    from trials import playback as courses
    from trials import score as scores
    from trials import score_table
    from trials import sweep as sweeps
    from trials.feed import FeedError

    if scenario is None and not sweep:
        raise typer.BadParameter("name a scenario, such as lively-month, or give --sweep", param_hint="SCENARIO")
    told = _scenario(scenario, None if sweep else pumps, seed, seed_shift)
    if sweep:
        told = sweeps.ladder(told, _faults(only), pumps or sweeps.PUMPS_EACH)
    name = scenario or "sweep"
    length = days or told.days or DEFAULT_DAYS
    try:
        with _progress(f"{name}: samples of {told.pumps:,} pumps") as say:
            course = courses.play(
                told, length, say=say, beside=length * 86_400 / told.interval_s >= LONG, turn_s=_turn_s(turn)
            )
    except FeedError as error:
        raise CommandError(str(error)) from error
    judged = scores.judge(course)
    report: dict[str, Any] = {"scenario": name, **scores.report(judged)}
    if sweep:
        report["sweep"] = sweeps.smallest(report)
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    console.print(score_table.tables(report))
    if listing:
        console.print(score_table.lists(judged))
    if json is not None:
        _write(json, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if html is not None:
        from pumpwatch.reports.score_report import page

        _write(html, page(report).encode())


def _scenario(name: str | None, pumps: int | None, seed: int | None, seed_shift: int) -> Scenario:
    from simulator.playback.scenario import MAX_SEED, ScenarioError, chosen, default, load, number

    try:
        told = default() if name is None else load(name)
        wanted = number("seed", (told.seed if seed is None else seed) + seed_shift, 0, MAX_SEED)
        told = dataclasses.replace(told, pumps=pumps or told.pumps, seed=int(wanted))
        for place in range(len(told.faults) + len(told.events)):
            chosen(told, place)
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="SCENARIO") from error
    return told


def _turn_s(turn: str) -> float:
    from simulator.playback.scenario import ScenarioError, parse_duration

    try:
        return parse_duration(turn)
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="--turn") from error


def _faults(only: str | None) -> list[str]:
    from simulator.faults import FAULTS
    from simulator.playback.scenario import ScenarioError, known_fault

    if only is None:
        return [name for name, fault in FAULTS.items() if fault.right or fault.accepted]
    try:
        return [known_fault(name.strip()) for name in only.split(",")]
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="--only") from error


@contextmanager
def _progress(title: str) -> Iterator[Callable[[int, int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)

        def say(done: int, of: int) -> None:
            if done % TOLD_EVERY == 0 or done == of:
                progress.update(task, completed=done, total=of)

        yield say


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}; choose another place for it") from error
