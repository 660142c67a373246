"""Settings of the simulator: fleet, gateways, limits of their outboxes."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from simulator.gateway.outbox import Outbox
from simulator.gateway.spool import Spool
from simulator.playback.notation import ScenarioError
from simulator.playback.scenario import Scenario, default, load

PUMPS_PER_GATEWAY: Final = 25
MAX_DEFAULT_GATEWAYS: Final = 40
MAX_PUMPS_PER_GATEWAY: Final = 1000
OUTBOX_BYTES: Final = 512 * 1024 * 1024
"""Memory for the outboxes of all gateways of this process together."""
UNCONFIRMED_BYTES: Final = 256 * 1024 * 1024
"""Bytes of these that may be with the broker and not confirmed by the processor: half of what
`broker.mqtt.mosquitto_config` lets it queue."""
DISK_BYTES: Final = 2**50
"""With a spool the limit is in samples, and bytes are not limited."""
SPOOL_SAMPLES: Final = 5_000_000
"""Samples on disk of all gateways of this process: a day of 3,500 pumps with a sample a minute; 400 MB as Arrow."""


@dataclass(frozen=True)
class Settings:
    """How the simulator runs. None takes the value of the scenario, or for `gateways` what suits the size of the fleet.

    Commands are verified with the public keys in the file `action_key` (`broker.store.action_key`); without it, all are
    refused. `speed` is therapy seconds per wall second. `payload`: "auto" is JSON for a gateway of one pump, Arrow for
    more. `truth` is the folder for the file of ground truth. With `spool` gateways keep parcels that are not safe
    elsewhere in that folder, up to `spool_samples` for all of them together; without it, in memory. When a processor
    confirms, no more than `unconfirmed_bytes` of all gateways together are with the broker and not confirmed.
    With `gateway_secret` each gateway logs in as itself, with a password derived from its name, at `gateway_broker` or
    else at `broker`, whose own login is for ground truth. Without, all use the login of `broker`.
    """

    broker: str
    pumps: int | None = None
    gateways: int | None = None
    speed: float = 60.0
    interval_s: float | None = None
    seed: int | None = None
    scenario: str | None = None
    payload: Literal["auto", "json", "arrow"] = "auto"
    truth: Path | None = None
    spool: Path | None = None
    spool_samples: int = SPOOL_SAMPLES
    unconfirmed_bytes: int = UNCONFIRMED_BYTES
    name: str = "gateway"
    action_key: Path | None = None
    gateway_broker: str | None = None
    gateway_secret: bytes | None = field(default=None, repr=False)


def plan(settings: Settings) -> tuple[Scenario, int]:
    """Return the scenario to run, with what the settings override, and the number of gateways.

    Raises `ScenarioError` if they do not fit.
    """
    scenario = load(settings.scenario) if settings.scenario else default()
    scenario = dataclasses.replace(
        scenario,
        pumps=settings.pumps or scenario.pumps,
        interval_s=settings.interval_s or scenario.interval_s,
        seed=scenario.seed if settings.seed is None else settings.seed,
    )
    if not 0 < settings.speed <= 100_000:
        raise ScenarioError(f"speed is {settings.speed:g}; allowed is above 0 and up to 100,000")
    count = settings.gateways or gateways_for(scenario.pumps)
    if not 1 <= count <= scenario.pumps:
        raise ScenarioError(f"{count} gateways for {scenario.pumps} pumps; allowed is 1 to one for each pump")
    return scenario, count


def gateways_for(pumps: int) -> int:
    """Return how many gateways a fleet gets by default: 25 pumps each, then 40 of up to 1,000 pumps, then more."""
    few = min(MAX_DEFAULT_GATEWAYS, math.ceil(pumps / PUMPS_PER_GATEWAY))
    return max(few, math.ceil(pumps / MAX_PUMPS_PER_GATEWAY))


def gateway_names(name: str, count: int) -> list[str]:
    """Return the names of `count` gateways, numbered from 0 with as many digits as the last one needs, at least two."""
    digits = max(2, len(str(count - 1)))
    return [f"{name}-{number:0{digits}d}" for number in range(count)]


def outbox(settings: Settings, name: str, count: int) -> Outbox:
    """Return the outbox of one of `count` gateways, with its parcels on disk from an earlier run."""
    unconfirmed = settings.unconfirmed_bytes // count
    if settings.spool is None:
        return Outbox(OUTBOX_BYTES // count, max_unconfirmed=unconfirmed)
    limit, spool = max(1, settings.spool_samples // count), Spool(settings.spool / name)
    return Outbox(DISK_BYTES, limit, spool, patient=True, max_unconfirmed=unconfirmed)
