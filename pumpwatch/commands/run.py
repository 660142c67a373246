"""`pumpwatch run`: all parts on this machine as one system."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import typer
from rich.align import Align
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from broker.store.file_lock import LockedError
from pumpwatch.commands import access_options, options
from pumpwatch.commands.broker_options import variables_of_parts
from pumpwatch.commands.broker_password import with_variable
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import choose_port, public_address_of, was_given
from pumpwatch.commands.run_config import Fleet, plan
from pumpwatch.settings import PREFIX, environment, user_data
from pumpwatch.supervision import logs, run_file
from pumpwatch.supervision.part_notices import Notices
from pumpwatch.supervision.part_process import Part
from pumpwatch.supervision.process import stop_on_signals
from pumpwatch.supervision.supervisor import PartError, Supervisor


@dataclass(frozen=True)
class RunConfig:
    """The options after all defaults; `broker` None starts one on `broker_port`."""

    data: Path
    fleet: Fleet
    gateways: int | None
    speed: float
    payload: Literal["auto", "json", "arrow"]
    broker: str | None = field(repr=False)
    broker_port: int
    host: str
    port: int
    key: str = field(repr=False)
    dashboard_flags: tuple[str, ...] = ()

    @property
    def url(self) -> str:
        """The broker's URL."""
        return self.broker or f"mqtt://{options.LOOPBACK}:{self.broker_port}"


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
    oidc_issuer: access_options.OidcIssuer = "",
    oidc_client_id: access_options.OidcClientId = "",
    oidc_client_secret: access_options.OidcClientSecret = None,
    oidc_role_claim: access_options.OidcRoleClaim = access_options.ROLE_CLAIM,
    oidc_role: access_options.OidcRoles = None,
    broker: options.OwnBroker = None,
    data: options.Data = None,
) -> None:
    """Run the whole system on this machine: broker, processor, dashboard and simulated pumps. Ctrl-C stops it."""
    from broker.mqtt.local_broker import free_port

    logs.begin("pumpwatch")
    where = (data or user_data()).resolve()
    log_line = partial(say, "pumpwatch")
    proposed = None if was_given(ctx, "scenario") else log_line
    fleet = plan(scenario, pumps=pumps, interval=interval, seed=seed, say=proposed)
    public_address_of(public_url, root_path, trusted_proxy)
    openid = (oidc_issuer, oidc_client_id, oidc_client_secret, oidc_role_claim, oidc_role)
    access_options.openid_of(*openid)
    config = RunConfig(
        data=where,
        fleet=fleet,
        gateways=gateways,
        speed=speed,
        payload=payload,
        broker=None if broker is None else _checked(broker),
        broker_port=free_port(),
        host=host,
        port=port,
        key=key or secrets.token_urlsafe(12),
        dashboard_flags=(
            *_public_flags(public_url, root_path, trusted_proxy or []),
            *access_options.session_flags(session_idle, session_days),
            *access_options.openid_flags(*openid),
        ),
    )
    with _alone(where):
        free = choose_port(host, port, chosen=was_given(ctx, "port"), say=log_line)
        try:
            asyncio.run(_run(replace(config, port=free)))
        except PartError as failure:
            raise CommandError(str(failure)) from failure


def say(part: str, text: str) -> None:
    """Log one line in the name of a part."""
    logging.getLogger("pumpwatch").info("%s", text, extra={"part": part})


def parts_of(config: RunConfig) -> list[Part]:
    """Return the processes to run, in the order in which they start.

    Secrets go through the environment, because any user of the machine can read command lines.
    """
    data = ("--data", str(config.data))
    broker_env = {f"{PREFIX}BROKER": config.url} if config.broker is None else variables_of_parts(config.broker)
    broker_flags = ("--host", options.LOOPBACK, "--port", str(config.broker_port))
    dashboard_flags = ("--host", config.host, "--port", str(config.port), *config.dashboard_flags)
    dashboard_env = {**broker_env, f"{PREFIX}KEY": config.key}
    parts = [
        Part("processor", _command("process", *data), broker_env),
        Part("dashboard", _command("dashboard", *data, *dashboard_flags), dashboard_env),
        Part("simulator", _command("simulate", *data, *_fleet_flags(config)), broker_env),
    ]
    if config.broker is None:
        parts.insert(0, Part("broker", _command("broker", *broker_flags, *data)))
    return parts


def _command(name: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pumpwatch", name, *flags)


def _public_flags(url: str, root_path: str, proxies: list[str]) -> tuple[str, ...]:
    flags = [("--public-url", url), ("--root-path", root_path), *(("--trusted-proxy", proxy) for proxy in proxies)]
    return tuple(word for name, value in flags if value for word in (name, value))


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


async def _run(config: RunConfig) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    notices = Notices(with_variable(config.url))
    supervisor = Supervisor(parts_of(config), say, environment(), notices.put)
    publishing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    try:
        addresses = await supervisor.start(stop)
        if addresses is not None:
            # Only now does the processor listen; earlier notices would be lost.
            publishing = asyncio.ensure_future(notices.publish_forever())
            address = addresses["dashboard"]
            run_file.write(config.data, run_file.Running(config.url, run_file.without_key(address), os.getpid()))
            _show(address, config)
            await supervisor.watch(stop)
    finally:
        say("pumpwatch", "stopping")
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)
        await supervisor.stop()


def _show(address: str, config: RunConfig) -> None:
    fleet = config.fleet
    speed = f"a day in {86_400 / config.speed / 60:.3g} minutes" if config.speed > 1 else "in real time"
    lines = Text.assemble(
        ("Open  ", "bold"),
        (address, "bold underline"),
        f"\n\n{fleet.pumps:,} simulated pumps, {speed}; data directory {config.data}",
        "\nA simulation and no medical device. Ctrl-C stops it.",
    )
    console = Console()
    widest = max(len(line) for line in lines.plain.splitlines()) + 6
    frame = Panel(Align.left(lines), title="Pumpwatch", expand=False, padding=(1, 2))
    Console(width=max(console.width, widest)).print(frame)


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
