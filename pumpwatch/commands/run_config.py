"""Size and scenario of a run: options first, then the scenario, then defaults."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import typer

NONE: Final = "none"


@dataclass(frozen=True)
class Fleet:
    """What to simulate; `scenario` None is a fleet without faults and events."""

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
    """Complete the options from the scenario and the defaults; raises a usage error for values out of range.

    With `say`, the scenario is only a proposal: if it names pumps that the fleet does not have, it is skipped and
    `say` reports that.
    """
    from simulator.playback.notation import ScenarioError, parse_duration
    from simulator.playback.scenario import Scenario, default, load, selected_pumps

    name = None if scenario in {None, NONE} else scenario
    try:
        loaded = Scenario() if name is None else load(name)
    except ScenarioError as error:
        raise typer.BadParameter(str(error), param_hint="--scenario") from error
    try:
        complete = default(
            pumps=pumps or loaded.pumps,
            interval_s=loaded.interval_s if interval is None else parse_duration(interval),
            seed=loaded.seed if seed is None else seed,
        )
    except ScenarioError as error:
        raise typer.BadParameter(str(error)) from error
    try:
        for place in range(len(loaded.faults) + len(loaded.events)):
            selected_pumps(replace(loaded, pumps=complete.pumps), place)
    except ScenarioError as error:
        if say is None:
            raise typer.BadParameter(f"{name} does not fit the fleet: {error}", param_hint="--scenario") from error
        say(f"scenario {name} skipped, no faults will occur: it does not fit the fleet, {error}")
        name = None
    return Fleet(complete.pumps, complete.interval_s, complete.seed, name)
