"""Files in which the simulator tells which scenarios it has and what it plays, beside the ground truth."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

CATALOGUE_FILE: Final = "scenarios.json"
STATE_FILE: Final = "playback.json"
MAX_STEPS: Final = 1000
"""Maximum entries of one scenario that are listed; the others are counted."""


class Step(msgspec.Struct, kw_only=True, frozen=True):
    """One entry of a scenario: a fault or an event, `at_s` seconds after the start; `hold_s` None is permanent.

    `pumps` says in words which pumps, `severity` how severe a fault is; empty for an event.
    """

    at_s: float
    kind: Literal["fault", "event"]
    name: str
    pumps: str
    hold_s: float | None = None
    severity: str = ""


class ScenarioEntry(msgspec.Struct, kw_only=True, frozen=True):
    """One scenario: what its author says, how it was meant to run, its entries in order of time, and the file itself.

    `random` says that further faults or events come at random. `pumps` is the smallest fleet that it fits.
    """

    name: str
    uploaded: bool
    description: str
    pumps: int
    days: float | None
    random: bool
    steps: tuple[Step, ...]
    steps_left_out: int
    toml: str


class Catalogue(msgspec.Struct, kw_only=True):
    """The scenarios that the simulator has, and the gateway that takes commands about them."""

    gateway: str
    scenarios: list[ScenarioEntry]


class PlaybackState(msgspec.Struct, kw_only=True):
    """What the simulator plays at wall time `sent` (ms): `position_s` seconds after the start of the scenario `name`.

    `speed` is therapy seconds per wall second; `remaining` entries are still to begin; `by` is who started it, empty if
    the run began with it.
    """

    sent: int
    name: str
    state: Literal["playing", "paused", "stopped"]
    position_s: float
    speed: float
    remaining: int
    pumps: int
    by: str = ""
