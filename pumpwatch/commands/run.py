"""This file is `pumpwatch run`: all parts on this machine, as one."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import typer
from rich.align import Align
from rich.console import Console
from rich.panel import Panel
from rich.text import Text

from pumpwatch.commands import options
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.parts import choose_port, was_given
from pumpwatch.commands.run_config import Fleet, plan
from pumpwatch.settings import PREFIX, environment, user_data
from pumpwatch.supervision import logs, run_file
from pumpwatch.supervision.part_notices import Notices
from pumpwatch.supervision.supervisor import Part, PartError, Supervisor


@dataclass(frozen=True)
class RunConfig:
    """What was asked for, after all defaults; `broker` None means to start one on `broker_port`."""

    data: Path
    fleet: Fleet
    gateways: int | None
    speed: float
    payload: Literal["auto", "json", "arrow"]
    broker: str | None
    broker_port: int
    host: str
    port: int
    key: str

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
    broker: options.OwnBroker = None,
    data: options.Data = None,
) -> None:
    """Run everything on this machine: broker, processor, dashboard and simulated pumps. Ctrl-C ends it."""
    from broker.mqtt.local_broker import free_port

    logs.begin("pumpwatch")
    where = (data or user_data()).expanduser().resolve()
    tell = partial(say, "pumpwatch")
    proposed = None if was_given(ctx, "scenario") else tell
    fleet = plan(scenario, pumps=pumps, interval=interval, seed=seed, say=proposed)
    _refuse_a_second(where)
    wishes = RunConfig(
        data=where,
        fleet=fleet,
        gateways=gateways,
        speed=speed,
        payload=payload,
        broker=None if broker is None else _checked(broker),
        broker_port=free_port(),
        host=host,
        port=choose_port(host, port, chosen=was_given(ctx, "port"), say=tell),
        key=key or secrets.token_urlsafe(12),
    )
    try:
        asyncio.run(_run(wishes))
    except PartError as failure:
        raise CommandError(str(failure)) from failure


def say(part: str, text: str) -> None:
    """Write a line of a part's log."""
    logging.getLogger("pumpwatch").info("%s", text, extra={"part": part})


def parts_of(wishes: RunConfig) -> list[Part]:
    """Return the processes to run, in the order in which they start.

    What may hold a secret goes through the environment: anyone on the machine may read a command line.
    """
    data = ("--data", str(wishes.data))
    link = {f"{PREFIX}BROKER": wishes.url}
    mine = ("--host", options.LOOPBACK, "--port", str(wishes.broker_port))
    screen = ("--host", wishes.host, "--port", str(wishes.port))
    secret = {**link, f"{PREFIX}KEY": wishes.key}
    parts = [
        Part("processor", _command("process", *data), link),
        Part("dashboard", _command("dashboard", *data, *screen), secret),
        Part("simulator", _command("simulate", *data, *_fleet_flags(wishes)), link),
    ]
    if wishes.broker is None:
        parts.insert(0, Part("broker", _command("broker", *mine, *data)))
    return parts


def _command(name: str, *flags: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "pumpwatch", name, *flags)


def _fleet_flags(wishes: RunConfig) -> tuple[str, ...]:
    fleet = wishes.fleet
    flags = {
        "--pumps": fleet.pumps,
        "--interval": f"{fleet.interval_s:g}s",
        "--seed": fleet.seed,
        "--speed": wishes.speed,
        "--payload": wishes.payload,
        "--scenario": fleet.scenario or "none",
    }
    if wishes.gateways is not None:
        flags["--gateways"] = wishes.gateways
    return tuple(str(word) for pair in flags.items() for word in pair)


async def _run(wishes: RunConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    notices = Notices(wishes.url)
    supervisor = Supervisor(parts_of(wishes), say, environment(), notices.put)
    telling: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    try:
        addresses = await supervisor.start(stop)
        if addresses is not None:
            # Not before the processor listens: who tells nobody has told nothing.
            telling = asyncio.ensure_future(notices.tell_on())
            address = addresses["dashboard"]
            run_file.leave(wishes.data, run_file.Running(wishes.url, run_file.without_key(address), os.getpid()))
            _show(address, wishes)
            await supervisor.watch(stop)
    finally:
        say("pumpwatch", "ending")
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await supervisor.stop()
        run_file.remove(wishes.data)


def _show(address: str, wishes: RunConfig) -> None:
    fleet = wishes.fleet
    speed = f"a day in {86_400 / wishes.speed / 60:.3g} minutes" if wishes.speed > 1 else "in real time"
    lines = Text.assemble(
        ("Open  ", "bold"),
        (address, "bold underline"),
        f"\n\n{fleet.pumps:,} simulated pumps, {speed}; the data is in {wishes.data}",
        "\nA simulation and no medical device. Ctrl-C ends it.",
    )
    console = Console()
    widest = max(len(line) for line in lines.plain.splitlines()) + 6
    frame = Panel(Align.left(lines), title="Pumpwatch", expand=False, padding=(1, 2))
    Console(width=max(console.width, widest)).print(frame)


def _refuse_a_second(data: Path) -> None:
    running = run_file.find(data)
    if running is not None:
        raise CommandError(
            f"Pumpwatch runs already on {data} (process {running.pid}, {running.dashboard}); "
            "end it first, or give this one its own --data"
        )


def _checked(url: str) -> str:
    from broker.mqtt.address import LinkError, parse_url

    try:
        parse_url(url)
    except LinkError as error:
        raise typer.BadParameter(str(error), param_hint="--broker") from error
    return url
