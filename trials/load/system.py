"""The system under load, as the runner sees it: where it listens, its processes, and how to trouble it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.mqtt.address import Address


@dataclass(frozen=True)
class SystemUnderLoad:
    """Addresses and processes. `parts` are the ids of the processes on this machine that may be measured and paused.

    `gateway_secret` derives the passwords of gateways (None: all use the login in `gateway_url`). `dashboard` is the
    address to open with its key in it, None if there is none. `workers` is where the runner speaks with that many
    workers, instead of generators of its own. `elsewhere` is whether the processor runs on another machine.
    """

    monitor: Address
    gateway_url: str = field(repr=False)
    gateway_secret: str | None = field(default=None, repr=False)
    parts: Mapping[str, int] = field(default_factory=dict)
    dashboard: str | None = field(default=None, repr=False)
    workers: Address | None = field(default=None, repr=False)
    elsewhere: bool = False
