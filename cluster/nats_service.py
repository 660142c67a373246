"""A `nats-server` of a cluster on this machine as a service: started with its configuration, ended with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from broker.mqtt.address import LinkError, parse_url
from broker.mqtt.child_process import ending_with_its_parent
from broker.mqtt.link import learn_protocol
from cluster import log_retention
from cluster.nats_server import (
    Login,
    NatsError,
    Ports,
    Routes,
    check_version,
    configuration,
    find,
    write_configuration,
)

log = logging.getLogger("broker")

STORE_BYTES: Final = 8 * 1024**3
"""Messages that no processor has taken yet, on disk, and leases and sessions; more if a larger log was chosen."""
START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 3.0
POLL_S: Final = 0.05
OTHER_VERSION: Final = "unacceptable protocol version"
"""What the server says to a client that asks whether it speaks MQTT 5; all of ours do."""
TAIL_LINES: Final = 10


@dataclass(frozen=True)
class NatsSettings:
    """One NATS server that keeps its files in `directory`; the cluster has `ranges` ranges.

    `routes` is None if it is the only one, `log_gb` if no size was chosen for the log of messages.
    """

    directory: Path
    ports: Ports
    login: Login
    ranges: int
    log_gb: float | None = None
    routes: Routes | None = None

    @property
    def name(self) -> str:
        """The name by which the servers of a cluster know each other."""
        return "pumpwatch" if self.routes is None else f"pumpwatch-{self.routes.number}"

    @property
    def max_bytes(self) -> int:
        """The size of the store: with room for the log, and for what else there is."""
        return max(STORE_BYTES, math.ceil((self.log_gb or 0) * log_retention.BYTES_A_GB / log_retention.SHARE))

    @property
    def mqtt_url(self) -> str:
        """The URL for gateways and parts that speak MQTT."""
        return f"mqtt://{url_login(self.login)}@127.0.0.1:{self.ports.mqtt}"

    @property
    def cluster_url(self) -> str:
        """The URL for nodes."""
        return f"nats://{url_login(self.login)}@127.0.0.1:{self.ports.client}"


@dataclass
class _Server:
    process: asyncio.subprocess.Process
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))

    async def read(self) -> None:
        """Read what the server says until it ends; only its warnings and errors are logged."""
        assert self.process.stderr is not None  # noqa: S101 (it was asked for as a pipe)
        async for line in self.process.stderr:
            text = line.decode(errors="replace").rstrip()
            self.tail.append(text)
            if any(mark in text for mark in ("[WRN]", "[ERR]", "[FTL]")) and OTHER_VERSION not in text:
                log.warning("%s", text)

    async def end(self) -> None:
        """End the server, by force if it takes too long."""
        if self.process.returncode is None:
            self.process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


async def run(settings: NatsSettings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    """Serve until `stop`; calls `ready` with the address when a client gets an answer there. Raises `NatsError`."""
    program, directory, ports = find(), settings.directory, settings.ports
    probe = await asyncio.create_subprocess_exec(program, "--version", stdout=asyncio.subprocess.PIPE)
    check_version((await probe.communicate())[0].decode(errors="replace"))
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = directory / "nats.conf"
    text = configuration(
        settings.name,
        directory / "store",
        ports,
        settings.login,
        settings.max_bytes,
        ranges=settings.ranges,
        routes=settings.routes,
    )
    write_configuration(file, text)
    server = _Server(
        await asyncio.create_subprocess_exec(
            program,
            "--config",
            file,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            preexec_fn=ending_with_its_parent(),
        )
    )
    reading = asyncio.ensure_future(server.read())
    ended, stopped = asyncio.ensure_future(server.process.wait()), asyncio.ensure_future(stop.wait())
    try:
        if await _answers(settings.mqtt_url, (ended, stopped)):
            address = parse_url(settings.mqtt_url).url
            log.info("%s accepts MQTT 3.1.1 at %s, nodes at port %s", program, address, ports.client)
            ready(address)
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not stop.is_set():
            await reading
            raise NatsError(f"nats-server exited with code {ended.result()}: {' / '.join(server.tail) or 'no output'}")
    finally:
        stopped.cancel()
        await server.end()
        await asyncio.gather(reading, ended, stopped, return_exceptions=True)


async def _answers(url: str, endings: Sequence[asyncio.Future[Any]]) -> bool:
    """Wait until a client gets an answer; return whether it did before any of `endings` was done."""
    address = parse_url(url)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not any(future.done() for future in endings):
                with contextlib.suppress(LinkError):
                    await learn_protocol(address)
                    return True
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise NatsError(f"nats-server at {address.url} did not answer within {START_TIMEOUT_S:g} s") from None
    return False


def url_login(login: Login) -> str:
    """Return user and password as they stand before the @ of an address."""
    return f"{quote(login.user, safe='')}:{quote(login.password, safe='')}"
