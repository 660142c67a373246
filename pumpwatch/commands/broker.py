"""`pumpwatch broker`: run a broker in this process."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from pumpwatch.commands import broker_refusals, cluster_broker, cluster_options, options
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import only_user, require_free
from pumpwatch.settings import environment, user_data
from pumpwatch.supervision.process import play


def broker(
    *,
    kind: Annotated[
        Literal["auto", "mosquitto", "amqtt", "nats"],
        typer.Option(
            "--kind",
            help="mosquitto, amqtt (embedded, for evaluation), nats (for a cluster), or auto: Mosquitto if installed.",
        ),
    ] = "auto",
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Address where gateways connect.")] = (
        options.LOOPBACK
    ),
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")] = 1883,
    system_port: Annotated[
        int,
        typer.Option(
            "--system-port",
            min=0,
            max=65535,
            help="Port on this machine for processor, dashboard and commands; 0 picks a free one, the same each time.",
        ),
    ] = 0,
    tls: Annotated[
        bool,
        typer.Option("--tls", help="Gateways connect with TLS, or at the next port with a client certificate."),
    ] = False,
    anonymous: Annotated[
        bool,
        typer.Option("--anonymous", help="Let in everybody without a password; for an address of this machine only."),
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", callback=options.path, help="Your own Mosquitto configuration, used unchanged."
        ),
    ] = None,
    cluster_port: Annotated[
        int, typer.Option("--cluster-port", min=1, max=65535, help="With nats: port where nodes connect.")
    ] = cluster_options.CLUSTER_PORT,
    monitor_port: Annotated[
        int, typer.Option("--monitor-port", min=1, max=65535, help="With nats: port where nodes check its settings.")
    ] = cluster_options.MONITOR_PORT,
    server: cluster_options.Server = 1,
    routes: cluster_options.Routes = None,
    ranges: cluster_options.Ranges = None,
    cluster_log_size: cluster_options.ClusterLogSize = None,
    data: options.Data = None,
    metrics_port: options.MetricsPort = None,
    log: options.Log = "auto",
) -> None:
    """Run a broker that asks for passwords: Mosquitto if installed, else the embedded one."""
    from broker.access import endpoints
    from broker.access.credentials import credentials_of
    from broker.metrics.readings import Reading, Vitals
    from broker.mqtt import local_broker
    from broker.mqtt.broker_counters import BrokerCounters
    from broker.mqtt.mosquitto_config import find
    from broker.mqtt.topic_access import MONITOR
    from pumpwatch.commands import own_broker

    where = data or user_data()
    if kind == "nats":
        cluster_broker.serve(
            where,
            (cluster_port, port, monitor_port),
            number=server,
            routes=routes or (),
            ranges=ranges,
            log_gb=cluster_log_size,
            metrics_port=metrics_port,
            log=log,
        )
        return
    record = partial(broker_refusals.record, where)
    variables = environment()
    settings = local_broker.Settings(
        directory=endpoints.directory(where),
        kind=kind,
        host=host,
        port=port,
        config=config,
        path=variables.get("PATH"),
    )
    if config is None:
        require_free(host, port, "choose another --port, or 0 for any free one")
    lock = settings.directory / endpoints.LOCK
    with only_user(lock if config is None else None, "broker", "--data"):
        endpoints.forget(where)
        embedded = config is None and (kind == "amqtt" or (kind == "auto" and find(variables.get("PATH")) is None))
        if embedded:
            own_broker.embedded(where, host, port, tls=tls)
        elif config is None and anonymous:
            own_broker.require_tls(host, tls=False)
        elif config is None:
            own = own_broker.plan(where, host, port, system_port=system_port, tls=tls)
            endpoints.write(where, own.endpoints)
            access, login = own.endpoints.access(credentials_of(where)), own.url(MONITOR)
            settings = replace(settings, port=own.endpoints.port, access=access, system_login=login)
        counters = BrokerCounters()
        vitals = Vitals(
            "broker",
            read=lambda: [Reading(*each) for each in counters.values.items()],
            problems=lambda: [] if embedded or counters.answering else ["broker_away"],
        )
        watch = None if metrics_port is None else (vitals, metrics_port)
        follow = local_broker.nothing if metrics_port is None else counters.follow
        try:
            play(
                "broker",
                lambda stop, ready, _: local_broker.run(settings, stop, ready, record, follow),
                watch=watch,
                log_as=log,
            )
        except local_broker.ServerError as error:
            raise CommandError(str(error)) from error
