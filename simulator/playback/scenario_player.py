"""Start and stop a scenario on a fleet that runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from simulator.playback.scenario import Scenario
from simulator.playback.simulation import Simulation
from simulator.playback.timeline import Timeline


def start(simulation: Simulation, scenario: Scenario) -> None:
    """Play the entries of a scenario from now on; raises `ScenarioError` if they do not fit the fleet.

    Size, interval and lots stay those of the fleet. What the scenario before it began ends.
    """
    own = simulation.scenario
    timeline = Timeline(replace(scenario, pumps=own.pumps, interval_s=own.interval_s, seed=own.seed))
    stop(simulation)
    simulation.timeline = timeline


def stop(simulation: Simulation) -> int:
    """Stop the scenario for good and end the faults and events that it began; return on how many pumps."""
    timeline, ended = simulation.timeline, [np.empty(0, np.uint32)]
    timeline.playing = False
    for name, index in timeline.affected.items():
        present = simulation.injections.affected.get(name)
        if present is not None:
            ended.append(np.intersect1d(present.index, index).astype(np.uint32))
            simulation.injections, _ = simulation.injections.clear(index, name)
    timeline.affected.clear()
    return len(np.unique(np.concatenate(ended)))
