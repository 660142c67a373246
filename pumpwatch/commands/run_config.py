"""This file decides the size and the course of a run: as the options say, else as the scenario says, else defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import typer

NONE: Final = "none"


@dataclass(frozen=True)
class Fleet:
    """What to simulate; `scenario` None is a fleet in which nothing goes wrong by itself."""

    pumps: int
    interval_s: float
    seed: int
    scenario: str | None


def plan(
    scenario: str | None,
    *,
    pumps: int | None,
    interval: str | None,
    seed: int | None,
    say: Callable[[str], None] | None = None,
) -> Fleet:
    """Settle what the options left open; what cannot be is a usage error.

    With `say` the scenario is only a proposal: one that speaks of pumps which are not in the fleet is left out, and
    that is said.
    """
    from simulator.playback.scenario import Scenario, ScenarioError, chosen, default, load, parse_duration

    story = None if scenario in {None, NONE} else scenario
    try:
        told = Scenario() if story is None else load(story)
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="--scenario") from error
    try:
        settled = default(
            pumps=pumps or told.pumps,
            interval_s=told.interval_s if interval is None else parse_duration(interval),
            seed=told.seed if seed is None else seed,
        )
    except ScenarioError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        for place in range(len(told.faults) + len(told.events)):
            chosen(replace(told, pumps=settled.pumps), place)
    except ScenarioError as error:
        if say is None:
            raise typer.BadParameter(f"{story} does not fit: {error}", param_hint="--scenario") from error
        say(f"no scenario is played, so nothing goes wrong by itself: {story} does not fit, {error}")
        story = None
    return Fleet(settled.pumps, settled.interval_s, settled.seed, story)
