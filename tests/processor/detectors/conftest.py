"""What the tests of detectors share: a ward in which each situation is a pump of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import polars as pl
import pytest

from processor.engine import engine
from processor.rules import Rule


def raised(rules: tuple[Rule, ...], situations: Mapping[str, pl.DataFrame]) -> dict[str, set[str]]:
    """Return for each situation the rules that raised an alarm in it, without those that another one explains.

    All situations are watched side by side; every sample is a window, and an alarm is a violation that lasts as long
    as its rule asks.
    """
    pumps = [
        batch.with_columns(pl.lit(pump, pl.UInt32).alias("pump")) for pump, batch in enumerate(situations.values())
    ]
    names: list[set[str]] = [set() for _ in pumps]
    state = engine.new_state(len(pumps), rules)
    for wave in pl.concat(pumps).sort("time", maintain_order=True).partition_by("time", maintain_order=True):
        state = engine.step(state, wave, rules, window_s=0).state
        for rule in rules:
            up = (state[rule.name] >= 1) & (state[engine.held_name(rule)] >= rule.on_delay_s)
            for pump in up.arg_true():
                names[pump].add(rule.name)
    explained = [{name for rule in rules if rule.name in up for name in rule.explains} for up in names]
    return {said: up - less for said, up, less in zip(situations, names, explained, strict=True)}


@pytest.fixture(name="raised", scope="session")
def raised_by() -> Callable[..., dict[str, set[str]]]:
    return raised
