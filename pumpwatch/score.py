"""This file has the command that scores the alarms against what was really wrong."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from pumpwatch.errors import CommandError

if TYPE_CHECKING:
    from simulator.scenario import Scenario

DEFAULT_DAYS = 1.0
TOLD_EVERY = 20
FILE_WIDTH = 160
"""Columns of the tables in a file or a pipe."""


def score(
    scenario: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="What goes wrong, and when: lively-month, or a TOML file.")
    ],
    *,
    json: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write all of it here, as JSON.")] = None,
    pumps: Annotated[
        int | None,
        typer.Option("--pumps", min=1, help="How many pumps. Default: as the scenario says.", show_default=False),
    ] = None,
    days: Annotated[
        float | None,
        typer.Option(
            "--days",
            min=0.001,
            help="Days of therapy time. Default: as the scenario says, else 1.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, help="Another fleet and another chance. Default: as the scenario says."),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="List each false alarm and each injection that was missed.")
    ] = False,
) -> None:
    """Play a scenario offline, as fast as it goes, and score the alarms against what was really wrong.

    Fleet, detection and alarms are those of the running system, without broker and without waiting.
    """
    from trials import course as courses
    from trials import score as scores
    from trials import table

    told = _scenario(scenario, pumps, seed)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task(f"{scenario}: samples of {told.pumps:,} pumps")

        def say(done: int, of: int) -> None:
            if done % TOLD_EVERY == 0 or done == of:
                progress.update(task, completed=done, total=of)

        judged = scores.judge(courses.play(told, days or told.days or DEFAULT_DAYS, say=say))
    report = {"scenario": scenario, **scores.report(judged)}
    console = Console()
    if not console.is_terminal:
        console = Console(width=FILE_WIDTH)
    console.print(table.tables(report))
    if listing:
        console.print(table.lists(judged))
    if json is not None:
        _write(json, msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def _scenario(name: str, pumps: int | None, seed: int | None) -> Scenario:
    from simulator.scenario import ScenarioError, chosen, load

    try:
        told = load(name)
        told = dataclasses.replace(told, pumps=pumps or told.pumps, seed=told.seed if seed is None else seed)
        for place in range(len(told.faults) + len(told.events)):
            chosen(told, place)
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="SCENARIO") from error
    return told


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise CommandError(f"cannot write {path}: {error.strerror}; choose another place for it") from error
