"""Broker that Pumpwatch starts itself: Mosquitto if it is installed, else the embedded one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from broker.mqtt import mosquitto_config
from broker.mqtt.address import Address, LinkError, parse_url
from broker.mqtt.child_process import ending_with_its_parent
from broker.mqtt.endpoint import bare_host, free_port, host_and_port, is_loopback
from broker.mqtt.link import learn_protocol
from broker.mqtt.refused_logins import RefusedLogin, RefusedLogins
from broker.mqtt.reloading import reload_on_change

Kind = Literal["auto", "mosquitto", "amqtt"]
Record = Callable[[RefusedLogin], Awaitable[None]]
Follow = Callable[[Address], Awaitable[None]]

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 1.5
POLL_INTERVAL_S: Final = 0.05
TAIL_LINES: Final = 20
SAME_FOR_ALL: Final = "does not contain '%c' or '%u'"
"""Mosquitto's warning about a topic that all gateways may read, which is meant so."""

log = logging.getLogger("broker")


class ServerError(Exception):
    """A broker could not be started or ended unexpectedly; the text is for people."""


@dataclass(frozen=True)
class Settings:
    """Which broker to start and where.

    `port` 0 takes a free one. `directory` holds the generated configuration and Mosquitto's database. `config` is a
    Mosquitto configuration of the user's own, used unchanged. `path` is where to look for Mosquitto, as in PATH.
    `access` None lets in every user of this machine. `system_login` is the URL with which the broker is asked whether
    it answers, empty if it needs no login.
    """

    directory: Path
    kind: Kind = "auto"
    host: str = "127.0.0.1"
    port: int = 0
    config: Path | None = None
    path: str | None = None
    access: mosquitto_config.Access | None = None
    system_login: str = ""

    @property
    def gateway_url(self) -> str:
        """The URL for gateways, without a login."""
        return url_of(self.host, self.port, tls=self.access is not None and self.access.tls)

    @property
    def system_url(self) -> str:
        """The URL at which this process asks whether the broker answers."""
        return self.system_login or url_of(self.host, self.port)


def url_of(host: str, port: int, *, tls: bool = False) -> str:
    """Return the URL of a broker, as it is reached from this machine."""
    name = bare_host(host)
    return f"{'mqtts' if tls else 'mqtt'}://{host_and_port(mosquitto_config.LOOPBACK_OF.get(name, name), port)}"


async def nothing(_: Any) -> None:
    """Do nothing beside the broker."""


async def run(
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    record: Record = nothing,
    follow: Follow = nothing,
) -> None:
    """Serve until `stop`; calls `ready` with the URL when a client gets an answer there. Raises `ServerError`.

    `record` is given the logins that Mosquitto refused; `follow` runs beside it, with the address at which it answers.
    """
    settings = replace(settings, port=settings.port or free_port(settings.host))
    program = None if settings.kind == "amqtt" else mosquitto_config.find(settings.path)
    if program is not None:
        await _run_mosquitto(program, settings, stop, ready, record=record, follow=follow)
    elif settings.kind == "mosquitto" or settings.config is not None:
        raise ServerError(
            "mosquitto is not installed (searched PATH and "
            f"{', '.join(mosquitto_config.SYSTEM_PLACES)}); install it, or use --kind amqtt for evaluation"
        )
    else:
        await _run_amqtt(settings, stop, ready)


async def _run_mosquitto(
    program: Path,
    settings: Settings,
    stop: asyncio.Event,
    ready: Callable[[str], None],
    *,
    record: Record,
    follow: Follow,
) -> None:
    config, address = _configure(settings)
    process = await asyncio.create_subprocess_exec(
        program,
        "-c",
        config,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=ending_with_its_parent(),
    )
    tail: deque[str] = deque(maxlen=TAIL_LINES)
    refused = RefusedLogins()
    reading = asyncio.ensure_future(_forward_output(process, tail, refused))
    reporting = asyncio.ensure_future(refused.watch(log.warning, record))
    watching = asyncio.ensure_future(reload_on_change(process, settings.access))
    ended = asyncio.ensure_future(process.wait())
    stopped = asyncio.ensure_future(stop.wait())
    following: asyncio.Future[None] | None = None
    try:
        protocol = await _answering(address, (ended, stopped))
        if protocol is not None:
            following = asyncio.ensure_future(follow(address))
            url = settings.gateway_url if settings.config is None else address.url
            log.info("%s accepts %s connections at %s", program, protocol, url)
            ready(url)
            await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done() and not stop.is_set():
            await reading
            raise ServerError(f"mosquitto exited with code {ended.result()}: {' / '.join(tail) or 'no output'}")
    finally:
        stopped.cancel()
        watching.cancel()
        reporting.cancel()
        beside = [] if following is None else [following]
        for each in beside:
            each.cancel()
        await _end(process)
        await asyncio.gather(reading, watching, reporting, *beside, ended, stopped, return_exceptions=True)


def _configure(settings: Settings) -> tuple[Path, Address]:
    """Write the configuration, unless it is the user's own; return it and the address at which to ask for an answer."""
    if settings.config is not None:
        try:
            text = settings.config.read_text("utf-8", "replace")
        except OSError as error:
            raise ServerError(f"cannot read {settings.config}: {error.strerror}") from error
        return settings.config, parse_url(url_of(*mosquitto_config.listener_of(text)))
    access, port = settings.access, settings.port
    if access is None:
        lines = (*mosquitto_config.anonymous(settings.host, port), *mosquitto_config.LIMITS)
    else:
        lines = (*mosquitto_config.guarded(settings.host, port, access), *mosquitto_config.with_refusals())
    own = mosquitto_config.started_by_us(settings.directory.resolve(), as_root=os.geteuid() == 0)
    config = settings.directory / "mosquitto.conf"
    try:
        settings.directory.mkdir(parents=True, exist_ok=True)
        config.write_text(
            mosquitto_config.configuration((*lines, *own), "Written by pumpwatch at every start; edit a copy.")
        )
    except OSError as error:
        raise ServerError(f"cannot write {config}: {error.strerror}") from error
    return config, parse_url(settings.system_url)


async def _forward_output(process: asyncio.subprocess.Process, tail: deque[str], refused: RefusedLogins) -> None:
    assert process.stdout is not None  # noqa: S101 (it was asked for as a pipe)
    now_s = asyncio.get_running_loop().time
    async for line in process.stdout:
        text = line.decode(errors="replace").rstrip()
        if SAME_FOR_ALL in text or refused.take(text, now_s()):
            continue
        tail.append(text)
        log.info("%s", text)


async def _answering(address: Address, endings: Sequence[asyncio.Future[Any]]) -> str | None:
    """Wait until a client gets an answer; return the protocol, or None if any of `endings` is done first."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while not any(future.done() for future in endings):
                with contextlib.suppress(LinkError):
                    await learn_protocol(address)
                    return address.protocol_name
                await asyncio.sleep(POLL_INTERVAL_S)
    except TimeoutError:
        raise ServerError(f"the broker at {address.url} did not answer within {START_TIMEOUT_S:g} s") from None
    return None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _run_amqtt(settings: Settings, stop: asyncio.Event, ready: Callable[[str], None]) -> None:
    if not is_loopback(settings.host) or settings.access is not None:
        raise ServerError(
            "the embedded broker checks no passwords and has no TLS, so it listens on loopback only, not at "
            f"{settings.host}; install mosquitto, or use 127.0.0.1 without TLS"
        )
    # Imported only if it is used: the import takes a third of a second.
    from amqtt.broker import Broker  # noqa: PLC0415
    from amqtt.errors import BrokerError  # noqa: PLC0415

    for name in ("amqtt", "transitions"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # amqtt 0.12 hands the brackets around an IPv6 address to the resolver, which knows no such host.
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"{bare_host(settings.host)}:{settings.port}"}},
            "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
        }
    )
    try:
        await broker.start()
    except BrokerError as error:
        raise ServerError(f"the embedded broker did not start: {error}") from error
    stopped = asyncio.ensure_future(stop.wait())
    try:
        if await _answering(parse_url(settings.system_url), (stopped,)) is not None:
            log.warning(
                "the embedded broker (amqtt, MQTT 3.1.1) is for evaluation: it checks no passwords, is slower than "
                "Mosquitto and loses all messages and sessions when it stops; install mosquitto for anything else"
            )
            ready(url_of(settings.host, settings.port))
            await stopped
    finally:
        stopped.cancel()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), STOP_TIMEOUT_S)
