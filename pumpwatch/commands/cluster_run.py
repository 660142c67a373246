"""`pumpwatch run --cluster N`: what is different from a single processor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pumpwatch.commands import cluster_broker, cluster_node
from pumpwatch.commands.errors import CommandError
from pumpwatch.supervision.part_process import Part

if TYPE_CHECKING:
    from pumpwatch.commands.cluster_broker import ClusterBroker
    from pumpwatch.commands.own_broker import OwnBroker

FurtherFlags = Callable[[int], tuple[str, ...]]
"""Returns the options for metrics of the first node or server (0), the second (1), and so on."""


def check(others: Mapping[str, object]) -> None:
    """Raise a usage error if an option was given that a cluster on this machine does not have."""
    for name, value in others.items():
        if value:
            raise typer.BadParameter(
                "cannot be used with --cluster, which listens on this machine only; see docs/cluster.md",
                param_hint=name,
            )


def node_flags(history_table: str, log_gb: float | None, log_hours: float | None) -> tuple[str, ...]:
    """Return the options of `pumpwatch process` for what a cluster is given beside its servers."""
    given = {"--history-table": history_table or None, "--cluster-log-size": log_gb, "--cluster-log-hours": log_hours}
    return tuple(str(word) for name, value in given.items() if value is not None for word in (name, value))


def choose(data: Path, ranges: int | None, servers: int, log_gb: float | None = None) -> ClusterBroker:
    """Return the NATS servers to start, with room for a log of that size; raises `CommandError`."""
    cluster_node.require_extra()
    from cluster.joining import DEFAULT_RANGES, JoinError, in_directory
    from cluster.nats_server import NatsError, find

    try:
        find()
        known = in_directory(data)
    except (NatsError, JoinError) as error:
        raise CommandError(str(error)) from error
    wanted = ranges or (known.ranges if known else DEFAULT_RANGES)
    return cluster_broker.plan_several(data, *cluster_broker.free_ports(servers), wanted, log_gb)


def servers_of(
    broker: OwnBroker | ClusterBroker, command: tuple[str, ...], flags: tuple[str, ...], metrics: FurtherFlags
) -> list[Part]:
    """Return the NATS servers to run, each with that command, its own options and these flags."""
    if not isinstance(broker, cluster_broker.ClusterBroker):
        raise TypeError("a cluster has a broker of its own")
    several = bool(broker.others)
    return [
        Part(
            f"broker-{number}" if several else "broker",
            (*command, *cluster_broker.flags_of(settings), *flags, *metrics(number - 1)),
            says="broker",
        )
        for number, settings in enumerate(broker.servers, start=1)
    ]


def nodes_of(
    count: int,
    broker: OwnBroker | ClusterBroker | None,
    command: tuple[str, ...],
    variables: Mapping[str, str],
    metrics: FurtherFlags,
) -> list[Part]:
    """Return the nodes to run, each with that command."""
    if not isinstance(broker, cluster_broker.ClusterBroker):
        raise TypeError("a cluster has a broker of its own")
    environment = {**variables, **broker.variables_of_nodes()}
    return [
        Part(f"node-{number}", (*command, *broker.node_flags, *metrics(number - 1)), environment, says="processor")
        for number in range(1, count + 1)
    ]
