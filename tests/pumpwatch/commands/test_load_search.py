"""The search for the knee, with a broker that takes a limited number of sessions."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import pytest
from rich.console import Console

from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.load_trial import on_axis, search, searches
from trials.load.profile import Profile, load
from trials.load.result import Result, StageResult
from trials.load.runner import LoadError, NotConnectedError

NOTHING_WRONG: dict[str, Any] = {
    **dict.fromkeys(("pumps", "begin_s", "seconds", "offered", "made", "judged", "shown", "duplicates", "disorder"), 0),
    **dict.fromkeys(("offered_per_s", "shown_per_s", "empty_seconds"), 0),
    **{name: {} for name in ("latency", "raw", "curve", "lost", "alarms", "resources")},
    **{name: [] for name in ("void", "checks", "failures")},
    "name": "carried",
}


@dataclass
class Limited:
    """A trial against a broker that takes `most` sessions; beyond, `failure` ends it."""

    most: int
    failure: type[LoadError] = NotConnectedError
    console: Console = field(default_factory=lambda: Console(file=io.StringIO()))

    async def run(self, profile: Profile) -> Result:
        if profile.pumps > self.most:
            error = self.failure(f"{self.most} of {profile.pumps} gateways are connected")
            raise CommandError(str(error)) from error
        passed = StageResult(**NOTHING_WRONG)
        return Result(profile="", title="", began="", machine={}, versions={}, settings={}, stages=[passed])


async def test_sessions_that_the_broker_does_not_take_are_too_many_and_the_broker_is_named():
    found = await search(load("breakpoint"), "sessions", Limited(1300))  # type: ignore[arg-type]
    assert found.knee is not None
    assert 1260 <= found.knee["load"] <= 1300
    assert found.knee["blame"]["part"] == "broker"
    assert "gateways are connected" in found.knee["blame"]["evidence"][0]


async def test_a_search_that_is_repeated_says_each_knee_and_begins_near_the_first():
    trial = Limited(1300)
    found = await searches(load("breakpoint"), "sessions", trial, 3)  # type: ignore[arg-type]
    assert len(found) == 3
    assert found[0].knee is not None
    loads = found[0].knee["loads"]
    assert loads == sorted(loads)
    assert found[0].knee["load"] == loads[1]
    assert max(loads) - min(loads) <= 0.05 * max(loads)
    begun = sorted(result.knee["probes"][0]["load"] for result in found if result.knee)
    assert begun[0] == 500
    assert begun[1] == begun[2] >= 0.75 * loads[1]


async def test_a_broker_that_takes_not_even_the_first_load_is_said():
    with pytest.raises(CommandError, match="no load was carried: 0 of 10 gateways are connected"):
        await search(load("breakpoint"), "sessions", Limited(0))  # type: ignore[arg-type]


async def test_a_generator_that_fails_ends_the_search():
    with pytest.raises(CommandError, match="gateways are connected"):
        await search(load("breakpoint"), "sessions", Limited(1300, LoadError))  # type: ignore[arg-type]


def test_devices_with_sessions_of_their_own_send_json():
    found = on_axis(load("breakpoint"), "sessions")
    assert (found.sessions, found.payload) == (True, "json")
