"""`pumpwatch run`: all parts on this machine as one system."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from broker.metrics.table import PARTS
from broker.store.file_lock import LockedError
from pumpwatch.commands import access_options, cluster_node, cluster_options, cluster_run, gateway_options, options
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import choose_port, was_given
from pumpwatch.commands.run_config import plan
from pumpwatch.commands.run_parts import RunConfig
from pumpwatch.commands.run_system import run_system, say
from pumpwatch.commands.web_options import web_of
from pumpwatch.settings import MAX_PORT, user_data
from pumpwatch.supervision import logs, run_file
from pumpwatch.supervision.supervisor import PartError

if TYPE_CHECKING:
    from pumpwatch.commands.cluster_broker import ClusterBroker
    from pumpwatch.commands.own_broker import OwnBroker


def run(
    ctx: typer.Context,
    *,
    pumps: options.Pumps = None,
    gateways: options.Gateways = None,
    speed: options.Speed = 60.0,
    interval: options.Interval = None,
    seed: options.Seed = None,
    scenario: options.Scenario = "demo",
    payload: options.Payload = "auto",
    port: options.Port = options.DASHBOARD_PORT,
    host: options.Host = options.LOOPBACK,
    key: options.Key = "",
    public_url: options.PublicUrl = "",
    root_path: options.RootPath = "",
    trusted_proxy: options.TrustedProxies = None,
    session_idle: access_options.SessionIdle = access_options.IDLE_H,
    session_days: access_options.SessionDays = access_options.DAYS,
    gateway_host: gateway_options.GatewayHost = options.LOOPBACK,
    gateway_port: gateway_options.GatewayPort = 0,
    gateway_tls: gateway_options.GatewayTls = False,
    tls_cert: options.TlsCert = None,
    tls_key: options.TlsKey = None,
    allowed_host: options.AllowedHosts = None,
    oidc_issuer: access_options.OidcIssuer = "",
    oidc_client_id: access_options.OidcClientId = "",
    oidc_client_secret: access_options.OidcClientSecret = None,
    oidc_role_claim: access_options.OidcRoleClaim = access_options.ROLE_CLAIM,
    oidc_role: access_options.OidcRoles = None,
    broker: options.OwnBroker = None,
    data: options.Data = None,
    nodes: cluster_options.Nodes = 0,
    servers: cluster_options.Servers = 1,
    ranges: cluster_options.Ranges = None,
    cluster_log_size: cluster_options.ClusterLogSize = None,
    cluster_log_hours: cluster_options.ClusterLogHours = None,
    history_table: cluster_options.HistoryTable = "",
    metrics_port: options.MetricsPort = None,
    log: options.Log = "auto",
) -> None:
    """Run the whole system on this machine: broker, processor, dashboard and simulated pumps. Ctrl-C stops it."""
    from pumpwatch.commands import own_broker
    from simulator.gateway.settings import gateway_names, gateways_for

    logs.begin("pumpwatch", kind=log)
    where = (data or user_data()).resolve()
    log_line = partial(say, "pumpwatch")
    proposed = None if was_given(ctx, "scenario") else log_line
    fleet = plan(scenario, pumps=pumps, interval=interval, seed=seed, say=proposed)
    web = web_of(public_url, root_path, trusted_proxy, certificate=tls_cert, key=tls_key, hosts=allowed_host)
    openid = (oidc_issuer, oidc_client_id, oidc_client_secret, oidc_role_claim, oidc_role)
    access_options.openid_of(*openid)
    config = RunConfig(
        data=where,
        fleet=fleet,
        gateways=gateways,
        speed=speed,
        payload=payload,
        broker=None if broker is None else _checked(broker),
        own=None,
        host=host,
        port=port,
        key=key or secrets.token_urlsafe(12),
        dashboard_flags=(
            *web.flags(),
            *access_options.session_flags(session_idle, session_days),
            *access_options.openid_flags(*openid),
        ),
        metrics_port=metrics_port,
        log=("--log", "json" if logs.as_json(log) else "text"),
        nodes=nodes,
        node_flags=cluster_run.node_flags(history_table, cluster_log_size, cluster_log_hours),
    )
    if nodes:
        others = {
            "--broker": broker,
            "--gateway-host": gateway_host != options.LOOPBACK,
            "--gateway-port": gateway_port,
        }
        cluster_run.check({**others, "--gateway-tls": gateway_tls})
    elif servers > 1:
        raise typer.BadParameter("is for a cluster; add --cluster N", param_hint="--servers")
    parts = len(PARTS) + (nodes - 1 + servers - 1 if nodes else 0)
    if metrics_port is not None and metrics_port + parts - 1 > MAX_PORT:
        raise typer.BadParameter(
            f"{metrics_port} leaves no ports for all {parts} parts; use at most {MAX_PORT - parts + 1}",
            param_hint="--metrics-port",
        )
    with _alone(where):
        free = choose_port(host, port, chosen=was_given(ctx, "port"), say=log_line)
        own: OwnBroker | ClusterBroker | None = None
        if not nodes:
            cluster_node.refuse_single(where)
            cluster_node.refuse_table(history_table)
            cluster_node.refuse_retention(cluster_log_size, cluster_log_hours)
        if nodes:
            own = cluster_run.choose(where, ranges, servers, cluster_log_size)
        elif config.broker is None:
            names = gateway_names("gateway", gateways or gateways_for(fleet.pumps))
            own = own_broker.choose(where, gateway_host, gateway_port, tls=gateway_tls, simulated=names)
        else:
            own_broker.warn_of_anonymous(config.broker)
        try:
            asyncio.run(run_system(replace(config, port=free, own=own)))
        except PartError as failure:
            raise CommandError(str(failure)) from failure


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data directory while the system runs; raises `CommandError` if another system runs on it."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(run_file.alone(data))
        except LockedError:
            running = run_file.find(data)
            which = "it is just starting" if running is None else f"process {running.pid}, {running.dashboard}"
            raise CommandError(
                f"Pumpwatch is already running on {data} ({which}); stop it first, or use another --data"
            ) from None
        except OSError as error:
            raise CommandError(
                f"cannot use the data directory {data}: {error.strerror}; choose another with --data"
            ) from error
        yield


def _checked(url: str) -> str:
    from broker.mqtt.address import LinkError, parse_url

    try:
        parse_url(url)
    except LinkError as error:
        raise typer.BadParameter(str(error), param_hint="--broker") from error
    return url
