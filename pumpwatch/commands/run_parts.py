"""The processes of `pumpwatch run`: which there are, and their command lines and environments."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from broker.metrics.table import PARTS
from broker.mqtt.topic_access import DASHBOARD, PROCESSOR, SIMULATOR
from pumpwatch.commands import cluster_run
from pumpwatch.commands.broker_options import variables_of_parts
from pumpwatch.commands.run_config import Fleet
from pumpwatch.settings import PREFIX
from pumpwatch.supervision import run_file
from pumpwatch.supervision.part_process import Part

if TYPE_CHECKING:
    from pumpwatch.commands.cluster_broker import ClusterBroker
    from pumpwatch.commands.own_broker import OwnBroker

START_MINUTES = 10
"""As many minutes' worth of new gateways and pumps a processor takes in at its start."""


@dataclass(frozen=True)
class RunConfig:
    """The options after all defaults; `own` is the broker to start, None if `broker` is the URL of one."""

    data: Path
    fleet: Fleet
    gateways: int | None
    speed: float
    payload: Literal["auto", "json", "arrow"]
    broker: str | None = field(repr=False)
    own: OwnBroker | ClusterBroker | None
    host: str
    port: int
    key: str = field(repr=False)
    dashboard_flags: tuple[str, ...] = ()
    metrics_port: int | None = None
    log: tuple[str, str] = ("--log", "text")
    nodes: int = 0
    node_flags: tuple[str, ...] = ()

    def metrics_flags(self, part: str, further: int = 0) -> tuple[str, ...]:
        """Return the flags with which a part serves its metrics; the ports are in the order of `PARTS`.

        In a cluster, nodes stand for the processor and servers for the broker. `further` is the number of a node or
        server after the first one, from 1: the ports after those of `PARTS` are for nodes, then servers.
        """
        if self.metrics_port is None:
            return ()
        place = PARTS.index(part)
        if further:
            place = len(PARTS) - 1 + further + (self.nodes - 1 if part == "broker" else 0)
        return ("--metrics-port", str(self.metrics_port + place))

    def url(self, user: str) -> str:
        """Return the broker's URL, with the login of `user` if it is our own broker."""
        if self.own is None:
            return self.broker or run_file.DEFAULT_BROKER
        return self.own.url(user)


def parts_of(config: RunConfig) -> list[Part]:
    """Return the processes to run, in the order in which they start.

    Secrets go through the environment, because any user of the machine can read command lines.
    """
    data = ("--data", str(config.data), *config.log)
    dashboard_flags = ("--host", config.host, "--port", str(config.port), *config.dashboard_flags)
    variables = {user: _broker_variables(config, user) for user in (PROCESSOR, DASHBOARD, SIMULATOR)}
    parts = [
        *_processors(config, ("process", *data, *_rate_flags(config)), variables[PROCESSOR]),
        Part(
            "dashboard",
            command("dashboard", *data, *dashboard_flags, *config.metrics_flags("dashboard")),
            {**variables[DASHBOARD], f"{PREFIX}KEY": config.key},
        ),
        Part(
            "simulator",
            command("simulate", *data, *_fleet_flags(config), *config.metrics_flags("simulator")),
            variables[SIMULATOR],
        ),
    ]
    return [*_brokers(config, data), *parts]


def _brokers(config: RunConfig, flags: tuple[str, ...]) -> list[Part]:
    """Return the broker to run, or the servers of a cluster; none if there is one elsewhere."""
    if config.own is None:
        return []
    if config.nodes:
        return cluster_run.servers_of(config.own, command("broker"), flags, partial(config.metrics_flags, "broker"))
    return [Part("broker", command("broker", *config.own.flags, *flags, *config.metrics_flags("broker")))]


def _processors(config: RunConfig, words: tuple[str, ...], variables: dict[str, str]) -> list[Part]:
    """Return the processor, or the nodes of a cluster."""
    if not config.nodes:
        return [Part("processor", command(*words, *config.metrics_flags("processor")), variables)]
    metrics = partial(config.metrics_flags, "processor")
    return cluster_run.nodes_of(config.nodes, config.own, command(*words, *config.node_flags), variables, metrics)


def _broker_variables(config: RunConfig, user: str) -> dict[str, str]:
    """Return the environment with which a part logs in at the broker."""
    if config.own is None:
        return variables_of_parts(config.url(user))
    variables = {f"{PREFIX}BROKER": config.url(user)}
    return variables | config.own.variables_of_gateways() if user == SIMULATOR else variables


def command(name: str, *flags: str) -> tuple[str, ...]:
    """Return the command line of a part: a command of Pumpwatch, by this Python."""
    return (sys.executable, "-m", "pumpwatch", name, *flags)


def _rate_flags(config: RunConfig) -> tuple[str, ...]:
    """Return what the processor needs to take in the whole fleet of this system at its start."""
    flags = {"--new-gateways": (config.gateways or 0, 1_000), "--new-pumps": (config.fleet.pumps, 100_000)}
    needed = {
        name: math.ceil(count / START_MINUTES)
        for name, (count, usual) in flags.items()
        if count > START_MINUTES * usual
    }
    return tuple(str(word) for pair in needed.items() for word in pair)


def _fleet_flags(config: RunConfig) -> tuple[str, ...]:
    fleet = config.fleet
    flags = {
        "--pumps": fleet.pumps,
        "--interval": f"{fleet.interval_s:g}s",
        "--seed": fleet.seed,
        "--speed": config.speed,
        "--payload": config.payload,
        "--scenario": fleet.scenario or "none",
    }
    if config.gateways is not None:
        flags["--gateways"] = config.gateways
    return tuple(str(word) for pair in flags.items() for word in pair)
