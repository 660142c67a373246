"""Shared fixture of the detector tests: situations side by side, each a pump of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl
import pytest

from processor.engine import engine
from processor.rules import Rule


def alarms_raised(rules: tuple[Rule, ...], situations: Mapping[str, pl.DataFrame]) -> dict[str, set[str]]:
    """Return, for each situation, the rules that raised an alarm, without those suppressed by another.

    All situations are monitored side by side. Every sample is a window; an alarm is raised after a score has been at
    its limit for the on-delay of its rule.
    """
    pumps = [
        batch.with_columns(pl.lit(pump, pl.UInt32).alias("pump")) for pump, batch in enumerate(situations.values())
    ]
    names: list[set[str]] = [set() for _ in pumps]
    state = engine.new_state(len(pumps), rules)
    for wave in pl.concat(pumps).sort("time", maintain_order=True).partition_by("time", maintain_order=True):
        state = engine.step(state, wave, rules, window_s=0).state
        for rule in rules:
            up = (state[rule.name] >= 1) & (state[engine.in_state_name(rule)] >= rule.on_delay_s)
            for pump in up.arg_true():
                names[pump].add(rule.name)
    suppressed = [{name for rule in rules if rule.name in up for name in rule.explains} for up in names]
    return {situation: up - hidden for situation, up, hidden in zip(situations, names, suppressed, strict=True)}


@pytest.fixture(name="raised", scope="session")
def raised_by() -> Callable[..., dict[str, set[str]]]:
    return alarms_raised
