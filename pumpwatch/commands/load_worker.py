"""`pumpwatch load --worker`: a generator on this machine for a load test that runs elsewhere."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
from collections.abc import Callable

from rich.console import Console

from broker.contract.topics import NAME
from broker.mqtt.address import LinkError, parse_url
from pumpwatch.commands.errors import CommandError
from pumpwatch.commands.load_target import Target
from trials.load.generator import Login
from trials.load.worker import Worker


async def work(target: Target, console: Console, now: Callable[[], float]) -> None:
    """Take part in load tests until interrupted; raises `CommandError`. `now` is wall ms."""
    if target.broker is None:
        raise CommandError("a worker needs the broker where its runner is: add --broker URL")
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False)

    try:
        address = parse_url(target.broker)
        url, secret = target.login()
        name = address.username or re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname())[:64]
        if not NAME.fullmatch(name):
            raise CommandError(f"a worker cannot have the name {name!r}; log in with the name of a gateway")
        await asyncio.wait_for(_reach(address.host, address.port), 10.0)
        say(f"worker {name} waits for orders at {address.url}; end with Ctrl-C")
        await Worker(name, address, Login(url=url, secret=secret), now, say).serve(stop)
    except LinkError as error:
        raise CommandError(str(error)) from error
    except (OSError, TimeoutError) as error:
        raise CommandError(f"no broker answers at {address.url}: {error or 'no answer'}; check the address") from error


async def _reach(host: str, port: int) -> None:
    _, writer = await asyncio.open_connection(host, port)
    writer.close()
