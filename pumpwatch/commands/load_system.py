"""The system that a load test starts for itself, on a data directory of its own."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Final

from broker.mqtt.address import parse_url
from broker.mqtt.topic_access import DASHBOARD, MONITOR, PROCESSOR
from pumpwatch.commands import own_broker
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.options import DASHBOARD_PORT, LOOPBACK
from pumpwatch.commands.parts import choose_port
from pumpwatch.settings import PREFIX, environment
from pumpwatch.supervision.part_process import Part
from pumpwatch.supervision.supervisor import PartError, Supervisor
from trials.load.system import SystemUnderLoad

MANY = (
    "--gateway-messages",
    "100000",
    "--gateway-births",
    "100000",
    "--new-gateways",
    "20000",
    "--new-pumps",
    "1000000",
)
"""Limits that a load test would exceed on purpose."""
NICENESS: Final = 5
"""The system gives way to the generators on the cores that they share: samples are made when they are due, and what is
late is the system."""


@contextlib.asynccontextmanager
async def started(
    data: Path, gateways: Sequence[str], say: Callable[[str], None], stop: asyncio.Event, *, dashboard: bool
) -> AsyncIterator[SystemUnderLoad]:
    """Run broker, processor and, if asked for, dashboard until the end of the block; raises `CommandError`.

    `gateways` are the names that may log in.
    """
    own = own_broker.choose(data, LOOPBACK, 0, tls=False, simulated=gateways)
    if own.credentials is None:
        raise CommandError("a load test needs Mosquitto; install it with: sudo apt install mosquitto")
    key = secrets.token_urlsafe(12)
    parts = [
        Part("broker", _command("broker", *own.flags, "--data", str(data))),
        Part(
            "processor",
            _command("process", "--trace", *MANY, "--data", str(data)),
            {f"{PREFIX}BROKER": own.url(PROCESSOR)},
        ),
    ]
    if dashboard:
        parts.append(
            Part(
                "dashboard",
                _command(
                    "dashboard",
                    "--port",
                    str(choose_port(LOOPBACK, DASHBOARD_PORT, chosen=False, say=say)),
                    "--data",
                    str(data),
                ),
                {f"{PREFIX}BROKER": own.url(DASHBOARD), f"{PREFIX}KEY": key},
            )
        )
    supervisor = Supervisor(parts, lambda part, text: say(f"{part}: {text}"), environment())
    try:
        try:
            addresses = await supervisor.start(stop)
        except PartError as failure:
            raise CommandError(str(failure)) from failure
        if addresses is None:
            raise CommandError("interrupted before the system was ready")
        yield SystemUnderLoad(
            monitor=parse_url(own.url(MONITOR)),
            gateway_url=own.gateway_url,
            gateway_secret=own.credentials.fleet_secret().decode(),
            parts={name: running.process.pid for name, running in supervisor.running.items()},
            dashboard=addresses.get("dashboard"),
        )
    finally:
        await supervisor.stop()


def _command(name: str, *flags: str) -> tuple[str, ...]:
    nice = shutil.which("nice")
    gives_way = () if nice is None else (nice, "-n", str(NICENESS))
    return (*gives_way, sys.executable, "-m", "pumpwatch", name, *flags)
